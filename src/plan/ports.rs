//! Host ports that move from one container of the stack to another in one plan: who lets go comes first, and where two want
//! each other's, one of them is stopped early.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::order;
use crate::address::Address;
use crate::change::{After, Change, Step, Until, step};
use crate::desired::{HostPort, Liveness, Resource, Resources};
use crate::effect::{Effect, Podman, Systemd};
use crate::observed::{Container, Observed};

/// Units stop and start in their own time; this only bounds the wait for systemd's answer.
const UNIT_TIMEOUT: Duration = Duration::from_secs(300);
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Orders the changes by the ports they take over from each other; the list comes back in an order that keeps all edges.
pub(super) fn hand_on(changes: &mut Vec<Change>, resources: &Resources, observed: &Observed, systemd: bool) {
    let mut held: BTreeMap<u16, BTreeSet<usize>> = BTreeMap::new();
    for (giver, change) in changes.iter().enumerate() {
        for port in live(resources[&change.address].as_ref(), observed).iter().flat_map(|live| &live.ports) {
            held.entry(port.host_port).or_default().insert(giver);
        }
    }
    let mut moved = false;
    for taker in 0..changes.len() {
        let wanted = starts(&changes[taker], resources);
        for port in &wanted {
            for &giver in held.get(&port.port).into_iter().flatten().filter(|giver| **giver != taker) {
                let from = changes[giver].address.clone();
                let live = live(resources[&from].as_ref(), observed).filter(|live| holds(live, port));
                if let Some(live) = live {
                    moved = true;
                    take_over(changes, taker, giver, port, stop(resources[&from].as_ref(), live, systemd));
                }
            }
        }
    }
    if moved {
        order::sort(changes);
    }
}

/// One edge; where it would close a cycle, a stop of the one that holds the port instead.
fn take_over(changes: &mut [Change], taker: usize, giver: usize, port: &HostPort, stop: Step) {
    let from = changes[giver].address.clone();
    let cycle = comes_after(changes, giver, taker);
    let change = &mut changes[taker];
    if !cycle {
        change.after.retain(|after| after.on != from);
        change.after.push(After { on: from, until: Until::Done });
    } else if !change.steps.main.iter().any(|step| step.effect == stop.effect) {
        let start = change.steps.main.iter().position(|step| step.effect.is_a_start()).unwrap_or(0);
        change.steps.main.insert(start, stop);
        let place = std::net::SocketAddr::new(port.ip, port.port);
        change.reasons.push(format!("it takes {place} over from {from}, which is stopped early for it"));
    }
}

fn live<'o>(resource: &dyn Resource, observed: &'o Observed) -> Option<&'o Container> {
    let name = resource.liveness()?.container?;
    observed.containers.get(&name).filter(|found| found.is_running())
}

/// The ports that a change binds, where it starts anything.
fn starts(change: &Change, resources: &Resources) -> Vec<HostPort> {
    let starts = change.steps.main.iter().any(|step| step.effect.is_a_start());
    if starts { resources[&change.address].host_ports() } else { Vec::new() }
}

fn holds(container: &Container, wanted: &HostPort) -> bool {
    container.ports.iter().any(|port| {
        let ip = port.host_ip.parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
        wanted.overlaps(ip, port.host_port, &port.protocol)
    })
}

/// Does the change at `later` wait, over however many others, for the one at `earlier`?
fn comes_after(changes: &[Change], later: usize, earlier: usize) -> bool {
    let places: BTreeMap<&Address, usize> =
        changes.iter().enumerate().map(|(place, change)| (&change.address, place)).collect();
    let mut due = vec![later];
    let mut met = BTreeSet::new();
    while let Some(at) = due.pop() {
        if !met.insert(at) {
            continue;
        }
        let after = changes[at].after.iter();
        due.extend(after.filter_map(|after| places.get(&after.on).copied()));
    }
    later != earlier && met.contains(&earlier)
}

fn stop(resource: &dyn Resource, live: &Container, systemd: bool) -> Step {
    let Liveness { readiness: _, container: _, unit, one_shot: _ } = resource.liveness().unwrap_or_default();
    match unit.filter(|_| systemd) {
        Some(unit) => {
            let start = Systemd::Start {
                unit: unit.clone(),
                container: Some(live.name.clone()),
                settle: Duration::ZERO,
                healthy_within: None,
                timeout: UNIT_TIMEOUT,
            };
            step(Effect::Systemd(Systemd::Stop { unit, timeout: UNIT_TIMEOUT })).undo(Effect::Systemd(start))
        }
        None => {
            let name = live.name.clone();
            let stop = Podman::StopContainer { name: name.clone(), timeout: STOP_GRACE };
            step(Effect::Podman(stop)).undo(Effect::Podman(Podman::StartContainer { name }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::comes_after;
    use crate::address::Address;
    use crate::change::{Action, After, Change, Steps, Until};
    use crate::plan::order::sort;

    fn change(name: &str, after: &[&str]) -> Change {
        Change {
            address: Address::new("container", name),
            action: Action::Replace,
            reasons: Vec::new(),
            attributes: Vec::new(),
            risks: Vec::new(),
            steps: Steps::default(),
            after: after
                .iter()
                .map(|name| After { on: Address::new("container", *name), until: Until::Done })
                .collect(),
        }
    }

    #[test]
    fn the_order_keeps_every_edge_and_moves_nothing_else() {
        let mut changes = vec![change("a", &["c"]), change("b", &[]), change("c", &["d"]), change("d", &[])];
        assert!(comes_after(&changes, 0, 3) && !comes_after(&changes, 3, 0) && !comes_after(&changes, 1, 1));
        sort(&mut changes);
        let names: Vec<&str> = changes.iter().map(|change| change.address.name()).collect();
        assert_eq!(names, ["b", "d", "c", "a"]);
    }
}
