//! Hollow databases that are set aside while whoever owns them is down, so that its program makes them anew: the calls of it, for every
//! kind that runs a program. What is hollow, `contract.rs` judges.

use std::path::PathBuf;
use std::time::Duration;

use super::contract::is_hollow;
use crate::change::{Step, joined, step};
use crate::effect::{Effect, Files, Wait};
use crate::observed::Observed;
use crate::observed::data::Requirement;
use crate::probe::Readiness;

/// How long a program without a check has to make a database anew.
const HOLDS: Duration = Duration::from_secs(60);

/// A database that is set aside in this change, or was by a run that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hollow {
    pub(super) path: PathBuf,
    /// It lies there still.
    pub(super) is_there: bool,
    pub(super) requirement: Requirement,
}

impl Hollow {
    /// None where nothing is to be made anew. `is_loss`: it had rows, see [`super::contract::is_loss`].
    pub(super) fn of(path: PathBuf, requirement: Requirement, is_loss: bool, observed: &Observed) -> Option<Self> {
        let reading = observed.data.get(&path)?;
        let is_there = is_hollow(reading) && !is_loss;
        (is_there || reading.is_set_aside).then_some(Self { path, is_there, requirement })
    }
}

/// Before a start, what its program is to make anew goes aside; whoever had it is down by then. `stop` brings it down once more before
/// that is taken back: what was taken back of others may have started it.
pub(super) fn set_aside(hollow: &[Hollow], stop: &[Effect]) -> Vec<Step> {
    let there = hollow.iter().filter(|hollow| hollow.is_there).map(|hollow| hollow.path.clone());
    let one = |path: PathBuf| {
        let aside = step(Effect::Files(Files::SetAside { path: path.clone() }));
        let aside = stop.iter().fold(aside, |aside, stop| aside.undo(stop.clone()));
        aside.undo(Effect::Files(Files::PutBack { path }))
    };
    there.map(one).collect()
}

/// A run was killed after it had set all of them aside: their program may still be making them, and is not stopped half-way.
pub(super) fn is_under_way(hollow: &[Hollow]) -> bool {
    !hollow.is_empty() && hollow.iter().all(|hollow| !hollow.is_there)
}

/// What a run that was killed has set aside goes back as well, where what came in its place does not hold.
pub(super) fn or_back(start: Step, hollow: &[Hollow]) -> Step {
    let left = hollow.iter().filter(|hollow| !hollow.is_there);
    left.fold(start, |start, hollow| start.undo(Effect::Files(Files::PutBack { path: hollow.path.clone() })))
}

/// Whose program makes them anew.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// As a person calls it.
    pub(super) subject: String,
    pub(super) readiness: Option<Readiness>,
    /// Stops it and starts it.
    pub(super) again: Vec<Effect>,
    /// Until it is up.
    pub(super) up: Vec<Step>,
}

impl Owner {
    /// What the program made holds, and still does once it was started again.
    pub(super) fn proof(self, hollow: &[Hollow]) -> Vec<Step> {
        if hollow.is_empty() {
            return Vec::new();
        }
        let Self { subject, readiness, again, up } = self;
        let made = || hollow.iter().map(|hollow| (hollow.path.clone(), hollow.requirement.clone()));
        let holds = || hold(&subject, readiness.as_ref(), made());
        joined([holds(), again.into_iter().map(step).collect(), up, holds()])
    }
}

/// Until each is as its contract says.
pub(super) fn hold(
    subject: &str,
    readiness: Option<&Readiness>,
    contracts: impl Iterator<Item = (PathBuf, Requirement)>,
) -> Vec<Step> {
    let within = readiness.map_or(HOLDS, Readiness::deadline);
    let hold = |(path, wanted)| step(Effect::Wait(Wait::Holds { subject: subject.to_owned(), path, wanted, within }));
    contracts.map(hold).collect()
}

/// From here on they stay aside.
pub(super) fn keep(hollow: &[Hollow]) -> Vec<Step> {
    hollow.iter().map(|hollow| step(Effect::Files(Files::KeepAside { path: hollow.path.clone() }))).collect()
}
