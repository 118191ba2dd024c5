//! Calls of the user manager, and of the unit files that it reads.

mod real;

use std::time::Duration;

use stackctl::effect::{Effect, Systemd};
use stackctl::machine::{Failure, FailureKind};

use crate::simulation::World;

const UNIT: &str = "t-one.service";

/// What is done, by its unit's name.
pub(crate) enum Call {
    /// The file is written, with something to be enabled by.
    Write(&'static str),
    Remove(&'static str),
    Manager(Systemd),
}

/// What there is of [`UNIT`] after a call: does it run, and is it enabled?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) runs: bool,
    pub(crate) enabled: bool,
}

/// A machine that can be asked.
pub(crate) trait Machine {
    fn call(&mut self, call: &Call) -> Result<(), Failure>;
    fn state(&mut self, unit: &str) -> State;
}

fn start(unit: &str) -> Call {
    Call::Manager(Systemd::Start {
        unit: unit.to_owned(),
        container: None,
        settle: Duration::ZERO,
        healthy_within: None,
        timeout: Duration::from_secs(20),
    })
}

fn restart(unit: &str) -> Call {
    Call::Manager(Systemd::Restart {
        unit: unit.to_owned(),
        container: None,
        settle: Duration::ZERO,
        healthy_within: None,
        timeout: Duration::from_secs(20),
    })
}

fn stop(unit: &str) -> Call {
    Call::Manager(Systemd::Stop { unit: unit.to_owned(), timeout: Duration::from_secs(20) })
}

fn enable(unit: &str) -> Call {
    Call::Manager(Systemd::Enable { unit: unit.to_owned() })
}

fn disable(unit: &str) -> Call {
    Call::Manager(Systemd::Disable { unit: unit.to_owned() })
}

/// What is done, what it comes to (None is well), and what there is of [`UNIT`] then: does it run, is it enabled.
type Case = (&'static str, Call, Option<FailureKind>, (bool, bool));

/// In their order.
fn cases() -> Vec<Case> {
    use FailureKind::NotFound;
    let none = "t-none.service";
    vec![
        ("what is not there is not started", start(none), Some(NotFound), (false, false)),
        ("nor restarted", restart(none), Some(NotFound), (false, false)),
        ("nor enabled", enable(none), Some(NotFound), (false, false)),
        ("it is stopped already", stop(none), None, (false, false)),
        ("and disabled", disable(none), None, (false, false)),
        ("a unit is written", Call::Write(UNIT), None, (false, false)),
        ("enabled before it is loaded", enable(UNIT), None, (false, true)),
        ("enabled once more", enable(UNIT), None, (false, true)),
        ("loaded", Call::Manager(Systemd::Reload), None, (false, true)),
        ("started", start(UNIT), None, (true, true)),
        ("started once more", start(UNIT), None, (true, true)),
        ("disabled, it runs on", disable(UNIT), None, (true, false)),
        ("disabled once more", disable(UNIT), None, (true, false)),
        ("a reload leaves it running", Call::Manager(Systemd::Reload), None, (true, false)),
        ("restarted", restart(UNIT), None, (true, false)),
        ("stopped", stop(UNIT), None, (false, false)),
        ("stopped once more", stop(UNIT), None, (false, false)),
        ("a restart of what is down starts it", restart(UNIT), None, (true, false)),
        ("written once more, it runs on", Call::Write(UNIT), None, (true, false)),
        ("its file goes under it", Call::Remove(UNIT), None, (true, false)),
        ("the manager hears of it", Call::Manager(Systemd::Reload), None, (true, false)),
        ("nothing is left to enable", enable(UNIT), Some(NotFound), (true, false)),
        ("what runs without a file is stopped", stop(UNIT), None, (false, false)),
        ("and not started any more", start(UNIT), Some(NotFound), (false, false)),
        ("its file is removed already", Call::Remove(UNIT), None, (false, false)),
    ]
}

/// Every call on one machine.
pub(crate) fn hold(machine: &mut dyn Machine) {
    let mut wrong = Vec::new();
    for (case, call, expected, (runs, enabled)) in cases() {
        let found = machine.call(&call);
        let kind = found.as_ref().err().map(|failure| failure.kind);
        if kind != expected {
            wrong.push(format!("{case}: {found:?}, and {expected:?} was expected"));
        }
        let (state, due) = (machine.state(UNIT), State { runs, enabled });
        if state != due {
            wrong.push(format!("{case}: then {state:?}, and {due:?} was expected"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a unit is written as.
const TEXT: &str = "[Service]\nExecStart=/bin/sleep inf\n\n[Install]\nWantedBy=default.target\n";

impl Machine for World {
    fn call(&mut self, call: &Call) -> Result<(), Failure> {
        match call {
            Call::Write(unit) => self.write_unit(unit, TEXT),
            Call::Remove(unit) => self.remove_unit(unit),
            Call::Manager(effect) => return self.perform(&Effect::Systemd(effect.clone())),
        }
        Ok(())
    }

    fn state(&mut self, unit: &str) -> State {
        State { runs: self.runs(unit), enabled: self.is_enabled(unit) }
    }
}

#[test]
fn the_simulated_manager_answers_as_systemd_does() {
    hold(&mut World::new());
}
