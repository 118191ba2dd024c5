//! A run for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::View;
use crate::address::Address;
use crate::change::Action;
use crate::execute::Fate;
use crate::machine::Failure;
use crate::plan::Unknown;
use crate::report::kept::KeptData;
use crate::report::plan::ChangeJson;
use crate::report::words::{self, FORMAT_VERSION};

/// What `apply --format json` and `destroy --format json` print.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// Each change of the plan with its fate, in the plan's order.
    pub changes: Vec<FateJson<'a>>,
    /// What failed outside every change: the reload of systemd, or the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureJson<'a>>,
    /// Everything was done, and the plan made afterwards is empty.
    pub converged: bool,
    /// Changes of the plan made afterwards.
    pub remaining: Vec<ChangeJson<'a>>,
    /// What could not be told afterwards.
    pub unknown: &'a [Unknown],
    /// Data that a destroy leaves behind, with its places.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub kept: &'a [KeptData],
    /// The process ends with it.
    pub exit_code: u8,
}

/// What became of one change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FateJson<'a> {
    /// What the change was for.
    pub address: &'a Address,
    /// What was to be done.
    pub action: Action,
    /// `done`, `undone`, `failed`, `skipped` or `interrupted`.
    pub fate: &'static str,
    /// Of a skipped change: the one that it would have needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<&'a Address>,
    /// Of a failed or undone change: what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureJson<'a>>,
    /// Why it could not be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_failure: Option<FailureJson<'a>>,
    /// Last lines of the log of what failed to start, oldest first, at most 20.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub log: &'a [String],
}

/// What failed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailureJson<'a> {
    /// `refused`, `not_found`, `conflict`, `timeout`, `lost_reply`, `unreachable` or `not_up`.
    pub kind: &'static str,
    /// The call that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<&'a str>,
    /// What came of it.
    pub message: &'a str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'a str>,
}

impl<'a> FailureJson<'a> {
    fn new(step: Option<&'a str>, failure: &'a Failure) -> Self {
        let Failure { kind, message, log: _, hint } = failure;
        Self { kind: words::failure_kind(*kind), step, message, hint: hint.as_deref() }
    }
}

impl<'a> From<&View<'a>> for RunJson<'a> {
    fn from(view: &View<'a>) -> Self {
        let View { verb: _, plan, run, remaining, wanted: _, kept, converged, exit_code, look: _ } = *view;
        let fates = plan
            .changes
            .iter()
            .filter_map(|change| Some(fate(&change.address, change.action, run.fates.get(&change.address)?)));
        Self {
            format_version: FORMAT_VERSION,
            stack: &plan.stack,
            changes: fates.collect(),
            failure: run.failure.as_ref().map(|failure| FailureJson::new(None, failure)),
            converged,
            remaining: remaining.changes.iter().map(ChangeJson::from).collect(),
            unknown: &remaining.unknown,
            kept,
            exit_code,
        }
    }
}

fn fate<'a>(address: &'a Address, action: Action, fate: &'a Fate) -> FateJson<'a> {
    let bare = |fate| FateJson { address, action, fate, because: None, failure: None, undo_failure: None, log: &[] };
    match fate {
        Fate::Done => bare("done"),
        Fate::Interrupted => bare("interrupted"),
        Fate::Skipped { because } => FateJson { because: Some(because), ..bare("skipped") },
        Fate::Undone { step, failure } => {
            FateJson { failure: Some(FailureJson::new(Some(step), failure)), log: &failure.log, ..bare("undone") }
        }
        Fate::Failed { step, failure, undo_failure } => FateJson {
            failure: Some(FailureJson::new(Some(step), failure)),
            undo_failure: undo_failure.as_ref().map(|failure| FailureJson::new(None, failure)),
            log: &failure.log,
            ..bare("failed")
        },
    }
}
