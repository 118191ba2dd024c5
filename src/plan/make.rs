//! Assembling a plan from resources and what was seen of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::together::{self, Homes};
use super::{Inputs, Plan, Unknown, diff, going, hand_over, order, ports, preflight};
use crate::address::Address;
use crate::attributes::{Attribute, Attributes};
use crate::change::{Action, AttributeChange, Cause, Change};
use crate::desired::{Difference, Neighbours, Object, Resource};
use crate::observed::{Observed, Seen};

/// What brings the machine to what the file says.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let Inputs { desired, graph, observed, context: _, kinds: _, options } = inputs;
    let resources = &desired.resources;
    let without_orphans = going::without_orphans(inputs);
    let seen = without_orphans.as_ref().unwrap_or(observed);
    let homes = Homes::of(inputs, seen);
    let order = options.scope(resources, &graph.order(), &homes);
    let mut plan = Plan { stack: desired.called.clone(), ..Plan::default() };
    let mut differences = BTreeMap::new();
    let as_it_is = inputs.neighbours(observed);
    for address in &order {
        let asked = options.replace.contains(address);
        match difference(inputs, resources[address].as_ref(), &as_it_is) {
            Ok(found) if asked => {
                differences.insert(address.clone(), Difference { action: found.action.max(Action::Replace), ..found });
            }
            Ok(found) if found.action == Action::None => {}
            Ok(found) => {
                differences.insert(address.clone(), found);
            }
            Err(why) => plan.unknown.push(Unknown { address: address.clone(), why }),
        }
    }
    let groups = homes.groups(&mut differences, &order);
    let actions = differences.iter().map(|(address, found)| (address.clone(), found.action)).collect();
    let restarts = order::restarts(&actions, resources, graph, &order);
    let neighbours = if without_orphans.is_some() { inputs.neighbours(seen) } else { as_it_is };
    for address in &order {
        let resource = resources[address].as_ref();
        let mut risks = resource.conflicts(seen);
        if differences.get(address).is_some_and(|found| found.action == Action::Replace) {
            risks.extend(homes.left_behind(address, &order));
        }
        let change = match (differences.remove(address), restarts.get(address)) {
            (Some(found), because) => Some(changed(resource, found, because, &neighbours, seen)),
            (None, Some(because)) if !is_unknown(&plan, address) => {
                let none = Difference { action: Action::None, attributes: Vec::new() };
                Some(changed(resource, none, Some(because), &neighbours, seen))
            }
            (None, _) => None,
        };
        match change {
            Some(mut change) => {
                let asked = options.replace.contains(address) && change.action == Action::Replace;
                change.reasons.extend(asked.then(|| "--replace asks for it".to_owned()));
                plan.changes.push(Change { risks, ..change });
            }
            None => {
                plan.risks.extend(risks);
                if !is_unknown(&plan, address) {
                    plan.unchanged.push(address.clone());
                }
            }
        }
    }
    order::link(&mut plan.changes, graph, resources, &order, neighbours.systemd);
    together::join(&mut plan.changes, &groups, seen, &neighbours);
    order::sort(&mut plan.changes);
    ports::hand_on(&mut plan.changes, resources, observed, neighbours.systemd);
    going::prune(&mut plan, inputs);
    order::pulls_before_stops(&mut plan.changes);
    plan.reload_due = plan.changes.iter().any(|change| change.attributes.iter().any(|row| row.path == "loaded"));
    plan.risks.extend(preflight::machine(inputs));
    hand_over::gather(&mut plan, || order.iter().flat_map(|address| resources[address].hand_over(observed)).collect());
    plan.risks.extend(going::orphans(inputs));
    plan.notes.extend(preflight::notes(inputs));
    if options.is_partial() {
        let (some, all) = (order.len(), resources.len());
        plan.notes.push(format!("{some} of {all} resources are looked at; the others are left as they are"));
    }
    plan
}

fn is_unknown(plan: &Plan, address: &Address) -> bool {
    plan.unknown.iter().any(|unknown| unknown.address == *address)
}

/// The difference of one resource, or why it cannot be told.
fn difference(inputs: &Inputs<'_>, resource: &dyn Resource, neighbours: &Neighbours<'_>) -> Result<Difference, String> {
    let address = resource.address();
    let remembered = || inputs.observed.facts.get("applied", address).and_then(Value::as_object);
    if !inputs.options.deep && resource.is_settled(inputs.observed) {
        let nothing = Difference { action: Action::None, attributes: Vec::new() };
        return Ok(nothing.and(resource.outdated(inputs.observed, neighbours)));
    }
    let found = compared(inputs, resource, remembered())?;
    match found.action {
        Action::Create => Ok(found),
        _ => Ok(found.and(resource.outdated(inputs.observed, neighbours))),
    }
}

/// Both sides in words, held against each other.
fn compared(
    inputs: &Inputs<'_>,
    resource: &dyn Resource,
    remembered: Option<&Map<String, Value>>,
) -> Result<Difference, String> {
    let kind = inputs.kind(resource.address());
    match resource.seen(inputs.observed) {
        Seen::Unknown(why) => Err(why),
        Seen::Absent => Ok(Difference { action: Action::Create, attributes: vec![absent(remembered.is_some())] }),
        Seen::Present(object) => {
            let Object { attributes: seen, last_applied: of_object } = object;
            let last = last_applied(kind.attributes, of_object, remembered);
            Ok(diff::compare(kind.attributes, &resource.attributes(), &seen, last.as_ref()))
        }
    }
}

/// What the object itself says, where it was not changed in place since; else what is remembered.
fn last_applied(
    table: &[Attribute],
    of_object: Option<Attributes>,
    remembered: Option<&Map<String, Value>>,
) -> Option<Attributes> {
    let Some(remembered) = remembered else { return of_object };
    let Some(mut last) = of_object else {
        return Some(Attributes(remembered.iter().map(|(path, value)| (path.clone(), value.clone())).collect()));
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
            (together::ALONG, _, _) => "whom it lives with is made anew".to_owned(),
            (path, _, Action::Replace) if *on_change == Action::Replace => format!("{path}: {who}; forces replace"),
            (path, _, _) => format!("{path}: {who}"),
        });
    }
    reasons
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

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
        let map = |attributes: &Attributes| attributes.0.clone().into_iter().collect::<Map<_, _>>();
        let both = last_applied(TABLE, Some(label.clone()), Some(&map(&ledger)));
        assert_eq!(both, Some(attributes(json!({"image": "a", "networks": {"x": {}, "y": {}}}))));
        let none_left = last_applied(TABLE, Some(label.clone()), Some(&Map::new()));
        assert_eq!(none_left, Some(attributes(json!({"image": "a"}))), "the last one was taken off");
        assert_eq!(last_applied(TABLE, Some(label.clone()), None), Some(label), "the ledger is lost");
        assert_eq!(last_applied(TABLE, None, Some(&map(&ledger))), Some(ledger), "it carries no label");
        assert_eq!(last_applied(TABLE, None, None), None);
    }
}
