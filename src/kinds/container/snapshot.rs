//! Copies of what has a contract, made at rest where a container gives way to one of another image or with other mounts; and when they
//! come back. A newcomer that wrote to the data and never proved itself does not leave it to the old one as it made it.

use std::path::PathBuf;

use super::attributes::created_with;
use super::observe::{self, Lies};
use super::{Container, data};
use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, Risk, Severity, Step, in_bytes, step};
use crate::desired::{Context, Difference};
use crate::effect::{Effect, Snapshot, Take};
use crate::kinds::labels;
use crate::observed::snapshot::{self, HOLD, Handle, Item};
use crate::observed::{Observed, Query};
use crate::time;

/// What another image or another mount makes of the data cannot be told.
const REASONS: [&str; 3] = ["image", "volumes", "volume_options"];

/// Where the copies of its data lie.
fn shelf(container: &Container) -> PathBuf {
    shelf_of(&container.context, &container.address)
}

/// Those of a container of this address.
pub fn shelf_of(context: &Context, address: &Address) -> PathBuf {
    snapshot::shelf(&context.data, &context.stack, address.as_str())
}

/// While it is there, its unit does not start. None where it has no data.
pub(super) fn hold(container: &Container) -> Option<PathBuf> {
    (!container.data.is_empty()).then(|| shelf(container).join(HOLD))
}

pub(super) fn query(container: &Container, query: &mut Query) {
    if !container.data.is_empty() {
        query.snapshots.insert(shelf(container));
    }
}

/// Before it is replaced: how much is copied, and whether there is room.
pub(super) fn query_closer(container: &Container, observed: &Observed, query: &mut Query) {
    let items = if is_copied(container, observed) { items(container, observed) } else { Vec::new() };
    if !items.is_empty() {
        query.space.insert(shelf(container));
        query.space.extend(items.iter().map(|item| item.path.clone()));
        query.extents.extend(items.into_iter().map(|item| item.path));
    }
}

/// Is it made anew for one of the reasons?
fn is_copied(container: &Container, observed: &Observed) -> bool {
    let lies = Lies::of(container, observed);
    let Some(old) = lies.live.or(lies.renamed).or(lies.parked) else { return false };
    let (wanted, none) = (created_with(container), Attributes::default());
    let applied = labels::applied(old).unwrap_or(&none);
    REASONS.iter().any(|path| applied.get(path) != wanted.get(path))
        || observe::image(container, old, applied, observed) != container.image
}

fn items(container: &Container, observed: &Observed) -> Vec<Item> {
    let mut items: Vec<Item> = data::places(container, observed).map(|(path, engine)| Item { path, engine }).collect();
    // What lies in a directory that is copied goes with it.
    let directories: Vec<PathBuf> =
        items.iter().filter(|item| item.engine.is_directory()).map(|item| item.path.clone()).collect();
    items.retain(|item| !directories.iter().any(|above| *above != item.path && item.path.starts_with(above)));
    items
}

fn all<'o>(container: &Container, observed: &'o Observed) -> &'o [snapshot::Snapshot] {
    // Most plans see none: the place of each is not put together for nothing.
    if observed.snapshots.is_empty() || container.data.is_empty() {
        return &[];
    }
    observed.snapshots.get(&shelf(container)).map(Vec::as_slice).unwrap_or_default()
}

/// The one from which data was on its way back when a run was killed.
pub(super) fn restoring<'o>(container: &Container, observed: &'o Observed) -> Option<&'o snapshot::Snapshot> {
    all(container, observed).iter().find(|snapshot| snapshot.is_restoring())
}

/// Was one made in a run that did not come to its end?
pub(super) fn is_open(container: &Container, observed: &Observed) -> bool {
    all(container, observed).iter().any(snapshot::Snapshot::is_open)
}

/// The state of its data, as the attribute of that name has it: what it is to go back to, or what it is on its way to.
pub(super) fn state(container: &Container, observed: &Observed) -> serde_json::Value {
    let on_its_way = restoring(container, observed).map(snapshot::Snapshot::handle);
    let wanted = on_its_way.or_else(|| observed.going_back.get(&container.address).cloned());
    serde_json::json!(wanted.map(|handle| handle.label))
}

/// What the copies have to do with one change of the container.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// What is done before anything is started: a killed run had begun to bring something back, or left what is to go back.
    unfinished: Vec<Effect>,
    /// Of a run that did not come to its end.
    open: Option<Handle>,
    /// Whoever wrote since the open one was made is a newcomer that is not proved.
    is_newcomers: bool,
    take: Option<Take>,
    /// What the user asked for.
    back_to: Option<Handle>,
}

impl Way {
    pub(super) fn of(container: &Container, lies: Lies<'_>, observed: &Observed) -> Self {
        let open = all(container, observed).iter().rfind(|snapshot| snapshot.is_open());
        let back_to = observed.going_back.get(&container.address).cloned();
        let restoring = restoring(container, observed);
        // It comes to the end for whom it was meant; who is in place still has what it left.
        let is_meant = restoring.is_some_and(|copy| copy.manifest.image == container.image);
        let left = open.filter(|open| back_to.is_none() && !is_meant && is_idle_since(open, lies));
        let finish = restoring.map(|copy| Effect::Snapshot(Snapshot::Finish(copy.handle())));
        let unfinished = finish.into_iter().chain(left.map(|copy| restore(&copy.handle()))).collect();
        let open = open.map(snapshot::Snapshot::handle);
        Self { unfinished, open, is_newcomers: lies.parked.is_some(), take: None, back_to }
    }

    /// The newcomer has proved itself since: what it wrote is what the data is.
    pub(super) fn is_past(&mut self) {
        self.is_newcomers = false;
    }

    /// One is made where the change may make something else of the data, and where it is to go back; not where the old one has not run
    /// since the last was made.
    pub(super) fn plan_copy(
        &mut self,
        container: &Container,
        difference: &Difference,
        lies: Lies<'_>,
        observed: &Observed,
    ) {
        let is_due = self.back_to.is_some()
            || (difference.action == Action::Replace && REASONS.iter().any(|path| difference.has(path)));
        let old = lies.live.or(lies.parked).filter(|_| is_due);
        let Some(old) = old.filter(|_| !(self.is_newcomers && self.open.is_some())) else { return };
        let items = items(container, observed);
        if items.is_empty() {
            return;
        }
        // From what is there, not from the clock: a plan that was saved comes out the same later.
        let id: String = old.id.chars().take(12).collect();
        let is_taken = |label: &String| all(container, observed).iter().any(|known| known.manifest.label == *label);
        let mut labels = std::iter::once(id.clone()).chain((2..).map(|count| format!("{id}-{count}")));
        let label = labels.find(|label| !is_taken(label)).unwrap_or_default();
        self.take = Some(Take {
            handle: Handle { shelf: shelf(container), label },
            address: container.address.to_string(),
            image: old.image.clone(),
            image_id: old.image_id.clone(),
            items,
        });
    }

    /// What a killed run had begun to bring back.
    pub(super) fn finish(&self) -> Vec<Step> {
        self.unfinished.iter().cloned().map(step).collect()
    }

    /// Once whoever writes is stopped, and before anything is started.
    pub(super) fn down(&self) -> Vec<Step> {
        let mut steps = self.finish();
        if let Some(take) = &self.take {
            // Nobody goes back by itself to what an earlier run left.
            steps.extend(self.open.iter().map(|copy| step(keep(copy))));
            steps.push(step(Effect::Snapshot(Snapshot::Take(Box::new(take.clone())))).undo(forget(&take.handle)));
            steps.extend(self.back_to.iter().map(|wanted| step(bring(wanted)).undo(restore(&take.handle))));
        }
        steps
    }

    /// Right before who has its name by now is started: the one that it was brought back for.
    pub(super) fn release(&self) -> Vec<Step> {
        let brought = self.back_to.iter().zip(&self.take);
        brought.map(|(wanted, take)| step(restore(wanted)).undo(bring(&take.handle))).collect()
    }

    /// What the data goes back to where this change fails.
    pub(super) fn back(&self) -> Option<Effect> {
        // Where it had gone back, it is not let go of before those that it belongs to have their names again.
        let back = if self.back_to.is_some() { bring } else { restore };
        self.take.as_ref().map(|take| back(&take.handle)).or_else(|| self.return_effect())
    }

    /// What it goes back to with the parked one.
    pub(super) fn return_effect(&self) -> Option<Effect> {
        self.open.as_ref().filter(|_| self.is_newcomers).map(restore)
    }

    pub(super) fn return_steps(&self) -> Vec<Step> {
        self.finish().into_iter().chain(self.return_effect().map(step)).collect()
    }

    /// The parked one has its data as it was.
    pub(super) fn forget(&self) -> Option<Effect> {
        self.open.as_ref().filter(|_| self.is_newcomers).map(forget)
    }

    /// The newcomer stays.
    pub(super) fn keep(&self) -> Vec<Step> {
        let own = self.take.as_ref().map(|take| &take.handle);
        own.or(self.open.as_ref()).map(|copy| step(keep(copy))).into_iter().collect()
    }
}

/// It runs no more, and has not run since the copy was made: what is not as the copy has it, a killed run had brought there.
fn is_idle_since(open: &snapshot::Snapshot, lies: Lies<'_>) -> bool {
    let Lies { live: Some(live), parked: None, .. } = lies else { return false };
    let started_us = time::parse(&live.started_at);
    !live.is_running() && started_us.is_some_and(|started_us| started_us < open.manifest.taken_us)
}

fn keep(copy: &Handle) -> Effect {
    Effect::Snapshot(Snapshot::Keep(copy.clone()))
}

fn forget(copy: &Handle) -> Effect {
    Effect::Snapshot(Snapshot::Drop(copy.clone()))
}

fn bring(copy: &Handle) -> Effect {
    Effect::Snapshot(Snapshot::Bring(copy.clone()))
}

fn restore(copy: &Handle) -> Effect {
    Effect::Snapshot(Snapshot::Restore(copy.clone()))
}

/// There must be room for the copy, and for one more where the data lies: to bring it back never overwrites what is there.
pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    if observed.space.is_empty() || container.data.is_empty() {
        return Vec::new();
    }
    let shelf = shelf(container);
    let Some(room) = observed.space.get(&shelf) else { return Vec::new() };
    let items = items(container, observed);
    let sizes = items.iter().filter_map(|item| Some((&item.path, observed.extents.get(&item.path)?.bytes)));
    let (mut here, mut short) = (0, None);
    for (path, bytes) in sizes {
        let there = observed.space.get(path).unwrap_or(room);
        let is_same = there.device == room.device;
        if is_same && room.shares_blocks {
            continue;
        }
        here += if is_same { 2 * bytes } else { bytes };
        if !is_same && bytes > there.available {
            short = Some((path.clone(), bytes, there.available));
        }
    }
    if here > room.available {
        short = Some((shelf, here, room.available));
    }
    let risk = short.map(|(path, wanted, available)| Risk {
        code: "DISK_SHORT",
        severity: Severity::Critical,
        message: format!(
            "{}: a copy of its data before the change, and the way back, take {} on the disk of {}, which has {}",
            container.address,
            in_bytes(wanted),
            path.display(),
            in_bytes(available)
        ),
        remedies: vec!["Make room there, or move the data to another disk.".to_owned()],
    });
    risk.into_iter().collect()
}
