//! Timers of the systemd user manager: `NAME.timer`, which stands enabled and waits, and `NAME.service`, the oneshot that it runs.
//! The two files are one resource. A run in hand is never disturbed; a new definition holds from the next run on.

mod attributes;
mod spec;

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, Risk, Steps, step};
use crate::desired::{
    Context, Declared, Dependency, Difference, Kind, Liveness, Neighbours, Object, Ours, Owned, Resource,
};
use crate::diagnostic::{Diagnostics, Span};
use crate::effect::{Effect, Systemd};
use crate::hand_over;
use crate::kinds::service::{Service, seconds};
use crate::kinds::unit::{self, Found, Parts, Unit};
use crate::observed::{Observed, Query, Seen, Sort};

/// To start a timer is to look at the clock.
const START_TIMEOUT: Duration = Duration::from_secs(30);

pub static KIND: Kind = Kind {
    name: "timer",
    section: Some("timers"),
    keys: spec::KEYS,
    about: "Programs that the systemd user manager runs at certain times",
    attributes: attributes::ATTRIBUTES,
    holds_data: false,
    read: Some(spec::read),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    address: Address,
    span: Span,
    context: Context,
    schedule: Schedule,
    enabled: bool,
    job: Service,
    /// See [`Timer::unit`].
    unit: OnceLock<Unit>,
}

/// In the words of systemd.timer(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Schedule {
    calendar: Vec<String>,
    boot: Option<Duration>,
    unit_active: Option<Duration>,
    persistent: Option<bool>,
    accuracy: Option<Duration>,
    randomized_delay: Option<Duration>,
}

impl Schedule {
    fn spec(&self) -> Attributes {
        let Schedule { calendar, boot, unit_active, persistent, accuracy, randomized_delay } = self;
        let mut spec = Attributes::default();
        spec.set_given("on_calendar", json!(calendar));
        spec.set_given("persistent", json!(persistent));
        for (path, time) in [
            ("on_boot", boot),
            ("on_unit_active", unit_active),
            ("accuracy", accuracy),
            ("randomized_delay", randomized_delay),
        ] {
            spec.set_given(path, json!(time.map(|time| time.as_secs_f64())));
        }
        spec
    }

    fn lines(&self) -> Vec<String> {
        let Schedule { calendar, boot, unit_active, persistent, accuracy, randomized_delay } = self;
        let times = [
            ("OnBootSec", boot),
            ("OnUnitActiveSec", unit_active),
            ("AccuracySec", accuracy),
            ("RandomizedDelaySec", randomized_delay),
        ];
        let events = calendar.iter().map(|event| format!("OnCalendar={event}"));
        let times =
            times.iter().filter_map(|(key, time)| Some(format!("{key}={}", seconds((*time).as_ref().copied()?))));
        let persistent = persistent.map(|on| format!("Persistent={}", if on { "yes" } else { "no" }));
        events.chain(times).chain(persistent).collect()
    }
}

impl Timer {
    /// Made once.
    fn unit(&self) -> &Unit {
        self.unit.get_or_init(|| self.made())
    }

    fn made(&self) -> Unit {
        let Timer { address, span: _, context, schedule, enabled, job: _, unit: _ } = self;
        let mut spec = schedule.spec();
        spec.set("enabled", *enabled);
        let mut body =
            format!("[Unit]\nDescription={} (timer of stack {})\n\n[Timer]\n", address.name(), context.stack);
        for line in schedule.lines() {
            writeln!(body, "{line}").expect("a string takes all");
        }
        body.push_str("\n[Install]\nWantedBy=timers.target\n");
        let name = format!("{}.timer", address.name());
        let address = address.clone();
        Unit::new(context, Parts { name, address, spec, body, enabled: *enabled, target: "timers.target" })
    }

    /// The rows of both files in one.
    fn joined(mut timer: Attributes, mut job: Attributes) -> Attributes {
        if let Some(text) = job.0.remove("unit") {
            timer.set("job_unit", text);
        }
        if job.get("loaded") == Some(&json!(false)) {
            timer.set("loaded", false);
        }
        for row in attributes::of_the_job() {
            timer.0.extend(job.0.remove(row).map(|value| (row.to_owned(), value)));
        }
        timer
    }

    fn runs(&self, observed: &Observed) -> bool {
        observed.units.get(&self.unit().name).is_some_and(crate::observed::Unit::is_active)
    }
}

impl Resource for Timer {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let (mut timer, mut job) = (Attributes::default(), Attributes::default());
        self.unit().attributes(&mut timer);
        self.job.unit().attributes(&mut job);
        timer.set("running", true);
        Timer::joined(timer, job)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.job.dependencies()
    }

    fn link(&mut self, declared: &Declared<'_>, diagnostics: &mut Diagnostics) {
        self.job.link(declared, diagnostics);
        if declared.resources.contains_key(&Address::new("service", self.address.name())) {
            let name = self.address.name();
            let detail = format!("`{name}.service` is what the timer runs, and the service `{name}` has that name too");
            diagnostics.error(self.span, "Name taken twice", detail).help("give one of the two another name");
        }
    }

    fn query(&self, query: &mut Query) {
        self.unit().query(&self.context, query);
        self.job.query(query);
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        if let Some(why) = observed.blind.get(&Sort::Units) {
            return Seen::Unknown(why.clone());
        }
        match self.unit().found(observed, &self.context) {
            Found::Unknown(why) => return Seen::Unknown(why),
            Found::Absent | Found::Masked | Found::Foreign(_) => return Seen::Absent,
            Found::Ours { .. } => {}
        }
        let (mut timer, mut job) = (Attributes::default(), Attributes::default());
        let timer_spec = self.unit().seen(observed, &self.context, &mut timer);
        let job_spec = self.job.unit().seen(observed, &self.context, &mut job);
        timer.set("running", self.runs(observed));
        let last_applied = Some(Timer::joined(timer_spec, job_spec));
        Seen::Present(Object { attributes: Timer::joined(timer, job), last_applied })
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let unit = self.unit();
        let names = unit::conflicts(unit, observed, &self.context).into_iter().map(|(risk, _)| risk);
        names.chain(unit::drop_ins(unit, observed, &self.context)).chain(self.job.conflicts(observed)).collect()
    }

    fn hand_over(&self, observed: &Observed) -> hand_over::Steps {
        let of_timer = unit::conflicts(self.unit(), observed, &self.context).into_iter().flat_map(|(_, steps)| steps);
        of_timer.chain(self.job.hand_over(observed)).collect()
    }

    fn steps(&self, difference: &Difference, observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        let job_rows: Vec<&str> = attributes::of_the_job().chain(["job_unit"]).collect();
        let mut prepare = self.job.unit().prepare(difference, &job_rows, observed, &self.context);
        let (unit, rows) = (self.unit(), attributes::OF_THE_TIMER);
        prepare.extend(unit.prepare(difference, rows, observed, &self.context));
        let start = Systemd::Start {
            unit: unit.name.clone(),
            container: None,
            settle: Duration::ZERO,
            healthy_within: None,
            timeout: START_TIMEOUT,
        };
        let is_due = difference.action == Action::Create || difference.has("running");
        let main = is_due.then(|| step(Effect::Systemd(start))).into_iter().collect();
        Steps { prepare, main, finish: Vec::new() }
    }

    fn liveness(&self) -> Option<Liveness> {
        Some(Liveness { unit: Some(self.unit().name.clone()), ..Liveness::default() })
    }

    fn name_on_machine(&self) -> String {
        self.unit().name.clone()
    }

    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}

fn owned(observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    unit::owned_by("timer", observed, ours)
}

fn remove(owned: &Owned, observed: &Observed, context: &Context) -> Steps {
    unit::removal(owned, observed, context)
}
