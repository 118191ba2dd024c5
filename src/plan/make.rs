//! Assembling a plan from resources and what was seen of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Inputs, Kept, Plan, Unknown, diff, hand_over, order, ports, preflight};
use crate::address::Address;
use crate::attributes::{Attribute, Attributes};
use crate::change::{Action, After, AttributeChange, Cause, Change, Risk, Severity, Steps, Until};
use crate::desired::{Difference, Neighbours, Object, Resource};
use crate::observed::{Observed, Seen};

/// What brings the machine to what the file says.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let Inputs { desired, graph, observed, context: _, kinds: _ } = inputs;
    let resources = &desired.resources;
    let order = graph.order();
    let mut plan = Plan { stack: desired.stack.clone(), ..Plan::default() };
    let mut differences = BTreeMap::new();
    for address in &order {
        match difference(inputs, resources[address].as_ref()) {
            Ok(found) if found.action == Action::None => {}
            Ok(found) => {
                differences.insert(address.clone(), found);
            }
            Err(why) => plan.unknown.push(Unknown { address: address.clone(), why }),
        }
    }
    let actions = differences.iter().map(|(address, found)| (address.clone(), found.action)).collect();
    let restarts = order::restarts(&actions, resources, &order);
    let neighbours = inputs.neighbours();
    for address in &order {
        let resource = resources[address].as_ref();
        let risks = resource.conflicts(observed);
        let change = match (differences.remove(address), restarts.get(address)) {
            (Some(found), because) => Some(changed(resource, found, because, &neighbours, observed)),
            (None, Some(because)) if !is_unknown(&plan, address) => {
                let none = Difference { action: Action::None, attributes: Vec::new() };
                Some(changed(resource, none, Some(because), &neighbours, observed))
            }
            (None, _) => None,
        };
        match change {
            Some(change) => plan.changes.push(Change { risks, ..change }),
            None => {
                plan.risks.extend(risks);
                if !is_unknown(&plan, address) {
                    plan.unchanged.push(address.clone());
                }
            }
        }
    }
    order::link(&mut plan.changes, resources, &order, neighbours.systemd);
    ports::hand_on(&mut plan.changes, resources, observed, neighbours.systemd);
    order::pulls_before_stops(&mut plan.changes);
    plan.reload_due = plan.changes.iter().any(|change| change.attributes.iter().any(|row| row.path == "loaded"));
    plan.risks.extend(preflight::machine(inputs));
    hand_over::gather(&mut plan, || resources.values().flat_map(|resource| resource.hand_over(observed)).collect());
    plan.risks.extend(orphans(inputs));
    plan.notes.extend(preflight::notes(inputs));
    plan
}

fn is_unknown(plan: &Plan, address: &Address) -> bool {
    plan.unknown.iter().any(|unknown| unknown.address == *address)
}

/// The difference of one resource, or why it cannot be told.
fn difference(inputs: &Inputs<'_>, resource: &dyn Resource) -> Result<Difference, String> {
    let address = resource.address();
    let kind = inputs.kind(address);
    let remembered = inputs.observed.facts.get("applied", address);
    let remembered: Option<Attributes> = remembered.and_then(|fact| serde_json::from_value(fact.clone()).ok());
    match resource.seen(inputs.observed) {
        Seen::Unknown(why) => Err(why),
        Seen::Absent => Ok(Difference { action: Action::Create, attributes: vec![absent(remembered.is_some())] }),
        Seen::Present(object) => {
            let last = last_applied(kind.attributes, object.last_applied.clone(), remembered);
            let Object { attributes: _, last_applied: _ } = &object;
            Ok(diff::compare(kind.attributes, &resource.attributes(), &object, last.as_ref()))
        }
    }
}

/// What the object itself says, where it was not changed in place since; else what is remembered.
fn last_applied(
    table: &[Attribute],
    of_object: Option<Attributes>,
    remembered: Option<Attributes>,
) -> Option<Attributes> {
    let (Some(mut last), Some(remembered)) = (of_object.clone(), &remembered) else {
        return of_object.or(remembered);
    };
    for row in table.iter().filter(|row| row.in_place) {
        last.0.remove(row.path);
        last.0.extend(remembered.get(row.path).map(|value| (row.path.to_owned(), value.clone())));
    }
    Some(last)
}

/// Of what is not there, existence is the attribute that differs: the machine's doing if it had been applied before.
fn absent(applied_before: bool) -> AttributeChange {
    AttributeChange {
        path: "exists".to_owned(),
        before: Value::Bool(false),
        after: Value::Bool(true),
        cause: if applied_before { Cause::Machine } else { Cause::File },
        on_change: Action::Create,
    }
}

fn changed(
    resource: &dyn Resource,
    mut found: Difference,
    because: Option<&Address>,
    neighbours: &Neighbours<'_>,
    observed: &Observed,
) -> Change {
    let mut reasons = reasons(&found);
    if let Some(because) = because {
        found.action = found.action.max(Action::Restart);
        reasons.push(format!("{because} is replaced or restarted, and depends_on says restart: true"));
    }
    let steps = resource.steps(&found, observed, neighbours);
    Change {
        address: resource.address().clone(),
        action: found.action,
        reasons,
        attributes: found.attributes,
        risks: Vec::new(),
        steps,
        after: Vec::new(),
    }
}

fn reasons(found: &Difference) -> Vec<String> {
    let mut reasons = Vec::new();
    for AttributeChange { path, before: _, after: _, cause, on_change } in &found.attributes {
        let who = match cause {
            Cause::File => "the stack file changed",
            Cause::Machine => "changed on the machine",
            Cause::Both => "changed in the stack file and on the machine",
        };
        reasons.push(match (path.as_str(), cause, found.action) {
            ("exists", Cause::Machine, _) => "it was there after an earlier apply and is gone".to_owned(),
            ("exists", _, _) => "it does not exist yet".to_owned(),
            (path, _, Action::Replace) if *on_change == Action::Replace => format!("{path}: {who}; forces replace"),
            (path, _, _) => format!("{path}: {who}"),
        });
    }
    reasons
}

/// What carries our labels and is no longer in the file: listed, never touched without `--prune`.
fn orphans(inputs: &Inputs<'_>) -> Vec<Risk> {
    let mut risks = Vec::new();
    for kind in inputs.kinds {
        for owned in (kind.owned)(inputs.observed, &inputs.desired.stack) {
            if !inputs.desired.resources.contains_key(&owned.address) {
                risks.push(Risk {
                    code: "ORPHAN",
                    severity: Severity::Info,
                    message: format!("{} ({}) is no longer in the stack file", owned.address, owned.names.join(", ")),
                    remedies: vec![way_out(kind.holds_data).to_owned()],
                });
            }
        }
    }
    risks
}

fn way_out(holds_data: bool) -> &'static str {
    if holds_data {
        "Put it back into the file, or leave it: it holds data, and no plan removes it."
    } else {
        "Put it back into the file, or leave it until `stackctl destroy` takes the stack down."
    }
}

/// What takes the stack down: everything of ours but data, dependents first.
pub fn destroy(inputs: &Inputs<'_>) -> Plan {
    let resources = &inputs.desired.resources;
    let mut plan = Plan { stack: inputs.desired.stack.clone(), ..Plan::default() };
    let mut gone: BTreeMap<Address, Change> = BTreeMap::new();
    for kind in inputs.kinds {
        for owned in (kind.owned)(inputs.observed, &inputs.desired.stack) {
            if kind.holds_data {
                plan.kept.push(Kept { address: owned.address, place: owned.names.join(", ") });
                continue;
            }
            let steps = (kind.remove)(&owned, inputs.observed, inputs.context);
            gone.insert(owned.address.clone(), removal(owned.address, steps));
        }
    }
    for resource in resources.values().filter(|resource| inputs.kind(resource.address()).holds_data) {
        let address = resource.address();
        let there = matches!(resource.seen(inputs.observed), Seen::Present(_));
        if there && !plan.kept.iter().any(|kept| kept.address == *address) {
            plan.kept.push(Kept { address: address.clone(), place: address.name().to_owned() });
        }
    }
    plan.kept.sort_by(|a, b| a.address.cmp(&b.address));
    let mut order = inputs.graph.order();
    order.reverse();
    order.extend(gone.keys().filter(|address| !resources.contains_key(address)).cloned().collect::<Vec<_>>());
    let afters = dependents(resources, &gone);
    for address in order {
        if let Some(mut change) = gone.remove(&address) {
            let after = afters.get(&address).cloned().unwrap_or_default().into_iter();
            change.after = after.map(|on| After { on, until: Until::Done }).collect();
            plan.changes.push(change);
        }
    }
    plan.risks.extend(preflight::to_destroy(inputs));
    plan
}

fn removal(address: Address, steps: Steps) -> Change {
    Change {
        address,
        action: Action::Delete,
        reasons: vec!["the stack is taken down".to_owned()],
        attributes: Vec::new(),
        risks: Vec::new(),
        steps,
        after: Vec::new(),
    }
}

/// Who must be gone before whom. What is no longer in the file has no edges: everything that could use a network goes
/// before the networks.
fn dependents(
    resources: &BTreeMap<Address, Box<dyn Resource>>,
    gone: &BTreeMap<Address, Change>,
) -> BTreeMap<Address, BTreeSet<Address>> {
    let mut afters: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for (address, resource) in resources.iter().filter(|(address, _)| gone.contains_key(address)) {
        for dependency in resource.dependencies() {
            if gone.contains_key(&dependency.on) {
                afters.entry(dependency.on).or_default().insert(address.clone());
            }
        }
    }
    for network in gone.keys().filter(|address| address.kind() == "network") {
        let users = gone.keys().filter(|address| address.kind() == "container").cloned();
        afters.entry(network.clone()).or_default().extend(users);
    }
    afters
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::last_applied;
    use crate::attributes::{Attribute, Attributes, attribute};
    use crate::change::Action;

    const TABLE: &[Attribute] =
        &[attribute("image", Action::Replace), attribute("networks", Action::Update).keys().in_place()];

    #[test]
    fn what_was_changed_in_place_is_known_to_the_ledger_alone() {
        let attributes = |value: Value| -> Attributes { serde_json::from_value(value).expect("a map") };
        let label = attributes(json!({"image": "a", "networks": {"x": {}}}));
        let ledger = attributes(json!({"image": "stale", "networks": {"x": {}, "y": {}}}));
        let both = last_applied(TABLE, Some(label.clone()), Some(ledger.clone()));
        assert_eq!(both, Some(attributes(json!({"image": "a", "networks": {"x": {}, "y": {}}}))));
        let none_left = last_applied(TABLE, Some(label.clone()), Some(attributes(json!({}))));
        assert_eq!(none_left, Some(attributes(json!({"image": "a"}))), "the last one was taken off");
        assert_eq!(last_applied(TABLE, Some(label.clone()), None), Some(label), "the ledger is lost");
        assert_eq!(last_applied(TABLE, None, Some(ledger.clone())), Some(ledger), "it carries no label");
        assert_eq!(last_applied(TABLE, None, None), None);
    }
}
