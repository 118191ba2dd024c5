//! What stands in a container's way: its name, its unit's name, its ports. Each owner is named, and nothing of another is
//! ever touched.

use std::net::IpAddr;

use super::observe::Lies;
use super::{Container, Port, systemd};
use crate::change::{Risk, Severity};
use crate::desired::HostPort;
use crate::hand_over::{self, HandOver};
use crate::kinds::labels::{self, Owner};
use crate::kinds::{quadlet, unit};
use crate::observed::{self, Listener, Observed, Query};

/// A conflict, and the steps that its remedies are made of.
type Conflict = (Risk, hand_over::Steps);

pub(super) fn find(container: &Container, observed: &Observed) -> Vec<Risk> {
    let mut risks: Vec<Risk> = of_names(container, observed).into_iter().map(|(risk, _)| risk).collect();
    risks.extend(unit::drop_ins(systemd::unit(container), observed, &container.context));
    risks.extend(container.ports.iter().filter_map(|port| port_conflict(container, port, observed)));
    risks
}

pub(super) fn hand_over(container: &Container, observed: &Observed) -> hand_over::Steps {
    of_names(container, observed).into_iter().flat_map(|(_, steps)| steps).collect()
}

fn of_names(container: &Container, observed: &Observed) -> Vec<Conflict> {
    let mut conflicts: Vec<Conflict> =
        foreign(container, observed).map(|found| name_conflict(found, container, observed)).collect();
    conflicts.extend(unit::conflicts(systemd::unit(container), observed, &container.context));
    conflicts.extend(quadlet::conflict(&container.name, &container.names.unit, observed, &container.context));
    conflicts
}

/// Containers of somebody else under a name of this one's.
fn foreign<'o>(container: &Container, observed: &'o Observed) -> impl Iterator<Item = &'o observed::Container> {
    let found = container.all_names().into_iter().filter_map(|name| observed.containers.get(name));
    found.filter(|found| !labels::belongs_to(&found.labels, &container.context.stack))
}

fn owner(found: &observed::Container) -> Owner {
    labels::owner("container", &found.name, &found.labels, Some(HandOver::RemoveContainer(found.name.clone())))
}

fn name_conflict(found: &observed::Container, container: &Container, observed: &Observed) -> Conflict {
    let mut owner = owner(found);
    if !owner.hand_over.is_empty() {
        match &owner.unit {
            Some(unit) => owner.hand_over.extend(unit::let_go(unit, observed, &container.context)),
            None if found.is_running() && owner.hand_over.contains(&HandOver::RemoveContainer(found.name.clone())) => {
                owner.hand_over.insert(HandOver::StopContainer(found.name.clone()));
            }
            None => {}
        }
    }
    (labels::name_conflict("container", &found.name, &owner), owner.hand_over)
}

/// Is the port held by somebody who is not this container?
fn port_conflict(container: &Container, port: &Port, observed: &Observed) -> Option<Risk> {
    let listener = blocking(container, port, observed)?;
    if is_let_go(container, port, listener, observed) {
        return None;
    }
    let Port { host_ip, host, container: _, protocol, span: _ } = port;
    let wanted = HostPort { ip: *host_ip, port: *host, protocol: protocol.clone(), span: None };
    Some(port_taken(&wanted, listener, observed, &container.context.stack))
}

/// Who listens on a port that is wanted, and how they let go of it.
pub(in crate::kinds) fn port_taken(wanted: &HostPort, listener: &Listener, observed: &Observed, stack: &str) -> Risk {
    let who = holder_in_words(listener, observed);
    let address = std::net::SocketAddr::new(wanted.ip, wanted.port);
    let held = std::net::SocketAddr::new(listener.ip, listener.port);
    let on = if held == address { String::new() } else { format!(" (on {held})") };
    Risk {
        code: "PORT_TAKEN",
        severity: Severity::Critical,
        message: format!("{address}/{} is held by {who}{on}", wanted.protocol),
        remedies: remedies(listener, observed, stack),
    }
}

/// Whoever listens where this container wants to, other than the container itself and those of the same stack: the file
/// gives a port to one container alone, so that another of them that holds it now lets go of it in the same plan.
fn blocking<'o>(container: &Container, port: &Port, observed: &'o Observed) -> Option<&'o Listener> {
    let own = Lies::of(container, observed);
    let holds =
        |found: Option<&observed::Container>| found.is_some_and(|found| found.is_running() && publishes(found, port));
    if holds(own.live) || holds(own.parked) || holds(own.next) || holds(own.renamed) {
        return None;
    }
    let foreign = |listener: &&Listener| {
        !holder(listener, observed).is_some_and(|found| {
            let address = labels::address(&found.labels);
            labels::belongs_to(&found.labels, &container.context.stack)
                && address.is_some_and(|address| container.siblings.contains(&address))
        })
    };
    observed.listeners.iter().filter(|listener| overlaps(port, listener)).find(foreign)
}

/// Is its own unit on its way down, and the port held by what does not show who it is, as pasta does not? The stop of a run that was
/// killed goes on without it, and podman calls the container exited before its port is free.
fn is_let_go(container: &Container, port: &Port, listener: &Listener, observed: &Observed) -> bool {
    let stops = observed.units.get(&container.names.unit).is_some_and(|unit| unit.active == "deactivating");
    let mut own = container.all_names().into_iter().filter_map(|name| observed.containers.get(name));
    stops && listener.pid.is_none() && listener.command.is_none() && own.any(|found| publishes(found, port))
}

fn overlaps(port: &Port, listener: &Listener) -> bool {
    let wildcard = |ip: &IpAddr| ip.is_unspecified();
    listener.port == port.host
        && listener.protocol == port.protocol
        && (listener.ip == port.host_ip || wildcard(&listener.ip) || wildcard(&port.host_ip))
}

fn publishes(found: &observed::Container, port: &Port) -> bool {
    found.ports.iter().any(|published| published.host_port == port.host && published.protocol == port.protocol)
}

/// The container that a listener serves: one that publishes this port on this address.
fn holder<'o>(listener: &Listener, observed: &'o Observed) -> Option<&'o observed::Container> {
    let same = |published: &observed::podman::PublishedPort| {
        let ip: Option<IpAddr> = published.host_ip.parse().ok();
        let everywhere = ip.is_none_or(|ip| ip.is_unspecified());
        published.host_port == listener.port
            && published.protocol == listener.protocol
            && if listener.ip.is_unspecified() { everywhere } else { ip == Some(listener.ip) }
    };
    observed.containers.values().find(|found| found.is_running() && found.ports.iter().any(same))
}

fn holder_in_words(listener: &Listener, observed: &Observed) -> String {
    if let Some(found) = holder(listener, observed) {
        return format!("the container {} ({})", found.name, owner(found).who);
    }
    let mut parts = Vec::new();
    match (&listener.command, listener.pid) {
        (Some(command), Some(pid)) => parts.push(format!("`{command}`, pid {pid}")),
        (Some(command), None) => parts.push(format!("`{command}`")),
        (None, Some(pid)) => parts.push(format!("pid {pid}")),
        (None, None) => parts.push("a process".to_owned()),
    }
    if let Some(unit) = &listener.unit {
        parts.push(format!("unit {unit}"));
    }
    if let Some(scope) = &listener.scope {
        parts.push(format!("{scope} scope"));
    }
    parts.push(format!("uid {}", listener.uid));
    parts.join(", ")
}

fn remedies(listener: &Listener, observed: &Observed, stack: &str) -> Vec<String> {
    let port = listener.port;
    let (sentence, command) = if let Some(found) = holder(listener, observed) {
        let stop = match owner(found).unit {
            Some(unit) => HandOver::StopUnit(unit),
            None => HandOver::StopContainer(found.name.clone()),
        };
        if labels::belongs_to(&found.labels, stack) {
            (
                "It is no longer in the stack file. If it is this one by another name, say so with `renamed_from:`; else let it go \
                 with `stackctl apply --prune`, or stop it:",
                stop.command(),
            )
        } else {
            ("Stop that container where it is managed, or publish another port:", stop.command())
        }
    } else if let Some(unit) = &listener.unit {
        let scope = if listener.scope.as_deref() == Some("user") { "systemctl --user" } else { "sudo systemctl" };
        let disable = format!("{scope} disable --now {unit}");
        // A scope is made for a login, or for a program that somebody started in it.
        if unit.ends_with(".service") {
            ("Stop and disable that unit, or publish another port:", Some(disable))
        } else {
            ("Stop that program, or publish another port:", Some(format!("ss -lptn 'sport = :{port}'")))
        }
    } else if listener.uid == 0 {
        let find = format!("sudo ss -lptn 'sport = :{port}'");
        ("It belongs to root: find its unit, stop and disable it, or publish another port:", Some(find))
    } else {
        ("Stop that program, or publish another port:", Some(format!("ss -lptn 'sport = :{port}'")))
    };
    [sentence.to_owned()].into_iter().chain(command.map(|command| format!("  {command}"))).collect()
}

/// Who holds a port, and what runs a container of somebody else, are worth following to their owner.
pub(super) fn query_more(container: &Container, observed: &Observed, query: &mut Query) {
    for port in container.ports.iter().filter(|port| blocking(container, port, observed).is_some()) {
        query.owners_of_ports.insert(port.host);
        query.all_containers = true;
        query.listeners = true;
    }
    query.unit_details.extend(foreign(container, observed).filter_map(|found| owner(found).unit));
    if unit::elsewhere(&container.names.unit, observed, &container.context).is_some() {
        query.unit_details.insert(container.names.unit.clone());
    }
}
