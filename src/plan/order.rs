//! The order of changes: edges forward for what is made, reversed for what goes, and the restarts that follow from
//! another's replace.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::address::Address;
use crate::change::{Action, After, Change, Risk, Severity, Until};
use crate::desired::{Condition, Dependency, Liveness, Resource, Resources};
use crate::effect::{Effect, Podman, Systemd};
use crate::graph::Graph;
use crate::probe::Probe;

/// Fills `Change::after`: the nearest changed ancestors, through resources that need nothing, and networks that are made anew.
pub(super) fn link(changes: &mut [Change], graph: &Graph, resources: &Resources, order: &[Address], systemd: bool) {
    if changes.is_empty() {
        return;
    }
    // By the places of the resources, which are in the order of their addresses.
    let mut is_changed = vec![false; resources.len()];
    for place in changes.iter().filter_map(|change| resources.get_index_of(&change.address)) {
        is_changed[place] = true;
    }
    let mut nearest: Vec<Vec<(usize, Until)>> = vec![Vec::new(); resources.len()];
    for place in order.iter().filter_map(|address| resources.get_index_of(address)) {
        let mut above = Vec::new();
        for (on, dependency) in graph.needs(place) {
            if is_changed[on] {
                above.push((on, until(dependency, resources[on].as_ref(), systemd)));
            } else {
                above.extend_from_slice(&nearest[on]);
            }
        }
        // Of those that are met on two ways, the longer wait.
        above.sort_unstable_by(|a, b| b.cmp(a));
        above.dedup_by_key(|(on, _)| *on);
        above.reverse();
        nearest[place] = above;
    }
    for change in changes.iter_mut() {
        let above = resources.get_index_of(&change.address).map(|place| std::mem::take(&mut nearest[place]));
        let after = above.into_iter().flatten().filter_map(|(on, until)| Some((resources.get_index(on)?.0, until)));
        change.after = after.map(|(on, until)| After { on: on.clone(), until }).collect();
    }
    after_remakes(changes, resources);
}

/// Who is on a network that is made anew is stopped and started by that change. Its own change comes after it, also where the file has
/// it leave the network, so that no edge is left between them: the two would stop, rename and start the same container at once.
fn after_remakes(changes: &mut [Change], resources: &Resources) {
    let mut remakes: Vec<(Address, BTreeSet<String>)> = Vec::new();
    for change in changes.iter().filter(|change| change.address.kind() == "network") {
        let touched = change.steps.main.iter().filter_map(|step| match &step.effect {
            Effect::Podman(Podman::Disconnect { container: name, .. } | Podman::StopContainer { name, .. })
            | Effect::Systemd(Systemd::Stop { unit: name, .. }) => Some(name.clone()),
            _ => None,
        });
        remakes.push((change.address.clone(), touched.collect()));
    }
    remakes.retain(|(_, touched)| !touched.is_empty());
    if remakes.is_empty() {
        return;
    }
    for change in changes.iter_mut().filter(|change| change.address.kind() != "network") {
        let Some(Liveness { container, unit, .. }) = resources[&change.address].liveness() else { continue };
        for (network, touched) in &remakes {
            if [&container, &unit].into_iter().flatten().any(|name| touched.contains(name)) {
                change.after.retain(|after| after.on != *network);
                change.after.push(After { on: network.clone(), until: Until::Done });
            }
        }
    }
}

/// Before anything is stopped, whatever is pulled has come, or has failed to: an unreachable registry costs nobody's time.
pub(super) fn pulls_before_stops(changes: &mut Vec<Change>) {
    let is_a_pull = |change: &Change| {
        change.steps.main.iter().any(|step| matches!(step.effect, Effect::Podman(Podman::PullImage { .. })))
    };
    let pulls: Vec<Address> =
        changes.iter().filter(|change| is_a_pull(change)).map(|change| change.address.clone()).collect();
    if pulls.is_empty() {
        return;
    }
    let mut moved = false;
    for change in changes.iter_mut().filter(|change| change.steps.main.iter().any(|step| step.effect.is_a_stop())) {
        moved = true;
        let new = pulls.iter().filter(|pull| change.after.iter().all(|after| after.on != **pull));
        let new: Vec<After> = new.map(|pull| After { on: pull.clone(), until: Until::Ended }).collect();
        change.after.extend(new);
    }
    if moved {
        sort(changes);
    }
}

const CYCLE: &str = "PLAN_CYCLE";

/// Each after all that it waits for, else as it was.
pub(super) fn sort(changes: &mut Vec<Change>) {
    let positions: HashMap<&Address, usize> =
        changes.iter().enumerate().map(|(position, change)| (&change.address, position)).collect();
    let mut dependents = vec![Vec::new(); changes.len()];
    let mut unmet = vec![0; changes.len()];
    for (position, change) in changes.iter().enumerate() {
        for predecessor in change.after.iter().filter_map(|after| positions.get(&after.on)) {
            dependents[*predecessor].push(position);
            unmet[position] += 1;
        }
    }
    let mut open: BTreeSet<usize> = (0..changes.len()).filter(|position| unmet[*position] == 0).collect();
    let mut sorted = Vec::with_capacity(changes.len());
    while let Some(position) = open.pop_first() {
        sorted.push(position);
        for dependent in &dependents[position] {
            unmet[*dependent] -= 1;
            if unmet[*dependent] == 0 {
                open.insert(*dependent);
            }
        }
    }
    if sorted.len() < changes.len() {
        let left: Vec<usize> = (0..changes.len()).filter(|position| unmet[*position] > 0).collect();
        tell_cycle(changes, &left);
        sorted.extend(left);
    }
    let mut left: Vec<Option<Change>> = std::mem::take(changes).into_iter().map(Some).collect();
    changes.extend(sorted.into_iter().filter_map(|position| left[position].take()));
}

/// An edge that would close a cycle is never added; where one was all the same, nothing is done, and it is told.
fn tell_cycle(changes: &mut [Change], positions: &[usize]) {
    let names: Vec<String> = positions.iter().map(|position| changes[*position].address.to_string()).collect();
    let risk = Risk {
        code: CYCLE,
        severity: Severity::Critical,
        message: format!("each of these waits for another one of them, or for one that does: {}", names.join(", ")),
        remedies: vec![
            "This is a fault of stackctl: report it, with what `stackctl plan --format json` prints.".to_owned(),
        ],
    };
    let first = &mut changes[positions[0]];
    if first.risks.iter().all(|known| known.code != CYCLE) {
        first.risks.push(risk);
    }
}

/// Compose's `service_started` waits for no check; a restart because of another's replace waits for that to have come off.
/// Where podman tells systemd of the container's own check, `After=` holds the dependent's unit back until that has passed.
fn until(dependency: &Dependency, on: &dyn Resource, systemd: bool) -> Until {
    let readiness = on.liveness().and_then(|liveness| liveness.readiness);
    let is_held = systemd && readiness.is_some_and(|readiness| matches!(readiness.probe, Probe::Container { .. }));
    match dependency.condition {
        Condition::Started if !dependency.restart && !is_held => Until::Started,
        Condition::Exists | Condition::Started | Condition::Healthy | Condition::CompletedSuccessfully => Until::Done,
    }
}

/// Who must restart because what it depends on is replaced or restarted (Compose's `restart: true`), and why.
pub(super) fn restarts(
    actions: &BTreeMap<Address, Action>,
    resources: &Resources,
    graph: &Graph,
    order: &[Address],
) -> BTreeMap<Address, Address> {
    let mut due: BTreeMap<Address, Address> = BTreeMap::new();
    if actions.values().all(|action| *action < Action::Restart) {
        return due;
    }
    for address in order {
        if actions.get(address).is_some_and(|action| *action >= Action::Restart) {
            continue;
        }
        let needs = resources.get_index_of(address).into_iter().flat_map(|place| graph.needs(place));
        let because =
            needs.map(|(_, dependency)| dependency).filter(|dependency| dependency.restart).find(|dependency| {
                due.contains_key(&dependency.on)
                    || matches!(actions.get(&dependency.on), Some(Action::Restart | Action::Replace))
            });
        if let Some(dependency) = because {
            due.insert(address.clone(), dependency.on.clone());
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::{pulls_before_stops, sort};
    use crate::address::Address;
    use crate::change::{Action, After, Change, Steps, Until, step};
    use crate::effect::{Effect, Podman};

    fn change(kind: &str, name: &str, effects: Vec<Podman>) -> Change {
        Change {
            address: Address::new(kind, name),
            action: Action::Replace,
            reasons: Vec::new(),
            attributes: Vec::new(),
            risks: Vec::new(),
            steps: Steps {
                main: effects.into_iter().map(|effect| step(Effect::Podman(effect))).collect(),
                ..Steps::default()
            },
            after: Vec::new(),
        }
    }

    #[test]
    fn those_that_wait_for_each_other_are_told_and_nothing_is_done() {
        let waits = |name: &str, on: &str| {
            let on = Address::new("volume", on);
            Change { after: vec![After { on, until: Until::Done }], ..change("volume", name, Vec::new()) }
        };
        let mut changes = vec![waits("a", "b"), waits("b", "a"), change("volume", "free", Vec::new())];
        sort(&mut changes);
        sort(&mut changes);
        let names: Vec<&str> = changes.iter().map(|change| change.address.name()).collect();
        assert_eq!(names, ["free", "a", "b"]);
        let risks: Vec<_> = changes.iter().flat_map(|change| &change.risks).collect();
        assert_eq!(risks.len(), 1);
        assert_eq!((risks[0].code, risks[0].severity), (super::CYCLE, crate::change::Severity::Critical));
        assert!(risks[0].message.ends_with("volume.a, volume.b"), "{}", risks[0].message);
    }

    #[test]
    fn nothing_is_stopped_before_everything_is_pulled() {
        let stop = Podman::StopContainer { name: "old".to_owned(), timeout: std::time::Duration::ZERO };
        let start = Podman::StartContainer { name: "new".to_owned() };
        let pull = Podman::PullImage { reference: "x:1".to_owned() };
        let mut needs = change("container", "needs", vec![stop.clone()]);
        let image = Address::new("image", "x:1");
        needs.after = vec![After { on: image.clone(), until: Until::Done }];
        let mut changes = vec![
            change("container", "stops", vec![stop]),
            change("container", "starts", vec![start]),
            needs,
            change("image", "x:1", vec![pull]),
        ];
        pulls_before_stops(&mut changes);
        let told: Vec<(&str, Vec<Until>)> = changes
            .iter()
            .map(|change| (change.address.name(), change.after.iter().map(|after| after.until).collect()))
            .collect();
        assert_eq!(
            told,
            [("starts", vec![]), ("x:1", vec![]), ("stops", vec![Until::Ended]), ("needs", vec![Until::Done])]
        );
    }
}
