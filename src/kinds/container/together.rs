//! Several containers in one change: those that live in one another's namespaces. Podman ties them by id, so that one of them
//! cannot be made anew alone: the others would stay with the old one, would start it again, and could never let it go.
//!
//! What is written down here is an order, part by part: whom the others live with is made and started first, stopped, parked and
//! removed last; and the undo, which goes the other way, brings it back before them.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::observe::{Lies, is_as_desired};
use super::steps::{Calls, Group, around, is_proven, networks, waits_for};
use super::{Container, namespaces};
use crate::address::Address;
use crate::change::{Action, Step, joined};
use crate::desired::{Difference, Home, Neighbours, Resource};
use crate::effect::{Effect, Podman};
use crate::kinds::labels;
use crate::observed::{self, Observed};

/// The parts of a replace, or of what is left of one. Each is made for all members before the next begins, in the order of the
/// graph; `clear`, `stop`, `park` and `commit` against it.
#[derive(Debug, Default)]
pub(super) struct Phases {
    /// Halves of an earlier run that nobody wants go.
    pub(super) clear: Vec<Step>,
    /// The one that was good has its name again.
    pub(super) order: Vec<Step>,
    /// The new one is made beside the old one.
    pub(super) make: Vec<Step>,
    pub(super) stop: Vec<Step>,
    pub(super) park: Vec<Step>,
    /// The new one has the name, runs, and proves itself.
    pub(super) start: Vec<Step>,
    pub(super) commit: Vec<Step>,
    /// The end of the undo from the first part on: what is in the way goes, and the good one is back.
    pub(super) away: Vec<Effect>,
    pub(super) back: Vec<Effect>,
    /// The same of the undo from the first start on, of whomever that is: who is in place already has to go as well.
    pub(super) away_of_start: Vec<Effect>,
    pub(super) back_of_start: Vec<Effect>,
    pub(super) discard: Vec<Effect>,
}

/// One list of steps, members in the order of the graph.
pub(super) fn composed(members: Vec<Phases>, observed: &Observed) -> Vec<Step> {
    let mut steps = tenants_first(backwards(&members, |member| &member.clear), observed);
    steps.extend(forwards(&members, |member| &member.order));
    if let Some(first) = steps.first_mut() {
        first.undo.extend(backwards(&members, |member| &member.away));
        first.undo.extend(names_first(forwards(&members, |member| &member.back)));
    }
    let make = steps.len();
    steps.extend(forwards(&members, |member| &member.make));
    let stop = steps.len();
    steps.extend(backwards(&members, |member| &member.stop));
    steps.extend(backwards(&members, |member| &member.park));
    let start = steps.len();
    steps.extend(forwards(&members, |member| &member.start));
    let (away, back) = (
        backwards(&members, |member| &member.away_of_start),
        names_first(forwards(&members, |member| &member.back_of_start)),
    );
    // Who comes back may live with one that is parked for its successor: after that has its name again.
    if let Some(first) = steps.get_mut(start).filter(|_| stop < start) {
        first.undo.extend(away.iter().cloned());
    }
    if let Some(first) = steps.get_mut(stop) {
        first.undo.extend(away.into_iter().chain(back));
    }
    if let Some(first) = steps.get_mut(make) {
        first.undo.extend(backwards(&members, |member| &member.discard));
    }
    if members.len() > 1 {
        // The point of no return of one is not yet that of all.
        steps.iter_mut().for_each(|step| step.commit = false);
    }
    let commits = backwards(&members, |member| &member.commit);
    let (commits, last): (Vec<Step>, Vec<Step>) = commits.into_iter().partition(|step| step.commit);
    steps.extend(tenants_first(commits, observed));
    steps.extend(last);
    steps
}

/// Podman removes nobody whom somebody lives with. The graph tells of what is wanted; what lies there may have been made when the
/// file said otherwise, so that removals wait for those that live there.
fn tenants_first(mut steps: Vec<Step>, observed: &Observed) -> Vec<Step> {
    let removed = |step: &Step| match &step.effect {
        Effect::Podman(Podman::RemoveContainer { name }) => observed.containers.get(name),
        _ => None,
    };
    let mut sorted = Vec::new();
    while !steps.is_empty() {
        let is_free = |step: &Step| {
            let Some(home) = removed(step) else { return true };
            let mut others = steps.iter().filter_map(removed);
            !others.any(|other| other.needs().contains(home.id.as_str()))
        };
        let first = steps.iter().position(is_free).unwrap_or_default();
        sorted.push(steps.remove(first));
    }
    sorted
}

/// All of them have their names again before the first is started: it may start whom it lived with when the file said otherwise.
fn names_first(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.sort_by_key(|effect| !matches!(effect, Effect::Podman(Podman::RenameContainer { .. })));
    effects
}

fn forwards<T: Clone>(members: &[Phases], part: impl Fn(&Phases) -> &Vec<T>) -> Vec<T> {
    members.iter().flat_map(|member| part(member).iter().cloned()).collect()
}

fn backwards<T: Clone>(members: &[Phases], part: impl Fn(&Phases) -> &Vec<T>) -> Vec<T> {
    members.iter().rev().flat_map(|member| part(member).iter().cloned()).collect()
}

/// Whose namespaces what is there of it lives in.
pub(super) fn homes(container: &Container, observed: &Observed) -> Vec<Home> {
    let lies = Lies::of(container, observed);
    let there = [lies.live, lies.parked, lies.next, lies.renamed].into_iter().flatten();
    let homes = there.flat_map(|found| namespaces::homes(found, observed));
    let ours = homes.filter(|home| labels::belongs_to(&home.labels, &container.context.stack));
    ours.filter_map(|home| Some(Home { of: labels::address(&home.labels)?, half: namespaces::is_half(&home.name) }))
        .collect()
}

/// Does one that is in service, and cannot give way to a parked one any more, live in the namespaces of what is in service of this
/// one? Then the run that made both came as far as its commit.
pub(super) fn is_leaned_on(container: &Container, observed: &Observed) -> bool {
    Lies::of(container, observed).live.is_some_and(|live| has_settled_tenant(live, &container.context.stack, observed))
}

fn has_settled_tenant(live: &observed::Container, stack: &str, observed: &Observed) -> bool {
    observed.containers.values().any(|other| {
        labels::belongs_to(&other.labels, stack)
            && !namespaces::is_half(&other.name)
            && other.needs().contains(live.id.as_str())
            && (!observed.containers.contains_key(&format!("{}{}", other.name, super::PARKED))
                || has_settled_tenant(other, stack, observed))
    })
}

pub(super) fn steps(
    members: &[(&dyn Resource, &Difference)],
    observed: &Observed,
    neighbours: &Neighbours<'_>,
) -> Vec<Step> {
    let members: Vec<(&Arc<Container>, &Difference)> = members
        .iter()
        .filter_map(|(resource, difference)| {
            let any: &dyn Any = *resource;
            Some((any.downcast_ref()?, *difference))
        })
        .collect();
    let group = group(&members, observed);
    let names: BTreeSet<&Address> = members.iter().map(|(container, _)| &container.address).collect();
    let (mut before, mut phases, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for (container, difference) in &members {
        let lies = Lies::of(container, observed);
        let lies = Lies { live: lies.live.or(lies.renamed), ..lies };
        let calls = Calls::of(container, observed, neighbours, group.clone()).for_change(difference);
        let (first, last) = around(container, observed);
        before.extend(first);
        if is_made(difference) {
            // Who waits for one of these would be waited for in vain.
            let apart = container.dependencies().into_iter().filter(|needs| !needs_any(&needs.on, &names, neighbours));
            phases.push(calls.replace(lies, waits_for(apart, neighbours)));
        } else {
            phases.push(calls.settle_half(lies));
            after.extend(networks(container, difference, lies, observed));
        }
        after.extend(last);
    }
    joined([before, composed(phases, observed), after])
}

/// Is a new one made of it? Also where nothing is there but a half that nobody wants, which lives with another that goes.
fn is_made(difference: &Difference) -> bool {
    matches!(difference.action, Action::Replace | Action::Create)
}

/// What the members must agree on.
fn group(members: &[(&Arc<Container>, &Difference)], observed: &Observed) -> Group {
    let is_newcomer = |container: &Container| {
        let lies = Lies::of(container, observed);
        (lies.live.is_some() && lies.parked.is_some()).then_some(lies)
    };
    let is_past =
        members.iter().any(|(container, _)| is_newcomer(container).is_some() && is_leaned_on(container, observed));
    let is_sick = members
        .iter()
        .any(|(container, _)| is_newcomer(container).is_some_and(|lies| !is_proven(container, lies, observed)));
    let called = members.iter().filter_map(|(container, difference)| {
        let lies = Lies::of(container, observed);
        let comes = lies.live.is_none()
            && lies.parked.is_some()
            && lies.next.is_some_and(|next| is_as_desired(container, next) && !namespaces::is_cut_off(next, observed));
        (is_made(difference) || comes).then(|| (container.name.clone(), container.names.next.clone()))
    });
    let is_sick = is_sick && !is_past;
    let come_back = members.iter().filter_map(|(container, difference)| {
        let lies = is_newcomer(container).filter(|_| difference.action == Action::Replace && is_sick)?;
        lies.parked
    });
    let come_back: Vec<&observed::Container> = come_back.collect();
    let mut returning: BTreeSet<String> = come_back.iter().map(|parked| parked.name.clone()).collect();
    while let Some(tied) =
        come_back.iter().find(|parked| returning.contains(&parked.name) && is_tied(parked, &returning, observed))
    {
        returning.remove(&tied.name);
    }
    let cleared = cleared(members, is_sick, observed);
    let stays = members.iter().filter_map(|(container, difference)| {
        let lies = is_newcomer(container).filter(|_| difference.action == Action::Replace && !is_sick)?;
        lies.live
    });
    let settled = stays.flat_map(|live| namespaces::homes(live, observed)).map(|home| home.name.clone());
    let mut settled: BTreeSet<String> = settled.collect();
    let leaned_on = members.iter().filter(|(container, _)| is_leaned_on(container, observed));
    settled.extend(leaned_on.map(|(container, _)| container.name.clone()));
    // With whom a parked one lives cannot have its name again: neither can that.
    let parked_with = |container: &Container, settled: &BTreeSet<String>| {
        let parked = Lies::of(container, observed).parked;
        let mut homes = parked.into_iter().flat_map(|parked| namespaces::homes(parked, observed));
        homes.any(|home| home.name.strip_suffix(super::PARKED).is_some_and(|name| settled.contains(name)))
    };
    while let Some((container, _)) =
        members.iter().find(|(container, _)| !settled.contains(&container.name) && parked_with(container, &settled))
    {
        settled.insert(container.name.clone());
    }
    Group { is_sick: Some(is_sick), called: called.collect(), returning, settled, cleared }
}

/// What goes before anything is made, by name: halves that nobody wants, and whoever lives with one that goes.
fn cleared(members: &[(&Arc<Container>, &Difference)], is_sick: bool, observed: &Observed) -> BTreeSet<String> {
    let mut cleared = BTreeSet::new();
    for (container, difference) in members {
        let Lies { live, parked, next, .. } = Lies::of(container, observed);
        let is_replaced = difference.action == Action::Replace;
        let is_over = live.is_some() && is_replaced && !is_sick;
        cleared.extend(parked.filter(|_| is_over).map(|found| found.name.clone()));
        cleared.extend(next.filter(|_| is_made(difference) || live.is_some()).map(|found| found.name.clone()));
    }
    loop {
        let goes = members.iter().find_map(|(container, difference)| {
            let Lies { live, parked, .. } = Lies::of(container, observed);
            let is_put_back = is_sick && live.is_some() && parked.is_some();
            let subject = if difference.action == Action::Replace { live.or(parked) } else { parked };
            let subject = subject.filter(|found| !is_put_back && !cleared.contains(&found.name))?;
            namespaces::homes(subject, observed).any(|home| cleared.contains(&home.name)).then_some(subject)
        });
        let Some(found) = goes else { return cleared };
        cleared.insert(found.name.clone());
    }
}

/// Does it live with a half that does not get its name back?
pub(super) fn is_tied(parked: &observed::Container, returning: &BTreeSet<String>, observed: &Observed) -> bool {
    namespaces::homes(parked, observed).any(|home| namespaces::is_half(&home.name) && !returning.contains(&home.name))
}

/// Is it one of these, or does it need one of them, through however many others?
fn needs_any(address: &Address, these: &BTreeSet<&Address>, neighbours: &Neighbours<'_>) -> bool {
    let mut known: BTreeSet<Address> = BTreeSet::new();
    let mut open = vec![address.clone()];
    while let Some(next) = open.pop() {
        if these.contains(&next) {
            return true;
        }
        if known.insert(next.clone())
            && let Some(resource) = neighbours.resources.get(&next)
        {
            open.extend(resource.dependencies().into_iter().map(|dependency| dependency.on));
        }
    }
    false
}
