//! Restarting what is there, as it is: what differs from the file is `apply`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::together::Homes;
use super::{Inputs, Plan, Unknown, order, preflight};
use crate::address::Address;
use crate::change::{Action, Change};
use crate::desired::{Difference, Resource, Resources};
use crate::observed::Seen;

/// Dependencies first. Of the whole stack where none is named, and then without what runs once; with those that live in the namespaces
/// of one of them, or that `depends_on` says to restart with it.
pub fn restart(inputs: &Inputs<'_>, named: &BTreeSet<Address>) -> Plan {
    let Inputs { desired, graph, observed, context: _, kinds: _, options: _ } = inputs;
    let resources = &desired.resources;
    let mut plan = Plan { stack: desired.called.clone(), ..Plan::default() };
    let neighbours = inputs.neighbours(observed);
    let everything = graph.order();
    let runs = |resource: &dyn Resource| resource.liveness().is_some_and(|liveness| !liveness.one_shot);
    let all = || everything.iter().filter(|address| runs(resources[*address].as_ref())).cloned().collect();
    let asked: BTreeSet<Address> = if named.is_empty() { all() } else { named.clone() };
    let wanted = Homes::of(inputs, observed).with_tenants(asked.clone());
    let actions: BTreeMap<Address, Action> = wanted.iter().map(|address| (address.clone(), Action::Restart)).collect();
    let along = order::restarts(&actions, resources, graph, &everything);
    for address in everything.iter().filter(|address| wanted.contains(*address) || along.contains_key(*address)) {
        let resource = resources[address].as_ref();
        match resource.seen(observed) {
            Seen::Unknown(why) => plan.unknown.push(Unknown { address: address.clone(), why }),
            Seen::Absent => plan.notes.push(format!("{address} is not there; `stackctl apply` makes it")),
            Seen::Present(_) => {
                let reason = match along.get(address) {
                    _ if asked.contains(address) => "it is asked for".to_owned(),
                    Some(because) => format!("{because} is restarted, and depends_on says restart: true"),
                    None => "whom it lives with is restarted".to_owned(),
                };
                let found = Difference { action: Action::Restart, attributes: Vec::new() };
                plan.changes.push(Change {
                    address: address.clone(),
                    action: found.action,
                    reasons: vec![reason],
                    steps: resource.steps(&found, observed, &neighbours),
                    attributes: found.attributes,
                    risks: resource.conflicts(observed),
                    after: Vec::new(),
                });
            }
        }
    }
    order::link(&mut plan.changes, graph, resources, &everything, neighbours.systemd);
    order::sort(&mut plan.changes);
    let places = places(plan.changes.iter().map(|change| change.address.clone()).collect(), resources);
    plan.risks.extend(places.iter().flat_map(|address| resources[address].conflicts(observed)));
    plan.risks.extend(preflight::to_destroy(inputs));
    plan
}

/// Declared directories that these have data in, and databases that they write: what is stopped there must be able to start again.
fn places(mut open: Vec<Address>, resources: &Resources) -> BTreeSet<Address> {
    let mut known = BTreeSet::new();
    while let Some(address) = open.pop() {
        let below = resources.get(&address).into_iter().flat_map(|resource| resource.dependencies());
        let below = below.map(|dependency| dependency.on).filter(|on| {
            resources.get(on).is_some_and(|resource| resource.liveness().is_none()) && !known.contains(on)
        });
        let below: Vec<Address> = below.collect();
        known.extend(below.iter().cloned());
        open.extend(below);
    }
    known.retain(|address| resources[address].root().is_some() || resources[address].database().is_some());
    known
}

/// Of the plan that `apply` would make after that: what is still down of what was restarted.
pub fn still_down(mut plan: Plan, restarted: &Plan) -> Plan {
    const DOWN: [&str; 5] = ["exists", "running", "paused", "half_done", "listening"];
    plan.changes.retain(|change| {
        restarted.changes.iter().any(|restarted| restarted.address == change.address)
            && change.attributes.iter().any(|row| DOWN.contains(&row.path.as_str()))
    });
    let is_there = |address: &Address| restarted.changes.iter().any(|change| change.address == *address);
    plan.unknown.retain(|unknown| is_there(&unknown.address));
    Plan { risks: Vec::new(), reload_due: false, ..plan }
}
