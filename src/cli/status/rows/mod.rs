//! From what was seen to the rows of `status`. Pure; the time of looking is handed in.

use std::time::Duration;

use crate::desired::{Desired, Liveness, Resource};
use crate::observed::{Container, ContainerState, Health, Observed, Query, Seen, Sort, Unit};
use crate::report::status::{Row, State};
use crate::time::parse;

/// What `status` wants to know beyond a plan: each probe's answer, each unit's details.
pub(super) fn ask(desired: &Desired, query: &mut Query) {
    for (address, resource) in &desired.resources {
        let Some(Liveness { readiness, container, unit, one_shot: _ }) = resource.liveness() else { continue };
        if let Some(readiness) = readiness {
            query.probes.insert(address.clone(), readiness);
        }
        query.containers.extend(container);
        query.units.extend(unit.clone());
        query.unit_details.extend(unit);
    }
}

pub(super) fn rows(desired: &Desired, observed: &Observed, now_us: u64) -> Vec<Row> {
    let running = desired.resources.values().filter_map(|resource| Some((resource, resource.liveness()?)));
    running.map(|(resource, liveness)| row(resource.as_ref(), &liveness, observed, now_us)).collect()
}

/// Why systemd could not be asked, where any of the stack is a unit of its.
pub(super) fn unasked(desired: &Desired, observed: &Observed) -> Option<String> {
    let mut liveness = desired.resources.values().filter_map(|resource| resource.liveness());
    let has_units = liveness.any(|liveness| liveness.unit.is_some());
    observed.blind.get(&Sort::Units).filter(|_| has_units && !observed.manager.is_absent()).cloned()
}

fn row(resource: &dyn Resource, liveness: &Liveness, observed: &Observed, now_us: u64) -> Row {
    let address = resource.address().clone();
    match resource.seen(observed) {
        Seen::Unknown(why) => return Row { why: Some(why), ..Row::new(address, State::Unknown) },
        Seen::Absent => return Row::new(address, State::Missing),
        Seen::Present(_) => {}
    }
    let unit = liveness.unit.as_ref().and_then(|unit| observed.units.get(unit));
    let container = liveness.container.as_ref().and_then(|name| observed.containers.get(name));
    let details = unit.and_then(|unit| unit.details.as_ref());
    let mut row = Row::new(address, State::Stopped);
    row.restarts = details.map(|details| details.restarts);
    let runs = match container {
        Some(container) => of_container(&mut row, container, unit, liveness.one_shot),
        None => of_unit(&mut row, unit, liveness.one_shot),
    };
    if runs {
        let active = details.map(|details| details.active_since_us).filter(|since| *since > 0);
        row.since_us = container.and_then(|container| parse(&container.started_at)).or(active);
        health(&mut row, container, liveness, observed, now_us);
    }
    row
}

/// The state of a container that does not run, or that it runs.
fn of_container(row: &mut Row, container: &Container, unit: Option<&Unit>, one_shot: bool) -> bool {
    let waits = unit.is_some_and(|unit| unit.sub == "auto-restart" || unit.sub == "auto-restart-queued");
    let failed = unit.is_some_and(Unit::is_failed);
    row.state = match container.state {
        ContainerState::Running => return true,
        ContainerState::Exited => {
            row.exit_code = Some(container.exit_code);
            match container.exit_code {
                0 if one_shot => State::Completed,
                _ if waits => State::Restarting,
                0 if !failed => State::Stopped,
                _ if failed || one_shot => State::Failed,
                // Ended by the signal of a stop, which is no failure.
                _ => State::Stopped,
            }
        }
        ContainerState::Paused => {
            row.why = Some("it is paused".to_owned());
            State::Stopped
        }
        ContainerState::Created | ContainerState::Stopping | ContainerState::Other => State::Stopped,
    };
    false
}

/// The state of a service that does not run, or that it runs.
fn of_unit(row: &mut Row, unit: Option<&Unit>, one_shot: bool) -> bool {
    let Some(unit) = unit else { return false };
    let details = unit.details.as_ref();
    let ended = details.map(|details| details.exit_status);
    row.state = match (unit.active.as_str(), unit.sub.as_str()) {
        ("active", "exited") => State::Completed,
        ("active" | "reloading", _) => return true,
        (_, "auto-restart" | "auto-restart-queued") => State::Restarting,
        ("activating", _) => State::Starting,
        ("failed", _) => State::Failed,
        _ if one_shot && ended == Some(0) && details.is_some_and(|details| details.active_since_us > 0) => {
            State::Completed
        }
        _ => State::Stopped,
    };
    if matches!(row.state, State::Failed | State::Restarting) {
        row.exit_code = ended;
    }
    false
}

/// What a thing that runs has been promised to answer, and how long it still has.
fn health(row: &mut Row, container: Option<&Container>, liveness: &Liveness, observed: &Observed, now_us: u64) {
    let reading = observed.probes.get(&row.address);
    row.answer = reading.map(|reading| reading.answer.clone());
    let own = container.and_then(|container| container.health);
    let passed = match (reading, own) {
        (Some(reading), _) => reading.passed,
        (None, Some(health)) => health == Health::Healthy,
        (None, None) => {
            row.state = if liveness.readiness.is_some() { State::Unknown } else { State::Running };
            row.why = liveness.readiness.as_ref().map(|_| "its health was not told".to_owned());
            return;
        }
    };
    if passed {
        row.state = State::Healthy;
        return;
    }
    let deadline = liveness.readiness.as_ref().map(crate::probe::Readiness::deadline);
    row.time_left = deadline.zip(row.since_us).and_then(|(deadline, since_us)| {
        let up = Duration::from_micros(now_us.saturating_sub(since_us));
        deadline.checked_sub(up).filter(|left| !left.is_zero())
    });
    let starting = row.time_left.is_some() || (deadline.is_none() && own == Some(Health::Starting));
    row.state = if starting { State::Starting } else { State::Unhealthy };
}

#[cfg(test)]
mod tests;
