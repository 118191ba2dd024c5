//! Unit files of the systemd user manager: quoting, rendering, and telling whether one is ours and as we wrote it.
//! Pure text; shared by the kinds that run under systemd.
//!
//! A value can never become another directive: every value goes through [`exec_word`], [`assignment`] or [`line_value`].

mod others;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::address::Address;
use crate::attributes::{Attributes, digest};
use crate::change::{Step, Steps, step};
use crate::desired::{Context, Difference, Ours, Owned};
use crate::effect::{Effect, Files, Systemd};
use crate::observed::{Observed, PathInfo, PathKind, Query, Seen};
use crate::probe::{Probe, Readiness};

pub use others::{conflicts, drop_ins, let_go, remove};

/// What a unit's programs are looked up in. Constant, so that no store path and no login shell ever makes a difference;
/// the first two are where NixOS keeps its setuid wrappers (newuidmap) and its programs.
pub const SEARCH_PATH: [&str; 8] = [
    "/run/wrappers/bin",
    "/run/current-system/sw/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Above what systemd itself gives a stop (`DefaultTimeoutStopSec=`, 90 s).
pub const STOP_TIMEOUT: Duration = Duration::from_secs(120);

const MARKER: &str = "# Managed by stackctl: ";
/// Ends the address in the first line.
const HASH: &str = " hash=";
const LAST_APPLIED: &str = "# Last applied: ";
/// Unit files hold no secrets, and systemd reads them as the user: the mode of `systemctl edit`.
const UNIT_MODE: u32 = 0o644;

/// One argument of an `Exec…=` line (systemd.service(5), "Command lines"): quoted, with `%` and `$` taken literally.
pub fn exec_word(text: &str) -> String {
    quoted(text, true)
}

/// `KEY=value` of an `Environment=` line (systemd.exec(5)): `%` taken literally; `$` has no meaning there.
pub fn assignment(key: &str, value: &str) -> String {
    quoted(&format!("{key}={value}"), false)
}

/// The value of a line that is not split into words: `%` taken literally, line ends as spaces.
pub fn line_value(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.replace('%', "%%")
}

/// The words of an `ExecStart=`. Variables are not put into the program's path, so that a `$` in it can be doubled no more
/// than in an `Environment=`; `:` keeps systemd from looking for any (systemd.service(5)).
pub fn exec_line(words: &[String]) -> String {
    let literal = words.first().is_some_and(|program| program.contains('$'));
    let words: Vec<String> = words.iter().map(|word| quoted(word, !literal)).collect();
    format!("{}{}", if literal { ":" } else { "" }, words.join(" "))
}

/// A directory as the whole value of a line, which systemd trims, and joins with the next where it ends with a backslash.
pub fn directory_value(path: &str) -> String {
    let open = path.ends_with(['\\', ' ']);
    format!("{}{}", line_value(path), if open { "/" } else { "" })
}

/// A file as the value of `EnvironmentFile=`, which is a pattern (glob(7)).
pub fn pattern_value(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in line_value(path).chars() {
        if "\\*?[".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    match out.strip_suffix(' ') {
        Some(before) => format!("{before}[ ]"),
        None => out,
    }
}

fn quoted(text: &str, is_command: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '%' => out.push_str("%%"),
            '$' if is_command => out.push_str("$$"),
            c if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c)).expect("a string takes all"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A unit as it is to stand on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// With its `.service` or `.timer`.
    pub name: String,
    pub address: Address,
    /// What its text is made from, and `enabled`; compared row by row, and kept in the file as last-applied.
    pub spec: Attributes,
    /// Started at boot, as `target` is.
    pub enabled: bool,
    /// The whole file.
    text: String,
    path: PathBuf,
    wants_link: PathBuf,
}

/// What a unit is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    pub name: String,
    pub address: Address,
    pub spec: Attributes,
    pub body: String,
    /// Started at boot, as `target` is.
    pub enabled: bool,
    /// What wants it: `default.target` or `timers.target`.
    pub target: &'static str,
}

/// What stands at a unit's path.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    Absent,
    /// Ours. `edited` holds the text where it is not as it was written.
    Ours {
        spec: Cow<'a, Attributes>,
        edited: Option<&'a str>,
        stale: bool,
    },
    /// A link to /dev/null: somebody said that it is never to start.
    Masked,
    /// Somebody else's: what it is.
    Foreign(String),
    Unknown(String),
}

impl Unit {
    pub fn new(context: &Context, parts: Parts) -> Self {
        let Parts { name, address, spec, body, enabled, target } = parts;
        let stack = &context.stack;
        let path = context.unit_directory.join(&name);
        let wants_link = context.unit_directory.join(format!("{target}.wants")).join(&name);
        let rest = format!("{LAST_APPLIED}{}\n{body}", spec.canonical());
        let text = format!("{MARKER}stack={stack} address={address} hash={}\n{rest}", digest(&rest));
        Self { name, address, spec, enabled, text, path, wants_link }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn query(&self, context: &Context, query: &mut Query) {
        query.units.insert(self.name.clone());
        query.files.insert(self.path.clone());
        query.paths.insert(self.wants_link.clone());
        let mut above = self.wants_link.ancestors().skip(1).map(Path::to_path_buf);
        // Of the first unit; the others lie beside it.
        if above.next().is_some_and(|folder| query.paths.insert(folder)) {
            query.paths.extend(above);
        }
        if query.search_path.is_empty() {
            query.search_path = search_path(context);
        }
    }

    pub fn found<'a>(&'a self, observed: &'a Observed, context: &Context) -> Found<'a> {
        match observed.paths.get(&self.path) {
            None | Some(Seen::Absent) => Found::Absent,
            Some(Seen::Unknown(why)) => Found::Unknown(why.clone()),
            Some(Seen::Present(info)) => self.judge(info, observed, context),
        }
    }

    fn judge<'a>(&'a self, info: &'a PathInfo, observed: &Observed, context: &Context) -> Found<'a> {
        let content = match (&info.kind, &info.content) {
            (PathKind::File, Some(content)) => content,
            (PathKind::File, None) => return Found::Foreign("a file that is no text".to_owned()),
            (PathKind::Symlink { target, .. }, _) if target == std::path::Path::new("/dev/null") => {
                return Found::Masked;
            }
            (PathKind::Symlink { target, .. }, _) => {
                return Found::Foreign(format!("a symbolic link to {}", target.display()));
            }
            (PathKind::Directory | PathKind::Other, _) => return Found::Foreign("no regular file".to_owned()),
        };
        let loaded = observed.manager.present().map(|manager| manager.loaded_at_us);
        let stale = loaded.is_some_and(|loaded| info.modified_us > loaded);
        if *content == self.text {
            return Found::Ours { spec: Cow::Borrowed(&self.spec), edited: None, stale };
        }
        match Managed::parse(content) {
            Some(managed) if managed.stack == context.stack && managed.address == self.address => {
                let edited = (!managed.is_intact()).then_some(content.as_str());
                Found::Ours { spec: Cow::Owned(managed.spec()), edited, stale }
            }
            Some(managed) => Found::Foreign(format!("{} of stack {}", managed.address, managed.stack)),
            None => Found::Foreign("a unit file that stackctl did not write".to_owned()),
        }
    }

    /// The desired rows: those of the spec, and the states of the file itself.
    pub fn attributes(&self, into: &mut Attributes) {
        into.0.extend(self.spec.0.clone());
        into.set("unit", self.text.clone());
        into.set("loaded", true);
    }

    /// The observed rows. Where the file is as it was written, the spec in it is what is there.
    pub fn seen(&self, observed: &Observed, context: &Context, into: &mut Attributes) -> Attributes {
        let enabled = observed.paths.get(&self.wants_link).is_some_and(|seen| seen.present().is_some());
        let spec = match self.found(observed, context) {
            Found::Ours { spec, edited, stale } => {
                into.0.extend(spec.0.clone());
                into.set("unit", edited.unwrap_or(&self.text));
                into.set("loaded", !stale);
                spec.into_owned()
            }
            Found::Absent | Found::Masked | Found::Foreign(_) | Found::Unknown(_) => {
                into.0.extend(self.spec.0.clone());
                into.set("unit", Value::Null);
                into.set("loaded", true);
                self.spec.clone()
            }
        };
        // What is enabled is told by the link, whatever the file was written for.
        into.set("enabled", enabled);
        spec
    }

    /// Is it on disk as it is to be, loaded, and enabled as it is to be?
    pub fn is_settled(&self, observed: &Observed) -> bool {
        let file = observed.paths.get(&self.path).and_then(Seen::present);
        let is_written = file.is_some_and(|info| {
            let loaded = observed.manager.present();
            let is_loaded = loaded.is_none_or(|manager| info.modified_us <= manager.loaded_at_us);
            info.kind == PathKind::File && info.content.as_ref() == Some(&self.text) && is_loaded
        });
        let is_linked = observed.paths.get(&self.wants_link).is_some_and(|seen| seen.present().is_some());
        is_written && is_linked == self.enabled
    }

    /// The directory that keeps the unit from being written or enabled, where that is due.
    pub fn barred_by(&self, observed: &Observed) -> Option<PathBuf> {
        let (path, link) = (&self.path, &self.wants_link);
        let present = |path: &Path| observed.paths.get(path).and_then(Seen::present);
        let is_written = present(path).is_some_and(|info| info.content.as_ref() == Some(&self.text));
        let is_linked = !self.enabled || present(link).is_some();
        let due = (!is_written).then_some(path).into_iter().chain((!is_linked).then_some(link));
        due.into_iter().find_map(|path| {
            let (nearest, info) = path.ancestors().skip(1).find_map(|above| Some((above, present(above)?)))?;
            (!info.writable).then(|| nearest.to_owned())
        })
    }

    /// Is the file newer than what systemd has loaded?
    fn is_stale(&self, observed: &Observed, context: &Context) -> bool {
        matches!(self.found(observed, context), Found::Ours { stale: true, .. })
    }

    /// Writes and enables the unit as far as it differs.
    pub fn prepare(&self, difference: &Difference, rows: &[&str], observed: &Observed, context: &Context) -> Vec<Step> {
        let mut steps = Vec::new();
        let text = self.text.clone();
        let path = self.path.clone();
        let before = observed.paths.get(&path).and_then(Seen::present).and_then(|info| info.content.clone());
        // What is made anew may find the file of a run that was killed: of an earlier stack file, or not loaded yet.
        let left_over =
            difference.has("exists") && (before.as_ref() != Some(&text) || self.is_stale(observed, context));
        let differs = rows.iter().any(|row| difference.has(row)) || difference.has("unit");
        if before.is_none() || left_over || (differs && before.as_ref() != Some(&text)) {
            let write = |content| Effect::Files(Files::Write { path: path.clone(), content, mode: UNIT_MODE });
            let back = match before {
                Some(before) => write(before),
                None => Effect::Files(Files::Remove { path: path.clone() }),
            };
            steps.push(step(write(text)).undo(back));
        }
        let is_enabled = observed.paths.get(&self.wants_link).is_some_and(|seen| seen.present().is_some());
        let enable = || Effect::Systemd(Systemd::Enable { unit: self.name.clone() });
        let disable = || Effect::Systemd(Systemd::Disable { unit: self.name.clone() });
        match (self.enabled, is_enabled) {
            (true, false) => steps.push(step(enable()).undo(disable())),
            (false, true) => steps.push(step(disable()).undo(enable())),
            (true, true) | (false, false) => {}
        }
        steps
    }
}

/// systemd's user search path, in its order of precedence (systemd.unit(5), "User Unit Search Path").
fn search_path(context: &Context) -> Vec<PathBuf> {
    let run = &context.runtime_directory;
    vec![
        context.unit_directory.clone(),
        run.join("systemd/user.control"),
        run.join("systemd/transient"),
        run.join("systemd/generator.early"),
        context.home.join(".config/systemd/user.control"),
        PathBuf::from("/etc/systemd/user"),
        run.join("systemd/user"),
        PathBuf::from("/run/systemd/user"),
        run.join("systemd/generator"),
        context.home.join(".local/share/systemd/user"),
        PathBuf::from("/usr/local/lib/systemd/user"),
        PathBuf::from("/usr/lib/systemd/user"),
        run.join("systemd/generator.late"),
    ]
}

/// Where on the search path, besides the directory that we write to, a unit of this name lies: it belongs to somebody else.
pub fn elsewhere(name: &str, observed: &Observed, context: &Context) -> Option<PathBuf> {
    let mut places = observed.search_path.iter().filter(|(directory, _)| *directory != context.unit_directory);
    places.find(|(_, names)| names.contains(name)).map(|(directory, _)| directory.join(name))
}

/// A file with our first line, of which only that is read until more is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed<'a> {
    pub stack: &'a str,
    pub address: Address,
    hash: &'a str,
    /// Everything below the first line.
    rest: &'a str,
}

impl<'a> Managed<'a> {
    pub fn parse(content: &'a str) -> Option<Self> {
        let (first, rest) = content.split_once('\n')?;
        let (stack, words) = first.strip_prefix(MARKER)?.strip_prefix("stack=")?.split_once(" address=")?;
        let (address, hash) = words.rsplit_once(HASH)?;
        Some(Self { stack, address: address.parse().ok()?, hash, rest })
    }

    /// Is everything below the first line as it was written?
    pub fn is_intact(&self) -> bool {
        self.hash == digest(self.rest)
    }

    /// The last-applied; nothing where somebody made it unreadable.
    pub fn spec(&self) -> Attributes {
        let line = self.rest.lines().next().and_then(|line| line.strip_prefix(LAST_APPLIED));
        line.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

/// Every unit file of this stack and kind that was seen, for orphans and destroy.
pub fn owned(kind: &str, observed: &Observed, ours: Ours<'_>) -> Vec<(Address, PathBuf)> {
    let begins = format!("{MARKER}stack={} address=", ours.stack);
    let of_kind = format!("{kind}.");
    let mut found = Vec::new();
    for (path, seen) in observed.paths.iter() {
        let content = seen.present().and_then(|info| info.content.as_deref());
        let words =
            content.and_then(|content| content.strip_prefix(&begins)).filter(|words| words.starts_with(&of_kind));
        let address = words.and_then(|words| words.lines().next()?.rsplit_once(HASH)).map(|(address, _)| address);
        let address = address.filter(|address| ours.asks_for(address)).and_then(|address| address.parse().ok());
        found.extend(address.map(|address| (address, path.to_path_buf())));
    }
    found
}

/// The same, each with all its files.
pub fn owned_by(kind: &str, observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    let mut found = BTreeMap::<Address, Vec<String>>::new();
    for (address, path) in owned(kind, observed, ours) {
        found.entry(address).or_default().push(path.display().to_string());
    }
    found.into_iter().map(|(address, names)| Owned { address, names, part_of: None }).collect()
}

/// Stops and disables what starts a service before the service itself, so that nothing begins any more, and takes the files away.
pub fn removal(of: &Owned, observed: &Observed, context: &Context) -> Steps {
    let of_this = |(address, path)| (address == of.address).then_some(path);
    let mut paths: Vec<PathBuf> =
        owned(of.address.kind(), observed, Ours::all(&context.stack)).into_iter().filter_map(of_this).collect();
    let is_service = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "service");
    paths.sort_by_key(is_service);
    let starts_alone = paths.len() == 1;
    let mut steps = Steps::default();
    for path in paths {
        let unit = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        steps.main.push(step(Effect::Systemd(Systemd::Stop { unit: unit.clone(), timeout: STOP_TIMEOUT })));
        if starts_alone || !is_service(&path) {
            steps.main.push(step(Effect::Systemd(Systemd::Disable { unit })).commit());
        }
        steps.finish.push(step(Effect::Files(Files::Remove { path })));
    }
    steps
}

/// A dependency's readiness that the dependent's unit waits for at boot, where systemd cannot: a bounded wait of the
/// program itself, skipped when it is gone and ignored when it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootWait {
    pub arguments: Vec<String>,
    pub timeout_s: u64,
}

impl BootWait {
    pub fn line(&self) -> String {
        let script = "command -v stackctl >/dev/null 2>&1 || exit 0; exec stackctl wait \"$@\"";
        let words = ["/bin/sh", "-c", script, "sh"].into_iter().map(str::to_owned);
        let timeout = ["--timeout".to_owned(), self.timeout_s.to_string()];
        let words: Vec<String> =
            words.chain(self.arguments.iter().cloned()).chain(timeout).map(|word| exec_word(&word)).collect();
        format!("ExecStartPre=-{}", words.join(" "))
    }

    pub fn value(&self) -> Value {
        json!({ "arguments": self.arguments, "timeout_s": self.timeout_s })
    }
}

/// A check that the host makes, as an attribute; times in seconds.
pub fn host_check(readiness: &Readiness) -> Value {
    let Readiness { probe, interval, timeout, retries, start_period } = readiness;
    let mut map = json!({
        "interval": interval.as_secs_f64(),
        "timeout": timeout.as_secs_f64(),
        "retries": retries,
        "start_period": start_period.as_secs_f64(),
    });
    match probe {
        Probe::Http { url, status, json } => {
            map["http"] = json!(url);
            map["expect"] = json!({ "status": status, "json": json });
        }
        Probe::Tcp { address } => map["tcp"] = json!(address),
        Probe::Container { name } => map["container"] = json!(name),
    }
    map
}

#[cfg(test)]
mod tests {
    use super::{Managed, Parts, Unit, assignment, directory_value, exec_line, exec_word, line_value, pattern_value};
    use crate::address::Address;
    use crate::attributes::{Attributes, Secrets};
    use crate::desired::Context;

    #[test]
    fn a_value_never_becomes_another_directive() {
        for (text, expected) in [
            ("plain/path:1", "plain/path:1"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\nExecStart=/bin/evil", "\"a\\nExecStart=/bin/evil\""),
            ("100%", "\"100%%\""),
            ("$HOME ${X}", "\"$$HOME $${X}\""),
            ("say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""),
            (";", "\";\""),
            ("\u{1}", "\"\\x01\""),
        ] {
            assert_eq!(exec_word(text), expected, "{text:?}");
        }
        assert_eq!(assignment("A", "$x 5%\n"), "\"A=$x 5%%\\n\"");
        assert_eq!(line_value("one\ntwo %h"), "one two %%h");
        assert_eq!(directory_value("/a b/%\\"), "/a b/%%\\/");
        assert_eq!(directory_value("/a b"), "/a b");
        assert_eq!(pattern_value("/a [1]*?\\ "), "/a \\[1]\\*\\?\\\\[ ]");
        let line = |words: &[&str]| exec_line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["/bin/x", "$A"]), "/bin/x \"$$A\"");
        assert_eq!(line(&["/$x/y", "$A", "%"]), ":\"/$x/y\" \"$A\" \"%%\"");
    }

    #[test]
    fn an_edit_of_ours_is_told_from_what_was_written() {
        let mut spec = Attributes::default();
        spec.set("restart", "always");
        spec.set("enabled", true);
        let context = Context {
            stack: "s".to_owned(),
            home: "/home/u".into(),
            unit_directory: "/home/u/.config/systemd/user".into(),
            runtime_directory: "/run/user/1000".into(),
            data: "/home/u/.local/share".into(),
            secrets: Secrets::new([0; 32]),
        };
        let parts = Parts {
            name: "x.service".to_owned(),
            address: Address::new("service", "x"),
            spec: spec.clone(),
            body: "[Service]\nExecStart=/bin/true\n".to_owned(),
            enabled: true,
            target: "default.target",
        };
        let text = Unit::new(&context, parts).text;
        let managed = Managed::parse(&text).expect("ours");
        assert_eq!((managed.stack, managed.is_intact(), managed.spec()), ("s", true, spec));
        let edited = text.replace("true", "false");
        assert!(!Managed::parse(&edited).expect("still ours").is_intact());
        assert_eq!(Managed::parse("[Service]\n"), None);
    }
}
