//! Those that live in one another's namespaces change together: none of them can stay where another is made anew. The first of
//! them in the order of the graph carries the steps of all; the others' rows tell what happens to them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::Inputs;
use crate::address::Address;
use crate::change::{Action, After, AttributeChange, Cause, Change, Risk, Severity, Step, Until};
use crate::desired::{Difference, Home, Neighbours, Resource};
use crate::observed::{Container, Observed};

type Differences = BTreeMap<Address, Difference>;

/// Who lives where, by the addresses of today.
#[derive(Debug, Default)]
pub(super) struct Homes {
    of_resources: BTreeMap<Address, Vec<Home>>,
    /// Containers that are no resource's of the file, by name.
    of_others: Vec<(String, Address)>,
}

/// The row of those that change because whom they live with does.
pub(super) const ALONG: &str = "namespaces";

/// Podman would not let the old one go.
const IN_USE: &str = "NAMESPACE_IN_USE";

/// Members in the order of the graph, with what differs of each.
pub(super) type Group = Vec<(Address, Difference)>;

impl Homes {
    /// `observed` is without what is about to go with `--prune`: that lives nowhere.
    pub(super) fn of(inputs: &Inputs<'_>, observed: &Observed) -> Self {
        let (resources, renamed) = (&inputs.desired.resources, inputs.desired.renamed());
        let homes = |address: &Address| {
            let mut homes = resources[address].lives_in(observed);
            for home in &mut homes {
                if let Some(now) = renamed.get(&home.of) {
                    home.of = now.clone();
                }
            }
            homes.retain(|home| home.of != *address && resources.contains_key(&home.of));
            (!homes.is_empty()).then(|| (address.clone(), homes))
        };
        let tenants: Vec<&Container> = observed.containers.values().filter(|found| !found.needs().is_empty()).collect();
        if tenants.is_empty() {
            return Self::default();
        }
        let of_resources: BTreeMap<_, _> = resources.keys().filter_map(homes).collect();
        let hosts: HashMap<&str, &Address> =
            resources.iter().filter_map(|(address, resource)| Some((resource.container()?, address))).collect();
        let is_half = |name: &str| name.match_indices('.').any(|(at, _)| hosts.contains_key(&name[..at]));
        let is_other = |name: &str| !hosts.contains_key(name) && !is_half(name);
        let of_others = tenants.into_iter().filter(|tenant| is_other(&tenant.name)).flat_map(|tenant| {
            let homes = tenant.needs().into_iter().filter_map(|id| observed.containers.with_id(id));
            let homes = homes.filter_map(|home| hosts.get(home.name.as_str()));
            homes.map(|home| (tenant.name.clone(), (*home).clone())).collect::<Vec<_>>()
        });
        let of_others = of_others.collect();
        Self { of_resources, of_others }
    }

    /// With those that live with one of these, through however many others.
    pub(super) fn with_tenants(&self, mut these: BTreeSet<Address>) -> BTreeSet<Address> {
        loop {
            let more = self.of_resources.iter().filter(|(tenant, homes)| {
                !these.contains(*tenant) && homes.iter().any(|home| these.contains(&home.of))
            });
            let more: Vec<Address> = more.map(|(tenant, _)| tenant.clone()).collect();
            if more.is_empty() {
                return these;
            }
            these.extend(more);
        }
    }

    /// Makes those that cannot stay go along, and tells who changes with whom.
    pub(super) fn groups(&self, differences: &mut Differences, order: &[Address]) -> Vec<Group> {
        // Who is looked at in this plan.
        let scope: HashSet<&Address> = order.iter().collect();
        loop {
            let is_replaced =
                |address: &Address| differences.get(address).is_some_and(|found| found.action == Action::Replace);
            let due = self.of_resources.iter().find_map(|(tenant, homes)| {
                let is_in = scope.contains(tenant)
                    && differences.get(tenant).is_none_or(|found| found.action < Action::Replace);
                let home = homes.iter().find(|home| !home.half && is_replaced(&home.of))?;
                is_in.then(|| (tenant.clone(), home.of.clone()))
            });
            let Some((tenant, home)) = due else { break };
            let known =
                differences.remove(&tenant).unwrap_or(Difference { action: Action::None, attributes: Vec::new() });
            differences.insert(tenant, known.and(vec![goes_along(&home)]));
        }
        let mut groups: Vec<BTreeSet<&Address>> = Vec::new();
        for (tenant, homes) in self.of_resources.iter().filter(|(tenant, _)| differences.contains_key(*tenant)) {
            for home in homes.iter().filter(|home| {
                differences.get(&home.of).is_some_and(|found| home.half || found.action == Action::Replace)
            }) {
                let (mut one, others): (Vec<_>, Vec<_>) =
                    groups.into_iter().partition(|group| group.contains(tenant) || group.contains(&home.of));
                let mut merged: BTreeSet<&Address> = one.drain(..).flatten().collect();
                merged.extend([tenant, &home.of]);
                groups = others;
                groups.push(merged);
            }
        }
        let in_order = |group: &BTreeSet<&Address>| {
            let members = order.iter().filter(|address| group.contains(*address));
            members.filter_map(|address| Some((address.clone(), differences.get(address)?.clone()))).collect()
        };
        groups.iter().map(in_order).collect()
    }

    /// Tenants of what is made anew that the plan leaves out: they would keep the old one from ever going.
    pub(super) fn left_behind(&self, address: &Address, order: &[Address]) -> Vec<Risk> {
        let stays = self
            .of_resources
            .iter()
            .filter(|(tenant, homes)| !order.contains(tenant) && homes.iter().any(|home| home.of == *address));
        let risk = |tenant: &Address| Risk {
            code: IN_USE,
            severity: Severity::Critical,
            message: format!(
                "{tenant} lives in the namespaces of {address}, which is made anew, and is left out of this plan"
            ),
            remedies: vec![format!("Take {tenant} into the plan as well.")],
        };
        let mut risks: Vec<Risk> = stays.map(|(tenant, _)| risk(tenant)).collect();
        risks.extend(self.of_others.iter().filter(|(_, home)| home == address).map(|(name, _)| Risk {
            code: IN_USE,
            severity: Severity::Critical,
            message: format!(
                "the container `{name}` lives in the namespaces of {address}, which is made anew, and is not in the file"
            ),
            remedies: vec!["Take it into the file, or let it go:".to_owned(), format!("  podman rm -f {name}")],
        }));
        risks
    }
}

fn goes_along(home: &Address) -> AttributeChange {
    AttributeChange {
        path: ALONG.to_owned(),
        before: Value::String(home.to_string()),
        after: Value::String(format!("{home}, made anew")),
        cause: Cause::File,
        on_change: Action::Replace,
    }
}

/// Gives the steps of each group to its first, and makes the others wait for it.
pub(super) fn join(changes: &mut [Change], groups: &[Group], observed: &Observed, neighbours: &Neighbours<'_>) {
    for group in groups.iter().filter(|group| group.len() > 1) {
        let names: BTreeSet<&Address> = group.iter().map(|(address, _)| address).collect();
        let leader = &group[0].0;
        let members: Vec<(&dyn Resource, &Difference)> = group
            .iter()
            .filter_map(|(address, found)| Some((neighbours.resources.get(address)?.as_ref(), found)))
            .collect();
        let mut steps: Vec<Step> = neighbours.resources[leader].steps_together(&members, observed, neighbours);
        let mut after: BTreeMap<Address, Until> = BTreeMap::new();
        for change in changes.iter_mut().filter(|change| names.contains(&change.address)) {
            for each in change.after.drain(..) {
                let until = after.entry(each.on).or_insert(each.until);
                *until = each.until.max(*until);
            }
            if change.address == *leader {
                change.steps.main = std::mem::take(&mut steps);
            } else {
                change.steps.main = Vec::new();
                change.after = vec![After { on: leader.clone(), until: Until::Done }];
            }
        }
        // What itself waits for one of them cannot be waited for.
        let later = later(changes, &names);
        after.retain(|on, _| !names.contains(on) && !later.contains(on));
        if let Some(first) = changes.iter_mut().find(|change| change.address == *leader) {
            first.after = after.into_iter().map(|(on, until)| After { on, until }).collect();
        }
    }
}

/// Changes that come after any of these, through however many others.
fn later(changes: &[Change], these: &BTreeSet<&Address>) -> BTreeSet<Address> {
    let mut later: BTreeSet<Address> = BTreeSet::new();
    loop {
        let before = later.len();
        for change in changes.iter().filter(|change| !these.contains(&change.address)) {
            if change.after.iter().any(|after| these.contains(&after.on) || later.contains(&after.on)) {
                later.insert(change.address.clone());
            }
        }
        if later.len() == before {
            return later;
        }
    }
}
