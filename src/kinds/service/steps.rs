//! The calls of a service.

use std::path::PathBuf;
use std::time::Duration;

use super::attributes::unit_rows;
use super::{Service, render, sockets};
use crate::change::{Action, Step, Steps, joined, step};
use crate::desired::{Difference, Neighbours, Resource};
use crate::effect::{Effect, Files, Systemd, Wait};
use crate::kinds::container::waits_for;
use crate::kinds::quarantine::{self, Hollow, Owner};
use crate::kinds::unit::STOP_TIMEOUT;
use crate::observed::Observed;

/// To listen takes no time.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(30);
/// What ends at once does so within it.
const SETTLE: Duration = Duration::from_millis(100);

pub(super) fn steps(
    service: &Service,
    difference: &Difference,
    observed: &Observed,
    neighbours: &Neighbours<'_>,
) -> Steps {
    let mut prepare = service.unit().prepare(difference, &unit_rows(), observed, &service.context);
    if let Some(socket) = sockets::unit(service) {
        prepare.extend(socket.prepare(difference, &["sockets", "socket_unit"], observed, &service.context));
    }
    let is_new = difference.action == Action::Create;
    let hollow = if is_new || difference.has("hollow") { service.hollow(observed) } else { Vec::new() };
    if is_new && hollow.is_empty() {
        // A new one that does not come up stays, so that its log and its unit can be read.
        for step in &mut prepare {
            step.undo.clear();
        }
    }
    let unit = service.unit_name();
    let settle = if service.readiness.is_some() || service.is_one_shot() { Duration::ZERO } else { SETTLE };
    let timeout = render::start_timeout(service);
    let start = || {
        Effect::Systemd(Systemd::Start { unit: unit.clone(), container: None, settle, healthy_within: None, timeout })
    };
    let restart = || {
        Effect::Systemd(Systemd::Restart { unit: unit.clone(), container: None, settle, healthy_within: None, timeout })
    };
    let waits = waits_for(service.dependencies(), neighbours);
    let runs = service.runs(observed);
    let finish = left_over(service, observed).into_iter().map(|path| step(Effect::Files(Files::Remove { path })));
    let finish = finish.collect();
    if !service.sockets.is_empty() || left_over(service, observed).is_some() || !hollow.is_empty() {
        let calls = Calls { service, difference, observed, start: start(), restart: restart(), runs, hollow };
        let main = if calls.hollow.is_empty() { calls.with_sockets(waits) } else { calls.made_anew(waits) };
        return Steps { prepare, main, finish };
    }
    let main = match difference.action {
        // Down as well, whatever else differs.
        Action::Update | Action::Reload if difference.has("running") => {
            joined([waits, vec![step(start())], up(service)])
        }
        Action::None | Action::Finish | Action::Update | Action::Reload | Action::Delete => Vec::new(),
        Action::Restart | Action::Replace if runs => joined([waits, vec![step(restart())], up(service)]),
        // From here on it stays; to tell that it was taken back would not be true.
        Action::Create => joined([waits, vec![step(start()).commit()], up(service)]),
        Action::Start | Action::Restart | Action::Replace => joined([waits, vec![step(start())], up(service)]),
    };
    Steps { prepare, main, finish }
}

/// The socket file of an earlier stack file, by which nothing is to be started any more.
fn left_over(service: &Service, observed: &Observed) -> Option<PathBuf> {
    let path = service.context.unit_directory.join(sockets::unit_name(service));
    (service.sockets.is_empty() && sockets::found(service, observed).is_some()).then_some(path)
}

/// Of a service that has sockets, or had, or whose databases are set aside.
struct Calls<'a> {
    service: &'a Service,
    difference: &'a Difference,
    observed: &'a Observed,
    start: Effect,
    restart: Effect,
    runs: bool,
    hollow: Vec<Hollow>,
}

impl Calls<'_> {
    fn socket(&self) -> String {
        sockets::unit_name(self.service)
    }

    fn listen(&self) -> Effect {
        Effect::Systemd(Systemd::Start {
            unit: self.socket(),
            container: None,
            settle: Duration::ZERO,
            healthy_within: None,
            timeout: LISTEN_TIMEOUT,
        })
    }

    fn stop(unit: String) -> Effect {
        Effect::Systemd(Systemd::Stop { unit, timeout: STOP_TIMEOUT })
    }

    fn disable_socket(&self) -> Step {
        let (disable, enable) = (Systemd::Disable { unit: self.socket() }, Systemd::Enable { unit: self.socket() });
        step(Effect::Systemd(disable)).undo(Effect::Systemd(enable))
    }

    /// Down, also where it is only in a loop of restarts, and before it what would start it for whoever connects: of the connections that
    /// its program has not taken, systemd starts it again as soon as it is down. Up again with what is hollow set aside, and once
    /// more to see that what it made holds.
    fn made_anew(self, waits: Vec<Step>) -> Vec<Step> {
        let service = self.service;
        let (unit, is_new) = (service.unit_name(), self.difference.action == Action::Create);
        let (has, listens) = (!service.sockets.is_empty(), sockets::listens(service, self.observed));
        let stays = quarantine::is_under_way(&self.hollow) && has == listens;
        let mut steps = waits;
        if listens && !stays {
            steps.push(step(Self::stop(self.socket())).undo(self.listen()));
        }
        if !is_new && !stays {
            let stop = step(Self::stop(unit.clone()));
            steps.push(if self.runs { stop.undo(self.start.clone()) } else { stop });
        }
        if !has && left_over(service, self.observed).is_some() {
            steps.push(self.disable_socket());
        }
        let down: Vec<Effect> = has.then(|| self.socket()).into_iter().chain([unit.clone()]).map(Self::stop).collect();
        steps.extend(quarantine::set_aside(&self.hollow, &down));
        if has {
            steps.push(step(self.listen()).undo(Self::stop(self.socket())));
        }
        let start = down.into_iter().fold(step(self.start.clone()), Step::undo);
        steps.push(quarantine::or_back(start, &self.hollow));
        steps.extend(up(service));
        let owner = Owner {
            subject: service.address.to_string(),
            readiness: service.readiness.clone(),
            // In one job: whoever connects would start it in between.
            again: vec![self.restart],
            up: up(service),
        };
        steps.extend(owner.proof(&self.hollow));
        steps.extend(quarantine::keep(&self.hollow).into_iter().map(Step::commit));
        steps
    }

    /// systemd starts no socket whose service runs without it: the service gives way first.
    fn with_sockets(&self, waits: Vec<Step>) -> Vec<Step> {
        let Calls { service, difference, observed, start, restart, runs, hollow: _ } = self;
        let has = !service.sockets.is_empty();
        let listens = sockets::listens(service, observed);
        let moves = difference.has("sockets") || difference.has("socket_unit");
        let mut steps = waits;
        let (mut stopped, mut listening) = (false, listens);
        if listens && (moves || !has) {
            steps.push(step(Self::stop(self.socket())).undo(self.listen()));
            listening = false;
        }
        if *runs && (moves || !has || !listens) {
            steps.push(step(Self::stop(service.unit_name())).undo(start.clone()));
            stopped = true;
        }
        if !has {
            steps.push(self.disable_socket());
        }
        if has && !listening {
            let listen = step(self.listen());
            // From here on a new one stays, as one without sockets does.
            let is_new = difference.action == Action::Create;
            steps.push(if is_new { listen.commit() } else { listen.undo(Self::stop(self.socket())) });
        }
        let restarts = matches!(difference.action, Action::Restart | Action::Replace) && *runs && !stopped;
        if restarts {
            steps.push(step(restart.clone()));
        } else if stopped || (!has && !service.is_one_shot()) {
            steps.push(step(start.clone()));
        }
        let did = steps.iter().any(|step| step.effect.is_a_start());
        if did { joined([steps, up(service)]) } else { Vec::new() }
    }
}

fn up(service: &Service) -> Vec<Step> {
    let healthy = service.readiness.clone().map(|readiness| Wait::Healthy {
        subject: service.address.to_string(),
        readiness,
        container: None,
        unit: Some(service.unit_name()),
    });
    healthy.map(|wait| step(Effect::Wait(wait))).into_iter().collect()
}
