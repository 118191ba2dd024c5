//! A timer as written: when, in systemd's words, and what, in those of a service.

use super::{Schedule, Timer};
use crate::address::Address;
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::kinds::service;
use crate::stack::forms::{self, Map};
use crate::stack::forms::{Described, Form, TEXT_OR_TEXTS, TEXTS, key};
use crate::stack::yaml::{Key, Node};

pub(super) const KEYS: &[Described] = &[
    key("on_calendar", TEXT_OR_TEXTS, "When, in systemd's words: `daily`, `Mon..Fri *-*-* 04:30` (systemd.time(7))"),
    key("on_boot", Form::Duration, "So long after the machine was booted"),
    key("on_unit_active", Form::Duration, "So long after the last run"),
    key("persistent", Form::Boolean, "Make up at once for a run that was missed while the machine was off"),
    key("accuracy", Form::Duration, "How late it may be; a minute by itself"),
    key("randomized_delay", Form::Duration, "A random time up to this is waited beside"),
    key("enabled", Form::Boolean, "Start the timer at boot; true by itself"),
    key("exec", TEXT_OR_TEXTS, "The program and its arguments; a path, or a name on systemd's search path"),
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
    key("timeout_start", Form::Duration, "How long a start may take"),
    key("timeout_stop", Form::Duration, "How long it has to end before it is killed"),
    key("kill_signal", Form::Text, "What it is told to end with"),
    key("nice", Form::Integer, "Its priority, -20 to 19"),
    key("memory_max", Form::Size, "Memory that it may take"),
    key("cpu_quota", Form::Text, "Processors that it may take, such as `1.5` or `150%`"),
    key("tasks_max", Form::Integer, "Processes and threads that it may have"),
    key(
        "overrides",
        Form::Map(service::SECTIONS),
        "Raw directives of the unit, such as `{ Service: { UMask: \"0077\" } }`",
    ),
];
const UNSUPPORTED: &[(&str, &str)] = &[
    ("restart", "what a timer runs ends by itself; the next run is the next try"),
    ("type", "what a timer runs is a oneshot"),
    ("wanted_by", "a timer is wanted by `timers.target`; `enabled: false` keeps it from starting at boot"),
    ("healthcheck", "what a timer runs ends by itself"),
];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    if !service::is_unit_name(&key.text) {
        let detail = format!("`{}` cannot be the name of a unit", key.text.escape_debug());
        reading.diagnostics.error(key.span, "Not a name", detail).help("letters, digits, `_`, `.`, `:` and `-`");
        return Vec::new();
    }
    let context = reading.context;
    let Some(map) = Map::new(node, "a timer", KEYS, reading.diagnostics) else { return Vec::new() };
    let mut map = map.unsupported(UNSUPPORTED);
    let schedule = Schedule {
        calendar: map.read("on_calendar", calendar).unwrap_or_default(),
        boot: map.read("on_boot", forms::duration),
        unit_active: map.read("on_unit_active", forms::duration),
        persistent: map.read("persistent", forms::boolean),
        accuracy: map.read("accuracy", forms::duration),
        randomized_delay: map.read("randomized_delay", forms::duration),
    };
    let given = ["on_calendar", "on_boot", "on_unit_active"].iter().any(|key| node.get(key).is_some());
    if !given {
        let detail = "a timer says when: `on_calendar`, `on_boot` or `on_unit_active`";
        map.diagnostics.error(key.span, "Never due", detail).help("such as `on_calendar: daily`");
    }
    if schedule.persistent.is_some() && schedule.calendar.is_empty() && given {
        let span = map.span_of("persistent");
        let detail = "a run that was missed is made up for only where `on_calendar` says when it was due";
        map.diagnostics.error(span, "Contradiction", detail);
    }
    let enabled = map.read("enabled", forms::boolean).unwrap_or(true);
    let job = service::job(Address::new("timer", &key.text), key, &mut map, reading.places, context);
    map.finish();
    vec![Box::new(Timer {
        address: Address::new("timer", &key.text),
        span: key.span,
        context: context.clone(),
        schedule,
        enabled,
        job,
        unit: std::sync::OnceLock::new(),
    })]
}

/// systemd.time(7), "Calendar Events": words, dates and times; whether they make sense is for systemd to say.
fn calendar(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let all = forms::word_or_list(node, diagnostics)?;
    let is_one = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || " :.,*/~-_+".contains(c);
        !text.trim().is_empty() && text.chars().all(plain)
    };
    if let Some(wrong) = all.iter().find(|text| !is_one(text)) {
        let detail = format!("`{}` is no calendar event", wrong.escape_debug());
        diagnostics.error(node.span, "Not a calendar event", detail).help("such as `daily` or `Mon..Fri *-*-* 04:30`");
        return None;
    }
    Some(all)
}
