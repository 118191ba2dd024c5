//! A service as written (design §3). Every key maps or errors; `overrides` are the one place where raw directives stand,
//! and they are shown in the plan as such.

use crate::stack::forms::{Described, Form, TEXT_OR_TEXTS, TEXTS, key};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::{Service, sockets};
use crate::address::Address;
use crate::desired::{Context, Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::kinds::container::{Restart, UnitDependencies, host_readiness, needs, stop_signal};
use crate::stack::forms::{self, Map, Places};
use crate::stack::yaml::{Key, Node};

pub(super) const KEYS: &[Described] = &[
    key("exec", TEXT_OR_TEXTS, "The program and its arguments; a path, or a name on systemd's search path"),
    key("type", Form::OneOf(TYPES), "How systemd knows that it has started; `exec` by itself"),
    key("environment", Form::Pairs, "Variables"),
    key(
        "env_file",
        Form::Either(&[Form::Path, Form::List(&Form::Either(&[Form::Path, Form::Map(forms::ENV_FILE_KEYS)]))]),
        "Files of variables, which nobody else may read (mode 0600)",
    ),
    key("working_dir", Form::Path, "The directory in which it begins"),
    key(
        "depends_on",
        Form::Either(&[TEXTS, Form::Names(&Form::Map(forms::DEPENDENCY_KEYS))]),
        "What must be there first",
    ),
    key("restart", Form::Text, "`no`, `always`, `unless-stopped` or `on-failure`; `unless-stopped` by itself"),
    key("restart_sec", Form::Duration, "How long to wait before a restart"),
    key("start_limit", Form::Map(LIMIT_KEYS), "When systemd gives up starting it"),
    key("timeout_start", Form::Duration, "How long a start may take"),
    key("timeout_stop", Form::Duration, "How long it has to end before it is killed"),
    key("kill_signal", Form::Text, "What it is told to end with"),
    key("nice", Form::Integer, "Its priority, -20 to 19"),
    key("memory_max", Form::Size, "Memory that it may take"),
    key("cpu_quota", Form::Text, "Processors that it may take, such as `1.5` or `150%`"),
    key("tasks_max", Form::Integer, "Processes and threads that it may have"),
    key(
        "sandbox",
        Form::Boolean,
        "Without new privileges, with /usr and /etc read-only, a /tmp of its own, and few system calls",
    ),
    key(
        "sockets",
        TEXT_OR_TEXTS,
        "What systemd listens on in its place, to start it at the first connection: a port, `IP:PORT`, `PORT/udp`, or a path",
    ),
    key("wanted_by", TEXT_OR_TEXTS, "`default.target`, which a user manager starts at boot"),
    key("enabled", Form::Boolean, "Start it at boot; true by itself"),
    key("overrides", Form::Map(SECTIONS), "Raw directives of the unit, such as `{ Service: { UMask: \"0077\" } }`"),
    key("healthcheck", Form::Map(forms::HEALTH_KEYS), "How it is told that it works: `http` or `tcp`"),
];
const UNSUPPORTED: &[(&str, &str)] = &[
    ("image", "what has an image is a container: move it to `containers:`"),
    ("data", "data contracts are not part of this version"),
    ("databases", "data contracts are not part of this version"),
];
const TYPES: &[&str] = &["exec", "simple", "notify", "oneshot", "forking"];
const LIMIT_KEYS: &[Described] =
    &[key("burst", Form::Integer, "So many starts"), key("interval", Form::Duration, "Within this time")];
pub(in crate::kinds) const SECTIONS: &[Described] = &[
    key("Unit", Form::Names(&TEXT_OR_TEXTS), "Raw directives of this section"),
    key("Service", Form::Names(&TEXT_OR_TEXTS), "Raw directives of this section"),
    key("Install", Form::Names(&TEXT_OR_TEXTS), "Raw directives of this section"),
];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    if !is_unit_name(&key.text) {
        let detail = format!("`{}` cannot be the name of a unit", key.text.escape_debug());
        reading.diagnostics.error(key.span, "Not a name", detail).help("letters, digits, `_`, `.`, `:` and `-`");
        return Vec::new();
    }
    let context = reading.context;
    let Some(map) = Map::new(node, "a service", KEYS, reading.diagnostics) else {
        return Vec::new();
    };
    let mut map = map.unsupported(UNSUPPORTED);
    let places = reading.places;
    let job = job(Address::new("service", &key.text), key, &mut map, reading.places, context);
    let mut service = Service {
        kind: map.read("type", |node, diagnostics| forms::one_of(TYPES, node, diagnostics)).unwrap_or("exec"),
        restart: map.read("restart", forms::restart_policy).map_or(Restart::UnlessStopped, Restart::from),
        restart_sec: map.read("restart_sec", forms::duration),
        start_limit: map.read("start_limit", start_limit),
        sandbox: map.read("sandbox", forms::boolean),
        sockets: map.read("sockets", |node, diagnostics| sockets::read(node, places, diagnostics)).unwrap_or_default(),
        wanted_by: map.read("wanted_by", targets).unwrap_or_else(|| vec!["default.target".to_owned()]),
        enabled: map.read("enabled", forms::boolean).unwrap_or(true),
        readiness: map.read("healthcheck", host_readiness),
        remains: true,
        ..job
    };
    if service.kind == "oneshot" && map.take("restart").is_none() {
        // systemd allows a oneshot only `no` and `on-failure`.
        service.restart = Restart::No;
    }
    if service.kind == "oneshot" && matches!(service.restart, Restart::Always | Restart::UnlessStopped) {
        let span = map.span_of("restart");
        map.diagnostics.error(span, "Contradiction", "a oneshot ends by itself, and `restart` says otherwise");
    }
    if !service.sockets.is_empty() {
        started_by_sockets(&service, node, &mut map);
    }
    map.finish();
    vec![Box::new(service)]
}

/// It is the socket that stands enabled.
fn started_by_sockets(service: &Service, node: &Node, map: &mut Map<'_, '_>) {
    if let Some(wanted_by) = node.get("wanted_by") {
        let detail = "what has `sockets` is started by the first connection, and by nothing else at boot";
        map.diagnostics.error(wanted_by.span, "Contradiction", detail).help("leave `wanted_by` out");
    }
    if service.kind == "oneshot" {
        let span = map.span_of("sockets");
        let detail = "a oneshot ends by itself, and what listens for it would start it again and again";
        map.diagnostics.error(span, "Contradiction", detail);
    }
}

/// What runs, and how: the part of a service that a timer's job has too. It ends, and is neither started nor enabled by itself.
pub(in crate::kinds) fn job(
    address: Address,
    key: &Key,
    map: &mut Map<'_, '_>,
    places: Places<'_>,
    context: &Context,
) -> Service {
    let exec = map.require("exec", "[~/bin/program, --option]", |node, diagnostics| exec(node, places, diagnostics));
    Service {
        address,
        span: key.span,
        context: context.clone(),
        exec: exec.unwrap_or_default(),
        kind: "oneshot",
        environment: map.read("environment", environment).unwrap_or_default(),
        env_files: map.read("env_file", |node, diagnostics| env_files(node, places, diagnostics)).unwrap_or_default(),
        working_dir: map.read("working_dir", |node, diagnostics| forms::host_path(node, places, diagnostics)),
        depends_on: map.read("depends_on", forms::depends_on).map(needs).unwrap_or_default(),
        restart: Restart::No,
        restart_sec: None,
        start_limit: None,
        timeout_start: map.read("timeout_start", forms::duration),
        timeout_stop: map.read("timeout_stop", forms::duration),
        kill_signal: map.read("kill_signal", stop_signal),
        nice: map.read("nice", |node, diagnostics| forms::integer_in(-20..=19, node, diagnostics)),
        memory_max: map.read("memory_max", forms::size_bytes),
        cpu_quota: map.read("cpu_quota", cpu_quota),
        tasks_max: map.read("tasks_max", |node, diagnostics| forms::integer_in(1..=i64::MAX, node, diagnostics)),
        sandbox: None,
        sockets: Vec::new(),
        wanted_by: Vec::new(),
        enabled: false,
        overrides: map.read("overrides", overrides).unwrap_or_default(),
        readiness: None,
        boot_waits: Vec::new(),
        unit_dependencies: UnitDependencies::default(),
        remains: false,
        files: BTreeMap::new(),
        databases: Vec::new(),
        roots: BTreeSet::new(),
        unit: std::sync::OnceLock::new(),
        socket: std::sync::OnceLock::new(),
    }
}

/// systemd.unit(5), "Unit File Load Path": the characters of a unit name, without templates.
pub(in crate::kinds) fn is_unit_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    !name.is_empty() && name.len() <= 200 && name.chars().all(valid) && !name.starts_with(['-', '.'])
}

/// systemd reads `-`, `@`, `:`, `+`, `!` and `|` before the program's path as options, in quotes too: a path that begins
/// with a slash, or a plain name, can be none of them.
fn exec(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let mut words = forms::command(node, diagnostics)?.words;
    let Some(first) = words.first_mut() else {
        diagnostics.error(node.span, "Empty command", "`exec` needs a program").help("such as `[~/bin/program]`");
        return None;
    };
    if first.starts_with(['-', '@', ':', '+', '!', '|']) {
        let detail = format!("systemd would take the first sign of `{}` for an option", first.escape_debug());
        diagnostics.error(node.span, "Not a program", detail).help("write the path in full, or begin it with `./`");
        return None;
    }
    if first.contains('/') || first.starts_with('~') {
        let path = forms::host_path_text(first, node.span, places, diagnostics)?;
        *first = path.display().to_string();
        if first.contains(['"', '\'', '\\']) {
            let detail =
                format!("systemd runs no program whose path holds a quote or a backslash: {}", first.escape_debug());
            diagnostics
                .error(node.span, "Not a program", detail)
                .help("give it another name, or a symbolic link to it");
            return None;
        }
    } else if !first.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) || first.starts_with(['-', '.']) {
        let detail = format!("`{}` is neither a path nor the name of a program", first.escape_debug());
        diagnostics.error(node.span, "Not a program", detail);
        return None;
    }
    Some(words)
}

fn environment(node: &Node, diagnostics: &mut Diagnostics) -> Option<BTreeMap<String, String>> {
    let pairs = forms::map_or_list(node, diagnostics)?;
    for pair in pairs.iter().filter(|pair| pair.sensitive) {
        let detail = format!("`{}` comes from the environment, and a unit file is no place for secrets", pair.key);
        diagnostics
            .error(pair.span, "Secret in a unit", detail)
            .help("put it into an `env_file` with mode 0600, or declare it under `vars:` if it is no secret");
    }
    for pair in pairs.iter().filter(|pair| !is_variable(&pair.key)) {
        let detail = format!("systemd takes no variable `{}`", pair.key.escape_debug());
        diagnostics.error(pair.span, "Not a name", detail).help("letters, digits and `_`, and no digit first");
    }
    Some(pairs.into_iter().map(|pair| (pair.key, pair.value)).collect())
}

/// systemd.exec(5), `Environment=`: what is none is dropped, and a line of the log says so.
fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn env_files(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<(PathBuf, bool)>> {
    let files = forms::env_files(node, places, diagnostics)?;
    for file in files.iter().filter(|file| file.raw) {
        diagnostics.error(file.span, "Not supported", "systemd knows one format of environment files");
    }
    Some(files.into_iter().map(|file| (file.path, file.required)).collect())
}

fn start_limit(node: &Node, diagnostics: &mut Diagnostics) -> Option<(u32, Duration)> {
    let mut map = Map::new(node, "start_limit", LIMIT_KEYS, diagnostics)?;
    let burst = map.require("burst", "5", |node, diagnostics| forms::integer_in(1..=10_000, node, diagnostics));
    let interval = map.require("interval", "1m", forms::duration);
    map.finish();
    Some((u32::try_from(burst?).ok()?, interval?))
}

/// `1.5` processors, or `150%` as systemd writes it.
fn cpu_quota(node: &Node, diagnostics: &mut Diagnostics) -> Option<f64> {
    let text = forms::word(node, diagnostics)?;
    let (number, share) = text.strip_suffix('%').map_or((text.as_str(), 1.0), |number| (number, 100.0));
    match number.parse::<f64>() {
        Ok(quota) if quota.is_finite() && quota > 0.0 => Some(quota / share),
        _ => {
            let detail = format!("{} is no share of processors", node.shown());
            diagnostics.error(node.span, "Wrong type", detail).help("such as `1.5` or `150%`");
            None
        }
    }
}

fn targets(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let targets = forms::word_or_list(node, diagnostics)?;
    for target in &targets {
        if target != "default.target" {
            let detail = format!("`{}` cannot be wanted by here", target.escape_debug());
            diagnostics.error(node.span, "Not supported", detail).help(
                "`default.target` is what a user manager starts at boot; `enabled: false` keeps it from starting",
            );
        }
    }
    Some(targets)
}

/// Raw `[Section] Key=Value`. A value is one line: what holds a line end would become another directive.
fn overrides(node: &Node, diagnostics: &mut Diagnostics) -> Option<BTreeMap<String, Vec<(String, String)>>> {
    let mut all = BTreeMap::new();
    let mut map = Map::new(node, "overrides", SECTIONS, diagnostics)?;
    for section in ["Unit", "Service", "Install"] {
        let Some(node) = map.take(section) else { continue };
        let mut lines = Vec::new();
        for (key, value) in node.as_mapping().unwrap_or_default() {
            let values = match value.as_sequence() {
                Some(items) => items.iter().filter_map(|item| forms::word(item, map.diagnostics)).collect(),
                None => forms::word(value, map.diagnostics).into_iter().collect::<Vec<_>>(),
            };
            let plain = !key.text.is_empty() && key.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            if !plain || values.iter().any(|value| value.contains(char::is_control) || value.ends_with('\\')) {
                let detail = "an override is `Key: value`, each on one line and not continued by a backslash";
                map.diagnostics.error(key.span, "Not a directive", detail);
                continue;
            }
            lines.extend(values.into_iter().map(|value| (key.text.clone(), value)));
        }
        all.insert(section.to_owned(), lines);
    }
    map.finish();
    Some(all)
}
