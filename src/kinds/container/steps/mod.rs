//! The calls of a container. The order inside a replace is the promise: before the commit everything can be taken back, and
//! at every point in between a boot finds an old or a new one to start.

mod half;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::attributes::UNIT_ROWS;
use super::observe::Lies;
use super::snapshot::Way;
use super::together::{self, Phases};
use super::{Container, create, data, namespaces, outdated, systemd};
use crate::address::Address;
use crate::change::{Action, Step, Steps, joined, step};
use crate::desired::{Condition, Context, Difference, Neighbours, Ours, Owned};
use crate::effect::{Effect, Files, Made, Podman, Systemd, Wait};
use crate::kinds::quarantine::{self, Hollow, Owner};
use crate::kinds::{labels, secret, unit};
use crate::observed::{self, Observed, Seen};

/// How long a one-shot may run while somebody waits for it.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a container without a check must stay up to count as started: what exits at once does so within it, since its
/// program runs before `podman start` returns. One that holds out longer and then ends is found by the look after the run.
const SETTLE: Duration = Duration::from_millis(30);

pub(super) fn steps(
    container: &Arc<Container>,
    difference: &Difference,
    observed: &Observed,
    neighbours: &Neighbours<'_>,
) -> Steps {
    let lies = Lies::of(container, observed);
    let calls = Calls::of(container, observed, neighbours, Group::default()).for_change(difference);
    let prepare = if neighbours.systemd {
        systemd::unit(container).prepare(difference, UNIT_ROWS, observed, &container.context)
    } else {
        Vec::new()
    };
    let waits = waits(container, neighbours);
    // From here on the live one has its name back.
    let lies = Lies { live: lies.live.or(lies.renamed), ..lies };
    let main = match difference.action {
        Action::Create => calls.make(waits),
        Action::Replace => together::composed(vec![calls.replace(lies, waits)], observed),
        // Whatever else is due: finishing starts it too, and the tail of a replace comes before anything new.
        Action::Start | Action::Update | Action::Reload | Action::Restart | Action::Finish
            if difference.has("half_done") =>
        {
            let again = if difference.action == Action::Restart { calls.restart(lies) } else { Vec::new() };
            let settled = together::composed(vec![calls.settle_half(lies)], observed);
            joined([settled, networks(container, difference, lies, observed), again])
        }
        // Down as well, whatever else differs.
        Action::Start | Action::Update | Action::Reload if difference.has("running") => {
            joined([networks(container, difference, lies, observed), waits, calls.start()])
        }
        Action::None | Action::Start | Action::Update | Action::Reload | Action::Finish | Action::Delete => {
            networks(container, difference, lies, observed)
        }
        Action::Restart => joined([networks(container, difference, lies, observed), waits, calls.restart(lies)]),
    };
    let (before, after) = around(container, observed);
    let finish = renamed_unit(container, observed).map(|unit| old_unit(container, unit).1.finish).unwrap_or_default();
    Steps { prepare, main: joined([before, main, after]), finish }
}

/// What comes before the steps of any change of it, and after them.
pub(super) fn around(container: &Container, observed: &Observed) -> (Vec<Step>, Vec<Step>) {
    let lies = Lies::of(container, observed);
    let (away, gone) = renamed_unit(container, observed).map(|unit| old_unit(container, unit)).unwrap_or_default();
    let back = lies
        .renamed
        .map(|renamed| step(rename(&renamed.name, &container.name)).undo(rename(&container.name, &renamed.name)));
    (away.into_iter().chain(thaw(lies.live.or(lies.renamed))).chain(back).collect(), gone.main)
}

/// The unit of the name that it had before, where that is still there.
fn renamed_unit(container: &Container, observed: &Observed) -> Option<String> {
    container.old_unit().filter(|unit| {
        observed.paths.get(&container.context.unit_directory.join(unit)).is_some_and(|seen| seen.present().is_some())
    })
}

/// The unit of a container that was renamed in the file stops first, and goes at the end.
fn old_unit(container: &Container, unit: String) -> (Option<Step>, Steps) {
    let path = container.context.unit_directory.join(&unit);
    let start = Systemd::Start {
        unit: unit.clone(),
        container: None,
        settle: Duration::ZERO,
        healthy_within: None,
        timeout: systemd::start_timeout(container),
    };
    let stop = Systemd::Stop { unit: unit.clone(), timeout: systemd::stop_timeout(container) };
    let away = step(Effect::Systemd(stop)).undo(Effect::Systemd(start));
    let disable = vec![step(Effect::Systemd(Systemd::Disable { unit }))];
    (Some(away), Steps { main: disable, finish: vec![step(Effect::Files(Files::Remove { path }))], ..Steps::default() })
}

/// A frozen process hears no signal: a paused container that is stopped hangs until systemd kills what watches it, and
/// podman cannot start it again (tried on podman 5.4).
fn thaw(found: Option<&observed::Container>) -> Option<Step> {
    let paused = found.filter(|found| found.state == observed::ContainerState::Paused)?;
    Some(step(podman(Podman::UnpauseContainer { name: paused.name.clone() })))
}

fn podman(effect: Podman) -> Effect {
    Effect::Podman(effect)
}

fn rename(from: &str, to: &str) -> Effect {
    podman(Podman::RenameContainer { from: from.to_owned(), to: to.to_owned() })
}

fn remove_container(name: &str) -> Effect {
    podman(Podman::RemoveContainer { name: name.to_owned() })
}

/// What must hold of the others before this one starts. Those that are changed in the same plan have ended by then, and
/// the wait costs one look.
pub(in crate::kinds) fn waits_for(
    dependencies: impl IntoIterator<Item = crate::desired::Dependency>,
    neighbours: &Neighbours<'_>,
) -> Vec<Step> {
    let wait = |dependency: crate::desired::Dependency| {
        if dependency.condition < Condition::Healthy {
            return None;
        }
        let liveness = neighbours.resources.get(&dependency.on)?.liveness()?;
        let subject = dependency.on.to_string();
        let wait = match dependency.condition {
            Condition::Healthy => Wait::Healthy {
                subject,
                readiness: liveness.readiness?,
                container: liveness.container,
                unit: liveness.unit.filter(|_| neighbours.systemd),
            },
            Condition::CompletedSuccessfully => {
                Wait::Completed { container: liveness.container?, timeout: COMPLETION_TIMEOUT }
            }
            Condition::Started | Condition::Exists => return None,
        };
        Some(step(Effect::Wait(wait)))
    };
    dependencies.into_iter().filter_map(wait).collect()
}

pub(super) fn waits(container: &Container, neighbours: &Neighbours<'_>) -> Vec<Step> {
    waits_for(container.depended_on(), neighbours)
}

/// Connects and disconnects what differs; works on a running container.
pub(super) fn networks(
    container: &Container,
    difference: &Difference,
    lies: Lies<'_>,
    observed: &Observed,
) -> Vec<Step> {
    let Some(live) = lies.subject(container) else { return Vec::new() };
    let mut steps = Vec::new();
    let changed = difference.attributes.iter().filter_map(|change| change.path.strip_prefix("networks."));
    for network in changed {
        let off = Podman::Disconnect { network: network.to_owned(), container: container.name.clone() };
        let attached = live.networks.iter().any(|name| name == network);
        let wanted = container.networks.values().find(|attachment| attachment.name == network);
        if attached {
            let endpoint = labels::endpoint_on(live, network, observed);
            let back = Podman::Connect { network: network.to_owned(), container: container.name.clone(), endpoint };
            steps.push(step(podman(off.clone())).undo(podman(back)));
        }
        if let Some(wanted) = wanted {
            let endpoint = create::endpoint(wanted);
            let on = Podman::Connect { network: network.to_owned(), container: container.name.clone(), endpoint };
            steps.push(step(podman(on)).undo(podman(off)));
        }
    }
    steps
}

/// Whom it is changed together with.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// One of them is a newcomer that never proved itself: then all of them are put back. Each judges for itself where nothing is said.
    pub(super) is_sick: Option<bool>,
    /// What those that it lives with are called while it is made.
    pub(super) called: BTreeMap<String, String>,
    /// Parked ones that have their names again before anything is made.
    pub(super) returning: BTreeSet<String>,
    /// Those that cannot give way to their parked ones again, since who lives with them has no other any more.
    pub(super) settled: BTreeSet<String>,
    /// Parked ones that go before anything is made, and with them who lives there.
    pub(super) cleared: BTreeSet<String>,
}

/// The single calls, with or without systemd.
pub(super) struct Calls<'a> {
    container: &'a Arc<Container>,
    observed: &'a Observed,
    systemd: bool,
    found: create::Found,
    group: Group,
    /// The one in service runs, and its unit does not.
    is_stray: bool,
    /// Those that go at its commit.
    superseded: BTreeSet<String>,
    /// Its reference will name another image by the end of this plan.
    is_renewed: bool,
    /// Set aside before it is started.
    hollow: Vec<Hollow>,
    /// Copies of its data, and the way back to them.
    way: Way,
}

impl<'a> Calls<'a> {
    pub(super) fn of(
        container: &'a Arc<Container>,
        observed: &'a Observed,
        neighbours: &Neighbours<'_>,
        group: Group,
    ) -> Self {
        let lies = Lies::of(container, observed);
        let unit = observed.units.get(&container.names.unit);
        let is_down = unit.is_none_or(|unit| ["inactive", "failed"].contains(&unit.active.as_str()));
        let found = create::Found::of(container, observed, neighbours);
        Self {
            container,
            observed,
            systemd: neighbours.systemd,
            found: create::Found { called: group.called.clone(), ..found },
            is_stray: neighbours.systemd && is_down && lies.live.is_some_and(observed::Container::is_running),
            superseded: outdated::superseded(lies, neighbours),
            is_renewed: neighbours
                .name_after(&Address::new("image", &container.image))
                .is_some_and(|name| name != container.image),
            group,
            hollow: Vec::new(),
            way: Way::of(container, lies, observed),
        }
    }

    /// What is hollow is set aside where that is part of what is to be done.
    pub(super) fn for_change(mut self, difference: &Difference) -> Self {
        if difference.action == Action::Create || difference.has("hollow") {
            self.hollow = data::hollow(self.container, self.observed);
        }
        if self.container.data.is_empty() {
            return self;
        }
        let lies = Lies::of(self.container, self.observed);
        let lies = Lies { live: lies.live.or(lies.renamed), ..lies };
        let is_made = matches!(difference.action, Action::Replace | Action::Create);
        if is_made && lies.live.is_some() && lies.parked.is_some() && !self.is_put_back(lies) {
            self.way.is_past();
        }
        self.way.plan_copy(self.container, difference, lies, self.observed);
        self
    }

    /// Is the live one a newcomer that never proved itself, so that the parked one comes back before anything is made?
    fn is_put_back(&self, lies: Lies<'_>) -> bool {
        let is_newcomer = lies.live.is_some() && lies.parked.is_some();
        let is_sick = || !is_proven(self.container, lies, self.observed);
        is_newcomer && self.group.is_sick.unwrap_or_else(is_sick)
    }

    /// What was written since the copy gives way to it.
    fn undoable_start(&self) -> Step {
        let mut start = step(self.start_effect()).undo(self.stop_effect());
        start.undo.extend(self.way.back());
        quarantine::or_back(start, &self.hollow)
    }

    fn proof(&self) -> Vec<Step> {
        let owner = Owner {
            subject: self.container.address.to_string(),
            readiness: self.container.readiness(),
            again: vec![self.stop_effect(), self.start_effect()],
            up: self.up(),
        };
        owner.proof(&self.hollow)
    }

    /// What the old one left good, the newcomer has not spoilt.
    fn still_holds(&self) -> Vec<Step> {
        let set_aside = |path: &std::path::PathBuf| self.hollow.iter().any(|hollow| hollow.path == *path);
        let good = data::good(self.container, self.observed).into_iter().filter(|(path, _)| !set_aside(path));
        quarantine::hold(self.container.address.as_str(), self.container.readiness().as_ref(), good)
    }

    fn create(&self, name: String) -> Effect {
        let (container, systemd, found) = (Arc::clone(self.container), self.systemd, self.found.clone());
        podman(Podman::CreateContainer(Made::later(move || create::body(&container, &name, systemd, &found))))
    }

    fn start_effect(&self) -> Effect {
        let container = self.container;
        if !self.systemd {
            return podman(Podman::StartContainer { name: container.name.clone() });
        }
        let has_probe = container.readiness().is_some() || container.one_shot;
        Effect::Systemd(Systemd::Start {
            unit: container.names.unit.clone(),
            container: Some(container.name.clone()),
            settle: if has_probe { Duration::ZERO } else { SETTLE },
            healthy_within: container
                .readiness()
                .filter(|_| container.has_own_check())
                .map(|readiness| readiness.deadline()),
            timeout: systemd::start_timeout(container),
        })
    }

    fn stop_effect(&self) -> Effect {
        let container = self.container;
        if self.systemd {
            let timeout = systemd::stop_timeout(container);
            Effect::Systemd(Systemd::Stop { unit: container.names.unit.clone(), timeout })
        } else {
            podman(Podman::StopContainer { name: container.name.clone(), timeout: container.stop_timeout() })
        }
    }

    /// However it was started: by its unit, or by podman with whoever lives in its namespaces.
    fn down(&self) -> Vec<Effect> {
        let (name, timeout) = (self.container.name.clone(), self.container.stop_timeout());
        let by_itself = self.systemd.then(|| podman(Podman::StopContainer { name, timeout }));
        std::iter::once(self.stop_effect()).chain(by_itself).collect()
    }

    /// Until it is up as promised; nothing to wait for where it promises nothing.
    fn up(&self) -> Vec<Step> {
        let container = self.container;
        let healthy = container.readiness().map(|readiness| Wait::Healthy {
            subject: container.address.to_string(),
            readiness,
            container: Some(container.name.clone()),
            unit: self.systemd.then(|| container.names.unit.clone()),
        });
        let completed = container
            .one_shot
            .then(|| Wait::Completed { container: container.name.clone(), timeout: COMPLETION_TIMEOUT });
        healthy.or(completed).map(|wait| step(Effect::Wait(wait))).into_iter().collect()
    }

    /// It was seen to be down, and may have been started by now: with those that live with it, or to end what was left half done.
    fn start(&self) -> Vec<Step> {
        let is_emptied = self.hollow.iter().any(|hollow| hollow.is_there);
        let down = if is_emptied { self.down() } else { Vec::new() };
        joined([down.into_iter().map(step).collect(), self.start_what_is_down()])
    }

    fn start_what_is_down(&self) -> Vec<Step> {
        let mut steps = self.way.down();
        steps.extend(quarantine::set_aside(&self.hollow, &self.down()));
        steps.extend(self.way.release());
        let is_undone = !self.hollow.is_empty() || self.way.back().is_some();
        steps.push(if is_undone { self.undoable_start() } else { step(self.start_effect()) });
        steps.extend(self.up());
        steps.extend(self.proof());
        steps.extend(quarantine::keep(&self.hollow).into_iter().map(Step::commit));
        steps.extend(self.way.keep());
        steps
    }

    /// A new one stays when it does not come up: its log and what it wrote are what the user needs to see.
    fn make(&self, waits: Vec<Step>) -> Vec<Step> {
        let create = step(self.create(self.container.name.clone()));
        let create = match self.hollow.is_empty() {
            true => create.commit(),
            false => create.undo(remove_container(&self.container.name)),
        };
        joined([vec![create], waits, self.start_what_is_down()])
    }

    fn restart(&self, lies: Lies<'_>) -> Vec<Step> {
        let is_under_way = quarantine::is_under_way(&self.hollow) && self.way.down().is_empty() && !self.is_stray;
        let is_running = lies.live.is_some_and(observed::Container::is_running);
        let mut steps = Vec::new();
        if is_running && !is_under_way {
            steps.push(step(self.stop_effect()).undo(self.start_effect()));
            steps.extend(self.halt_stray(lies));
            steps.extend(self.start_what_is_down());
        } else {
            steps.extend(self.start());
        }
        steps
    }

    /// Takes away a half that is not wanted. It may run: an undo that could not stop it has renamed it all the same.
    fn without(&self, half: Option<&observed::Container>) -> Vec<Step> {
        let remove = half.map(|half| step(remove_container(&half.name)));
        self.halt(half).into_iter().chain(remove).collect()
    }

    /// Stops what runs under a name that no unit starts, or beside its unit.
    fn halt(&self, found: Option<&observed::Container>) -> Option<Step> {
        let running = found.filter(|found| found.is_running())?;
        let timeout = self.container.stop_timeout();
        Some(step(podman(Podman::StopContainer { name: running.name.clone(), timeout })))
    }

    /// What was started by hand, beside its unit, is not stopped with it.
    fn halt_stray(&self, lies: Lies<'_>) -> Option<Step> {
        if self.is_stray { self.halt(lies.live) } else { None }
    }

    pub(super) fn replace(&self, lies: Lies<'_>, waits: Vec<Step>) -> Phases {
        let container = self.container;
        let (live, parked, next) = (&container.name, &container.names.parked, &container.names.next);
        let is_put_back = self.is_put_back(lies);
        // A parked one that would start another parked one with it stays where it is until the new one has proved itself.
        let stays_parked = (lies.live.is_none() || is_put_back)
            && lies.parked.is_some_and(|parked| together::is_tied(parked, &self.group.returning, self.observed));
        let old = lies.live.or(lies.parked);
        let is_new = !is_put_back && (old.is_none() || self.is_doomed(old));
        let mut phases = if is_new {
            let mut clear = self.without(lies.next);
            clear.extend(self.without(lies.parked));
            clear.extend(lies.live.map(|_| step(self.stop_effect())));
            clear.extend(lies.live.map(|found| step(remove_container(&found.name))));
            Phases { clear, ..Phases::default() }
        } else if stays_parked {
            let mut clear = self.without(lies.next);
            clear.extend(self.halt(lies.parked));
            clear.extend(lies.live.map(|_| step(self.stop_effect())));
            clear.extend(self.way.return_steps());
            clear.extend(lies.live.map(|found| step(remove_container(&found.name))));
            Phases { clear, ..Phases::default() }
        } else if is_put_back {
            self.put_back(lies)
        } else {
            self.put_in_order(lies)
        };
        phases.make.push(step(self.create(next.to_owned())).undo(remove_container(next)));
        phases.make.extend(waits);
        if !is_put_back && !stays_parked && !is_new {
            let stop = step(self.stop_effect());
            phases.stop.push(if serves(lies) { stop.undo(self.start_effect()) } else { stop });
            phases.stop.extend(self.halt_stray(lies));
        }
        phases.stop.extend(self.way.down());
        if !stays_parked && !is_new {
            phases.park.push(step(rename(live, parked)).undo(rename(parked, live)));
        }
        phases.start.push(step(rename(next, live)).undo(rename(live, next)));
        phases.start.extend(quarantine::set_aside(&self.hollow, &self.down()));
        phases.start.extend(self.way.release());
        phases.start.push(self.undoable_start());
        phases.start.extend(self.up());
        phases.start.extend(self.proof());
        phases.start.extend(self.still_holds());
        // Which of them is the parked one by then.
        phases.commit = self.commit(if is_put_back { lies.parked } else { lies.live.or(lies.parked) });
        phases.commit.extend(quarantine::keep(&self.hollow));
        phases.commit.extend(self.way.keep());
        phases
    }

    /// Does it live with one that goes before anything is made?
    fn is_doomed(&self, found: Option<&observed::Container>) -> bool {
        let mut homes = found.into_iter().flat_map(|found| namespaces::homes(found, self.observed));
        homes.any(|home| self.group.cleared.contains(&home.name))
    }

    /// The point of no return of a replace. The image that only `parked` knows gets a name of ours first, so that a way back to it
    /// outlives a prune (design §2, awkward cases).
    fn commit(&self, parked: Option<&observed::Container>) -> Vec<Step> {
        let mut steps: Vec<Step> =
            parked.filter(|old| self.is_nameless(old)).map(|old| self.tag(old)).into_iter().collect();
        steps.push(step(remove_container(&self.container.names.parked)).commit());
        steps.extend(self.superseded.iter().map(|name| step(secret::remove_version(name.clone()))));
        steps
    }
}

impl Calls<'_> {
    /// Does the name that it was made from name another image by now, or will it?
    fn is_nameless(&self, old: &observed::Container) -> bool {
        let made_from = labels::applied(old).and_then(|spec| spec.get("image")?.as_str());
        let now = self.observed.images.get(&self.container.image).and_then(Seen::present);
        made_from == Some(self.container.image.as_str())
            && (self.is_renewed || now.is_some_and(|now| now.id != old.image_id))
    }

    fn tag(&self, old: &observed::Container) -> Step {
        let reference = previous_image(&self.container.context.stack, self.container.address.name());
        step(podman(Podman::TagImage { id: old.image_id.clone(), reference }))
    }
}

/// What the image before this one is called, where nothing else names it.
fn previous_image(stack: &str, container: &str) -> String {
    let word = |text: &str| -> String {
        let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        plain.collect::<String>().trim_matches('-').to_owned()
    };
    format!("localhost/stackctl/{}/{}:previous", word(stack), word(container))
}

/// Has a newcomer, whose old one is still parked, become what its run was waiting for?
pub(super) fn is_proven(container: &Container, lies: Lies<'_>, observed: &Observed) -> bool {
    let is_there = |live: &&observed::Container| live.is_running() && !namespaces::is_cut_off(live, observed);
    let Some(live) = lies.live.filter(is_there) else { return false };
    match (live.health, observed.probes.get(&container.address)) {
        (Some(health), _) => health == observed::Health::Healthy,
        (None, Some(reading)) => reading.passed,
        (None, None) => container.readiness().is_none(),
    }
}

/// Is the old one to run again when it is put back? What ran, what an earlier run stopped half-way, and what somebody has
/// stopped, since the file says that it runs. Not what ended by itself: it would fail again, and hide why the new one did.
fn serves(lies: Lies<'_>) -> bool {
    /// What a stop makes of a program: it ends by itself, by SIGTERM, or by SIGKILL.
    const STOPPED: [i32; 3] = [0, 143, 137];
    let half_done = lies.parked.is_some() || lies.next.is_some();
    let was_started = |old: &observed::Container| !old.started_at.is_empty();
    lies.parked
        .or(lies.live)
        .is_some_and(|old| old.is_running() || (was_started(old) && (half_done || STOPPED.contains(&old.exit_code))))
}

/// Containers and their units, found by label and by the units' first line; one without the other too.
pub(super) fn owned(observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    let mut found: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    for container in observed.containers.values() {
        if let Some(address) =
            labels::asked_for(&container.labels, ours).filter(|address| address.kind() == "container")
        {
            found.entry(address).or_default().push(container.name.clone());
        }
    }
    for (address, path) in unit::owned("container", observed, ours) {
        let names = found.entry(address).or_default();
        if names.is_empty() {
            names.push(path.display().to_string());
        }
    }
    found.into_iter().map(|(address, names)| Owned { address, names, part_of: None }).collect()
}

/// Stop through the unit, remove the containers, take the unit file away.
pub(super) fn remove(owned: &Owned, observed: &Observed, context: &Context) -> Steps {
    let ours: Vec<&observed::Container> = owned.names.iter().filter_map(|name| observed.containers.get(name)).collect();
    let mut steps = Steps::default();
    let all = Ours::all(&context.stack);
    let file = unit::owned("container", observed, all).into_iter().find(|(address, _)| *address == owned.address);
    let unit_name = file.as_ref().and_then(|(_, path)| Some(path.file_name()?.to_str()?.to_owned()));
    steps.main.extend(ours.iter().filter_map(|container| thaw(Some(container))));
    if let Some(unit) = unit_name {
        let timeout = systemd::STOP_GRACE + Duration::from_secs(300);
        steps.main.push(step(Effect::Systemd(Systemd::Stop { unit: unit.clone(), timeout })));
        steps.main.push(step(Effect::Systemd(Systemd::Disable { unit })));
    }
    for container in &ours {
        let stop = Podman::StopContainer { name: container.name.clone(), timeout: systemd::STOP_GRACE };
        if container.is_running() {
            steps.main.push(step(podman(stop)));
        }
        steps.main.push(step(remove_container(&container.name)).commit());
    }
    if !ours.is_empty() {
        let reference = previous_image(&context.stack, owned.address.name());
        steps.main.push(step(podman(Podman::UntagImage { reference })));
    }
    if let Some((_, path)) = file
        && observed.paths.get(&path).is_some_and(|seen| matches!(seen, Seen::Present(_)))
    {
        steps.finish.push(step(Effect::Files(Files::Remove { path })));
    }
    steps
}
