//! The calls that make, remake and remove a network.

use std::time::Duration;

use super::Network;
use crate::change::{Action, Step, Steps, step};
use crate::desired::{Context, Difference, Neighbours, Ours, Owned};
use crate::effect::podman::Subnet;
use crate::effect::{Effect, NetworkCreate, Podman, Systemd};
use crate::kinds::labels;
use crate::observed::{self, Container, Observed};

/// A unit of ours stops in its own time (`TimeoutStopSec=`); this only bounds the wait for systemd's answer.
const STOP_TIMEOUT: Duration = Duration::from_secs(300);
const START_TIMEOUT: Duration = Duration::from_secs(300);

pub(super) fn steps(
    network: &Network,
    difference: &Difference,
    observed: &Observed,
    neighbours: &Neighbours<'_>,
) -> Steps {
    if network.external {
        return Steps::default();
    }
    let create = NetworkCreate {
        name: network.name.clone(),
        driver: network.driver.clone(),
        dns_enabled: true,
        internal: network.internal.unwrap_or(false),
        ipv6_enabled: network.ipv6.unwrap_or(false),
        subnets: network.subnets.iter().map(subnet).collect(),
        labels: labels::ours(
            &network.stack,
            &network.address,
            &crate::desired::Resource::attributes(network),
            &network.labels,
        ),
        options: network.options.clone(),
    };
    let create = Effect::Podman(Podman::CreateNetwork(create));
    let main = match difference.action {
        Action::Replace => remake(network, create, observed, neighbours),
        _ => vec![step(create).undo(Effect::Podman(Podman::RemoveNetwork { name: network.name.clone() }))],
    };
    Steps { main, ..Steps::default() }
}

/// Everything that is on the network is stopped and taken off, the network made anew, and everything put back with the
/// aliases it had. Each step has its reverse, the removal's being the old network itself.
fn remake(network: &Network, create: Effect, observed: &Observed, neighbours: &Neighbours<'_>) -> Vec<Step> {
    let name = &network.name;
    let users: Vec<&Container> =
        observed.containers.values().filter(|container| container.networks.contains(name)).collect();
    let running: Vec<&Container> =
        with_tenants(users.clone(), observed).into_iter().filter(|found| found.is_running()).collect();
    let mut steps = Vec::new();
    for user in running.iter().rev() {
        let (stop, start) = stop_and_start(user, neighbours);
        steps.push(step(stop).undo(start));
    }
    for user in &users {
        let (off, on) = off_and_on(name, user, observed);
        steps.push(step(off).undo(on));
    }
    let remove = || Effect::Podman(Podman::RemoveNetwork { name: name.clone() });
    let old = network.live(observed).map(as_it_was).expect("a network that is remade was seen");
    steps.push(step(remove()).undo(Effect::Podman(Podman::CreateNetwork(old))));
    steps.push(step(create).undo(remove()));
    for user in &users {
        let (off, on) = off_and_on(name, user, observed);
        steps.push(step(on).undo(off));
    }
    for user in running {
        let (stop, start) = stop_and_start(user, neighbours);
        steps.push(step(start).undo(stop));
    }
    if let Some(last) = steps.last_mut() {
        last.commit = true;
    }
    steps
}

/// Who lives in the network of one of them, through however many others, has none any more once that is stopped. After whom he lives with.
fn with_tenants<'o>(mut all: Vec<&'o Container>, observed: &'o Observed) -> Vec<&'o Container> {
    loop {
        let is_new = |other: &&Container| {
            all.iter().all(|known| known.id != other.id)
                && all.iter().any(|known| other.needs().contains(known.id.as_str()))
        };
        let more: Vec<&Container> = observed.containers.values().filter(is_new).collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn stop_and_start(user: &Container, neighbours: &Neighbours<'_>) -> (Effect, Effect) {
    match user.labels.get(labels::UNIT).filter(|_| neighbours.systemd) {
        Some(unit) => (
            Effect::Systemd(Systemd::Stop { unit: unit.clone(), timeout: STOP_TIMEOUT }),
            Effect::Systemd(Systemd::Start {
                unit: unit.clone(),
                container: Some(user.name.clone()),
                settle: Duration::ZERO,
                healthy_within: None,
                timeout: START_TIMEOUT,
            }),
        ),
        None => (
            Effect::Podman(Podman::StopContainer { name: user.name.clone(), timeout: Duration::from_secs(10) }),
            Effect::Podman(Podman::StartContainer { name: user.name.clone() }),
        ),
    }
}

fn off_and_on(network: &str, user: &Container, observed: &Observed) -> (Effect, Effect) {
    let (network, container) = (network.to_owned(), user.name.clone());
    let endpoint = labels::endpoint_on(user, &network, observed);
    (
        Effect::Podman(Podman::Disconnect { network: network.clone(), container: container.clone() }),
        Effect::Podman(Podman::Connect { network, container, endpoint }),
    )
}

fn subnet((subnet, gateway): &(String, Option<String>)) -> Subnet {
    Subnet { subnet: subnet.clone(), gateway: gateway.clone() }
}

fn as_it_was(network: &observed::Network) -> NetworkCreate {
    let pools = network.subnets.iter().map(|(subnet, gateway)| Subnet {
        subnet: subnet.clone(),
        gateway: (!gateway.is_empty()).then(|| gateway.clone()),
    });
    NetworkCreate {
        name: network.name.clone(),
        driver: Some(network.driver.clone()),
        dns_enabled: network.dns_enabled,
        internal: network.internal,
        ipv6_enabled: network.ipv6_enabled,
        subnets: pools.collect(),
        labels: network.labels.clone(),
        options: network.options.clone(),
    }
}

pub(super) fn owned(observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    let one = |network: &observed::Network| {
        let address = labels::asked_for(&network.labels, ours)?;
        Some(Owned { address, names: vec![network.name.clone()], part_of: None })
    };
    observed.networks.values().filter_map(one).collect()
}

pub(super) fn remove(owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    let remove = |name: &String| step(Effect::Podman(Podman::RemoveNetwork { name: name.clone() })).commit();
    Steps { main: owned.names.iter().map(remove).collect(), ..Steps::default() }
}
