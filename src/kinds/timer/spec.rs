//! A timer as written: when, in systemd's words, and what, in those of a service.

use super::{Schedule, Timer};
use crate::address::Address;
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::kinds::service;
use crate::stack::forms::{self, Map};
use crate::stack::yaml::{Key, Node};

const KEYS: &[&str] = &[
    "on_calendar",
    "on_boot",
    "on_unit_active",
    "persistent",
    "accuracy",
    "randomized_delay",
    "enabled",
    "exec",
    "environment",
    "env_file",
    "working_dir",
    "depends_on",
    "timeout_start",
    "timeout_stop",
    "kill_signal",
    "nice",
    "memory_max",
    "cpu_quota",
    "tasks_max",
    "overrides",
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
