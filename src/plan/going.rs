//! What goes: what left the file, and the whole stack where it is taken down. Data never does.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, Kept, Options, Plan, order, preflight};
use crate::address::Address;
use crate::change::{Action, After, Change, Risk, Severity, Steps, Until};
use crate::desired::{Kind, Ours, Owned, Resources};
use crate::effect::{Effect, Podman};
use crate::observed::{Observed, Seen};

/// The kind of fact that keeps what is protected when the file says nothing of it any more.
pub const PROTECTED: &str = "protected";

/// What carries our labels and is no longer in the file: listed, never touched without `--prune`.
pub(super) fn orphans(inputs: &Inputs<'_>) -> Vec<Risk> {
    let going: BTreeSet<Address> = prunable(inputs).into_iter().map(|(_, owned)| owned.address).collect();
    let told = all_orphans(inputs).into_iter().filter(|(_, owned)| !going.contains(&owned.address));
    let risk = |(kind, owned): (&Kind, Owned)| Risk {
        code: "ORPHAN",
        severity: Severity::Info,
        message: format!("{} ({}) is no longer in the stack file", owned.address, owned.names.join(", ")),
        remedies: vec![way_out(kind.holds_data).to_owned()],
    };
    told.map(risk).collect()
}

/// With `--target` nothing but the targets is looked at.
fn all_orphans(inputs: &Inputs<'_>) -> Vec<(&'static Kind, Owned)> {
    let owned = inputs.kinds.iter().flat_map(|kind| {
        let ours = Ours { stack: &inputs.desired.stack, but: Some(&inputs.desired.resources) };
        (kind.owned)(inputs.observed, ours).into_iter().map(move |owned| (*kind, owned))
    });
    let renamed = inputs.desired.renamed();
    let is_orphan = |(_, owned): &(&'static Kind, Owned)| {
        let Options {
            targets,
            excludes,
            replace: _,
            prune: _,
            check_updates: _,
            deep: _,
            layers: _,
            data: _,
            accept: _,
        } = inputs.options;
        !inputs.desired.inactive.contains_key(&owned.address)
            && !renamed.contains_key(&owned.address)
            && !owned.part_of.as_ref().is_some_and(|of| inputs.desired.resources.contains_key(of))
            && (targets.is_empty() || targets.contains(&owned.address))
            && !excludes.contains(&owned.address)
    };
    owned.filter(is_orphan).collect()
}

/// The orphans that go with `--prune`: no data, and no network that somebody is on who stays as he is.
fn prunable(inputs: &Inputs<'_>) -> Vec<(&'static Kind, Owned)> {
    if !inputs.options.prune {
        return Vec::new();
    }
    let mut orphans = all_orphans(inputs);
    orphans.retain(|(kind, _)| !kind.holds_data);
    let going: BTreeSet<&String> = orphans.iter().flat_map(|(_, owned)| &owned.names).collect();
    let declared: BTreeSet<String> =
        inputs.desired.resources.values().map(|resource| resource.name_on_machine()).collect();
    let stays = |name: &String| !going.contains(name) && !declared.contains(name);
    let staying = inputs.observed.containers.values().filter(|found| stays(&found.name));
    let needed: BTreeSet<String> = staying.flat_map(|found| found.networks.iter().cloned()).collect();
    orphans.retain(|(_, owned)| {
        owned.address.kind() != "network" || owned.names.iter().all(|name| !needed.contains(name))
    });
    orphans
}

/// What left the file goes, but for data: containers and services before anything is started, since they may hold what that
/// needs, and networks after everything that may still be on them.
pub(super) fn prune(plan: &mut Plan, inputs: &Inputs<'_>) {
    if !inputs.options.prune {
        return;
    }
    let mut gone: BTreeMap<Address, Change> = BTreeMap::new();
    let going = prunable(inputs);
    let homes = homes(&going, inputs);
    let hosts = hosts(&going, inputs.observed);
    for (kind, owned) in going {
        let steps = (kind.remove)(&owned, inputs.observed, inputs.context);
        let risks = (kind.loses)(&owned, inputs.observed);
        let removal = removal(owned.address, steps, "it is no longer in the stack file");
        gone.insert(removal.address.clone(), Change { risks, ..removal });
    }
    let mut afters = dependents(&Resources::default(), &gone);
    let is_changed = |address: &Address| plan.changes.iter().any(|change| change.address == *address);
    let homes: Vec<(Address, Address)> =
        homes.into_iter().filter(|(tenant, _)| gone.contains_key(tenant) || is_changed(tenant)).collect();
    for (tenant, home) in &homes {
        afters.entry(home.clone()).or_default().insert(tenant.clone());
    }
    let done = |on: &Address| After { on: on.clone(), until: Until::Done };
    let ended = |on: &Address| After { on: on.clone(), until: Until::Ended };
    let late = late(&homes, is_changed);
    let is_late = |address: &Address| address.kind() == "network" || late.contains(address);
    let first: Vec<After> = gone.keys().filter(|address| !is_late(address)).map(ended).collect();
    for change in &mut plan.changes {
        // Who lives with what is made anew is gone before, or that is left alone.
        let parks = |host: &str| {
            let is_its = |effect: &Effect| matches!(effect, Effect::Podman(Podman::RenameContainer { from, .. }) if from == host);
            change.steps.main.iter().any(|step| is_its(&step.effect))
        };
        let tenants: Vec<After> =
            hosts.iter().filter(|(_, host)| parks(host)).map(|(tenant, _)| done(tenant)).collect();
        change.after.extend(tenants);
        let does = |what: fn(&Effect) -> bool| change.steps.main.iter().any(|step| what(&step.effect));
        // A network that is made anew is taken from under nobody who is about to go.
        if does(|effect| matches!(effect, Effect::Podman(Podman::RemoveNetwork { .. }))) {
            change.after.extend(first.iter().map(|after| done(&after.on)));
        } else if does(|effect| effect.is_a_start() || matches!(effect, Effect::Podman(Podman::RemoveSecret { .. }))) {
            change.after.extend(first.iter().cloned());
        }
    }
    let users: Vec<After> = plan
        .changes
        .iter()
        .filter(|change| change.address.kind() == "container")
        .map(|change| done(&change.address))
        .collect();
    for (address, mut change) in gone {
        change.after = afters.get(&address).into_iter().flatten().map(done).collect();
        if address.kind() == "network" {
            change.after.extend(users.iter().cloned());
        }
        plan.changes.push(change);
    }
    order::sort(&mut plan.changes);
}

/// Who lives in the namespaces of what goes, with whose they are: podman lets a container go after those alone.
fn homes(going: &[(&'static Kind, Owned)], inputs: &Inputs<'_>) -> Vec<(Address, Address)> {
    let going: BTreeMap<&String, &Address> =
        going.iter().flat_map(|(_, owned)| owned.names.iter().map(|name| (name, &owned.address))).collect();
    let resources = &inputs.desired.resources;
    let staying = resources.iter().flat_map(|(address, resource)| {
        resource.lives_in(inputs.observed).into_iter().map(move |home| (address.clone(), home.of))
    });
    let tenants =
        inputs.observed.containers.values().filter_map(|found| Some((*going.get(&found.name)?, found.needs())));
    let leaving = tenants.flat_map(|(tenant, needs)| {
        let homes = needs.into_iter().filter_map(|id| inputs.observed.containers.with_id(id));
        homes.filter_map(|home| Some((tenant.clone(), (*going.get(&home.name)?).clone()))).collect::<Vec<_>>()
    });
    let is_gone = |home: &Address| going.values().any(|address| *address == home);
    staying.filter(|(_, home)| is_gone(home)).chain(leaving).filter(|(tenant, home)| tenant != home).collect()
}

/// The containers with whom what goes lives, by name.
fn hosts(going: &[(&'static Kind, Owned)], observed: &Observed) -> Vec<(Address, String)> {
    let tenants = going.iter().flat_map(|(_, owned)| {
        owned.names.iter().filter_map(|name| Some((&owned.address, observed.containers.get(name)?.needs())))
    });
    let hosts = tenants.flat_map(|(tenant, needs)| {
        let hosts = needs.into_iter().filter_map(|id| observed.containers.with_id(id));
        hosts.map(|host| (tenant.clone(), host.name.clone()))
    });
    hosts.collect()
}

/// Those with whom somebody lives who stays, and whom they live with: they go last.
fn late(homes: &[(Address, Address)], stays: impl Fn(&Address) -> bool) -> BTreeSet<Address> {
    let mut late: BTreeSet<Address> = BTreeSet::new();
    loop {
        let is_new =
            |(tenant, home): &&(Address, Address)| !late.contains(home) && (stays(tenant) || late.contains(tenant));
        let Some((_, home)) = homes.iter().find(is_new) else { return late };
        late.insert(home.clone());
    }
}

/// What is seen where what left the file is gone: its containers, and with them the ports that they hold.
pub(super) fn without_orphans(inputs: &Inputs<'_>) -> Option<Observed> {
    if !inputs.options.prune {
        return None;
    }
    let mut going = prunable(inputs);
    // With whom somebody lives who stays, it goes last, and is there until then.
    let homes = homes(&going, inputs);
    let is_going = |address: &Address| going.iter().any(|(_, owned)| owned.address == *address);
    let late = late(&homes, |tenant| !is_going(tenant));
    going.retain(|(_, owned)| !late.contains(&owned.address));
    let names: BTreeSet<String> = going.into_iter().flat_map(|(_, owned)| owned.names).collect();
    let gone = inputs.observed.containers.values().filter(|container| names.contains(&container.name));
    let ports: BTreeSet<u16> = gone
        .filter(|container| container.is_running())
        .flat_map(|gone| gone.ports.iter().map(|port| port.host_port))
        .collect();
    let mut observed = inputs.observed.clone();
    observed.listeners.retain(|listener| !ports.contains(&listener.port));
    observed.containers.retain(|name, _| !names.contains(name));
    Some(observed)
}

fn way_out(holds_data: bool) -> &'static str {
    if holds_data {
        "Put it back into the file, or leave it: it holds data, and no plan removes it."
    } else {
        "Put it back into the file, or let it go with `stackctl apply --prune`."
    }
}

/// What takes the stack down: everything of ours but data, dependents first.
pub fn destroy(inputs: &Inputs<'_>) -> Plan {
    let resources = &inputs.desired.resources;
    let mut plan = Plan { stack: inputs.desired.called.clone(), ..Plan::default() };
    let mut gone: BTreeMap<Address, Change> = BTreeMap::new();
    let mut data: BTreeMap<Address, Change> = BTreeMap::new();
    let owned = |kind: &&'static Kind| {
        let kind = *kind;
        (kind.owned)(inputs.observed, Ours::all(&inputs.desired.stack)).into_iter().map(move |owned| (kind, owned))
    };
    let owned: Vec<(&'static Kind, Owned)> = inputs.kinds.iter().flat_map(owned).collect();
    for (kind, owned) in &owned {
        let address = owned.address.clone();
        if kind.holds_data && inputs.options.data.contains(&address) {
            data.insert(address.clone(), data_removal(kind, owned, inputs));
            continue;
        }
        if kind.holds_data {
            plan.kept.push(Kept { address, place: owned.names.join(", ") });
            continue;
        }
        let steps = (kind.remove)(owned, inputs.observed, inputs.context);
        let risks = match resources.get(&address) {
            Some(resource) => resource.loses(inputs.observed),
            None => (kind.loses)(owned, inputs.observed),
        };
        gone.insert(address.clone(), Change { risks, ..removal(address, steps, "the stack is taken down") });
    }
    for resource in resources.values().filter(|resource| inputs.kind(resource.address()).holds_data) {
        let address = resource.address();
        let there = matches!(resource.seen(inputs.observed), Seen::Present(_));
        if there && inputs.options.data.contains(address) {
            let owned = Owned { address: address.clone(), names: Vec::new(), part_of: None };
            let removal = || data_removal(inputs.kind(address), &owned, inputs);
            data.entry(address.clone()).or_insert_with(removal);
            continue;
        }
        if there && !plan.kept.iter().any(|kept| kept.address == *address) {
            plan.kept.push(Kept { address: address.clone(), place: address.name().to_owned() });
        }
    }
    plan.kept.sort_by(|a, b| a.address.cmp(&b.address));
    let mut order = inputs.graph.order();
    order.reverse();
    order.extend(gone.keys().filter(|address| !resources.contains_key(*address)).cloned().collect::<Vec<_>>());
    let mut afters = dependents(resources, &gone);
    for (tenant, home) in homes(&owned, inputs) {
        // What the file says by now does not count for what was made before.
        afters.entry(tenant.clone()).or_default().remove(&home);
        afters.entry(home).or_default().insert(tenant);
    }
    for address in order {
        if let Some(mut change) = gone.remove(&address) {
            let after = afters.get(&address).cloned().unwrap_or_default().into_iter();
            change.after = after.map(|on| After { on, until: Until::Done }).collect();
            plan.changes.push(change);
        }
    }
    // Nobody may have it any more.
    let all: Vec<Address> = plan.changes.iter().map(|change| change.address.clone()).collect();
    let last = |change: Change| {
        let after = all.iter().map(|on| After { on: on.clone(), until: Until::Done }).collect();
        Change { after, ..change }
    };
    plan.changes.extend(data.into_values().map(last));
    plan.risks.extend(preflight::to_destroy(inputs));
    plan
}

/// The one place from which data goes.
fn data_removal(kind: &Kind, owned: &Owned, inputs: &Inputs<'_>) -> Change {
    let address = &owned.address;
    let steps = (kind.remove)(owned, inputs.observed, inputs.context);
    let mut risks = Vec::new();
    if steps.main.is_empty() {
        risks.push(Risk {
            code: "DATA_NOT_REMOVABLE",
            severity: Severity::Critical,
            message: format!("{address} is not removed by its name"),
            remedies: vec!["Volumes and directories are; remove this one yourself.".to_owned()],
        });
    }
    let accepted = inputs.observed.accepted.contains(&("PROTECTED".to_owned(), address.clone()));
    // What lies in a protected directory is protected with it.
    let concerns = |protected: &Address| holds(address, protected) || holds(protected, address);
    for protected in protected(inputs).into_iter().filter(concerns) {
        let (severity, more) =
            if accepted { (Severity::Warning, "; accepted for this run") } else { (Severity::Critical, "") };
        risks.push(Risk {
            code: "PROTECTED",
            severity,
            message: format!("{protected} is protected{more}"),
            remedies: vec![
                "If its data is to go for good, say so once:".to_owned(),
                format!("  stackctl destroy --data {address} --accept PROTECTED:{address}"),
            ],
        });
    }
    Change { risks, ..removal(address.clone(), steps, "its data is to go, by its name") }
}

/// What the file says is protected, and what it said before and does not take back.
fn protected(inputs: &Inputs<'_>) -> BTreeSet<Address> {
    let resources = &inputs.desired.resources;
    let mut protected: BTreeSet<Address> = resources
        .iter()
        .filter(|(_, resource)| resource.protect() == Some(true))
        .map(|(address, _)| address.clone())
        .collect();
    let remembered = inputs.observed.facts.0.iter().filter(|(_, value)| **value == serde_json::Value::Bool(true));
    let remembered =
        remembered.filter_map(|(key, _)| key.strip_prefix(PROTECTED)?.strip_prefix(':')?.parse::<Address>().ok());
    protected.extend(
        remembered.filter(|address| resources.get(address).is_none_or(|resource| resource.protect() != Some(false))),
    );
    protected
}

/// Does this one go with that one?
fn holds(going: &Address, other: &Address) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    let is_place = |address: &Address| address.name().starts_with(['~', '/']);
    (going.kind() == other.kind() || (is_place(going) && is_place(other)))
        && other.name().strip_prefix(going.name()).is_some_and(below)
}

fn removal(address: Address, steps: Steps, reason: &str) -> Change {
    Change {
        address,
        action: Action::Delete,
        reasons: vec![reason.to_owned()],
        attributes: Vec::new(),
        risks: Vec::new(),
        steps,
        after: Vec::new(),
    }
}

/// Who must be gone before whom. What is no longer in the file has no edges: everything that could use a network goes
/// before the networks.
fn dependents(resources: &Resources, gone: &BTreeMap<Address, Change>) -> BTreeMap<Address, BTreeSet<Address>> {
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
