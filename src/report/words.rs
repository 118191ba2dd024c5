//! Every symbol, word and colour of the reports, so that plan, progress and run call one thing by one name. Constants and
//! exhaustive matches alone: nothing here looks at more than an action.

use crate::change::{Action, Cause, Severity};
use crate::execute::Fate;
use crate::machine::FailureKind;

/// Columns that the reports keep to. Only what must be copied whole (an address, a path, a command) may be longer.
pub const WIDTH: usize = 80;
/// The version of every JSON document that is printed.
pub const FORMAT_VERSION: &str = "1";

pub const RISK: &str = "!";
pub const UNKNOWN: &str = "?";
/// A change that did not succeed.
pub const FAILED: &str = "x";
pub const NONE: &str = "(none)";
pub const SECRET: &str = "(secret)";
pub const SECRET_CHANGED: &str = "(secret, changed)";
pub const ARROW: &str = "->";
pub const ELLIPSIS: char = '…';

/// A colour by what it is for; readable output never depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Bold,
    Dim,
    Good,
    Careful,
    Bad,
    Note,
}

impl Colour {
    /// The SGR parameter of ECMA-48.
    pub const fn code(self) -> &'static str {
        match self {
            Colour::Plain => "0",
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Good => "32",
            Colour::Careful => "33",
            Colour::Bad => "31",
            Colour::Note => "36",
        }
    }
}

/// At most three columns wide; the reports right-align it.
pub const fn symbol(action: Action) -> &'static str {
    match action {
        Action::None => " ",
        Action::Finish | Action::Start => ">",
        Action::Update | Action::Reload | Action::Restart => "~",
        Action::Replace => "-/+",
        Action::Create => "+",
        Action::Delete => "-",
    }
}

pub const fn colour(action: Action) -> Colour {
    match action {
        Action::None => Colour::Dim,
        Action::Finish | Action::Start | Action::Create => Colour::Good,
        Action::Update | Action::Reload | Action::Restart => Colour::Careful,
        Action::Replace | Action::Delete => Colour::Bad,
    }
}

/// An action in the three forms that the reports need: `create`, `creating`, `created`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verb {
    pub plain: &'static str,
    pub going: &'static str,
    pub done: &'static str,
}

const fn verb(plain: &'static str, going: &'static str, done: &'static str) -> Verb {
    Verb { plain, going, done }
}

/// What the action is called for this kind: an image is not created, it is pulled.
pub fn action(kind: &str, action: Action) -> Verb {
    match action {
        Action::None => verb("unchanged", "leaving", "unchanged"),
        Action::Finish => verb("finish", "finishing", "finished"),
        Action::Start => verb("start", "starting", "started"),
        Action::Update => verb("update", "updating", "updated"),
        Action::Reload => verb("reload", "reloading", "reloaded"),
        Action::Restart => verb("restart", "restarting", "restarted"),
        Action::Replace => verb("replace", "replacing", "replaced"),
        Action::Create if kind == "image" => verb("pull", "pulling", "pulled"),
        Action::Create => verb("create", "creating", "created"),
        Action::Delete => verb("delete", "deleting", "deleted"),
    }
}

pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::File => "file",
        Cause::Machine => "machine",
        Cause::Both => "file and machine",
    }
}

/// What stands behind the code of a risk, so that its weight is readable without colour; a critical one needs no word.
pub const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => " (info)",
        Severity::Warning => " (warning)",
        Severity::Critical => "",
    }
}

pub const fn severity_colour(severity: Severity) -> Colour {
    match severity {
        Severity::Info => Colour::Note,
        Severity::Warning => Colour::Careful,
        Severity::Critical => Colour::Bad,
    }
}

/// What became of a change, in words that stand behind its address.
pub fn fate(kind: &str, of: Action, fate: &Fate) -> String {
    let verb = action(kind, of);
    match fate {
        Fate::Done => verb.done.to_owned(),
        Fate::Undone { .. } => format!("{} failed; taken back, it is as before", verb.plain),
        Fate::Failed { undo_failure: None, .. } => format!("{} failed; what was done of it stays", verb.plain),
        Fate::Failed { undo_failure: Some(_), .. } => format!("{} failed, and so did taking it back", verb.plain),
        Fate::Skipped { because } => format!("not begun, because of {because}"),
        Fate::Interrupted => "interrupted; it is as before".to_owned(),
    }
}

pub const fn failure_kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Refused => "refused",
        FailureKind::NotFound => "not_found",
        FailureKind::Conflict => "conflict",
        FailureKind::Timeout => "timeout",
        FailureKind::LostReply => "lost_reply",
        FailureKind::Unreachable => "unreachable",
        FailureKind::NotUp => "not_up",
    }
}
