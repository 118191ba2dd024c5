//! Names of other resources, turned into addresses and into what the unit says of them.

use std::sync::Arc;

use crate::address::Address;
use crate::desired::{Condition, Declared, Known};
use crate::diagnostic::{Diagnostics, Span, nearest};
use crate::kinds::container::{Container, MountSource, namespaces, systemd};
use crate::kinds::container::{Needs, UnitDependencies};
use crate::kinds::unit::BootWait;

pub(in crate::kinds::container) fn link(
    container: &mut Container,
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) {
    for (name, attachment) in &mut container.networks {
        match declared.resources.get(&Address::new("network", name)) {
            Some(known) => attachment.name.clone_from(&known.name_on_machine),
            None => nowhere("network", name, attachment.span, declared, diagnostics),
        }
    }
    for mount in container.mounts.values_mut() {
        let span = mount.span;
        if let MountSource::Volume { address, name, .. } = &mut mount.source {
            match declared.resources.get(address) {
                Some(known) => name.clone_from(&known.name_on_machine),
                None => nowhere("volume", address.name(), Some(span), declared, diagnostics),
            }
        }
    }
    for used in container.secrets.values() {
        if !declared.resources.contains_key(&used.secret) {
            nowhere(used.secret.kind(), used.secret.name(), Some(used.span), declared, diagnostics);
        }
    }
    namespaces::link(container, declared, diagnostics);
    let (dependencies, waits) = needs(&mut container.depends_on, declared, diagnostics);
    container.unit_dependencies = dependencies;
    container.boot_waits = waits;
    container.siblings = Arc::clone(&declared.containers);
}

/// Containers and services depend on each other in the same way.
pub(in crate::kinds) fn needs(
    all: &mut [Needs],
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) -> (UnitDependencies, Vec<BootWait>) {
    let mut dependencies = UnitDependencies::default();
    let mut waits = Vec::new();
    for needs in all {
        let candidates = ["container", "service"].map(|kind| Address::new(kind, &needs.name));
        let found = candidates.into_iter().find_map(|address| Some((declared.resources.get(&address)?, address)));
        let Some((known, address)) = found else {
            if needs.required {
                nowhere("container or service", &needs.name, Some(needs.span), declared, diagnostics);
            }
            continue;
        };
        judge(needs, known, &address, diagnostics);
        needs.on = Some(address);
        let Some(liveness) = &known.liveness else { continue };
        dependencies.after.extend(liveness.unit.clone());
        // A one-shot is not run again at boot, so it is not wished for either.
        if needs.condition != Condition::CompletedSuccessfully && !liveness.one_shot {
            dependencies.wants.extend(liveness.unit.clone());
        }
        if needs.condition == Condition::Healthy {
            waits.extend(liveness.readiness.as_ref().and_then(systemd::boot_wait));
        }
    }
    (dependencies, waits)
}

fn judge(needs: &Needs, known: &Known, address: &Address, diagnostics: &mut Diagnostics) {
    let Some(liveness) = &known.liveness else { return };
    match needs.condition {
        Condition::Healthy if liveness.readiness.is_none() => {
            let detail = format!("`{}` is waited for until it is healthy, and has no healthcheck", needs.name);
            diagnostics
                .error(needs.span, "Never healthy", detail)
                .help(format!("give {address} a `healthcheck`, or wait for `service_started`"));
        }
        Condition::CompletedSuccessfully if !liveness.one_shot => {
            let detail = format!("`{}` is waited for until it has completed, and is no one-shot", needs.name);
            diagnostics
                .error(needs.span, "Never completed", detail)
                .help(format!("give {address} `one_shot: true` and `restart: \"no\"`"));
        }
        Condition::Healthy | Condition::CompletedSuccessfully | Condition::Started | Condition::Exists => {}
    }
}

pub(in crate::kinds::container) fn nowhere(
    what: &str,
    name: &str,
    span: Option<Span>,
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) {
    let kinds: Vec<&str> = what.split(" or ").collect();
    let known = declared.resources.keys().filter(|address| kinds.contains(&address.kind()));
    let near = nearest(name, known.map(Address::name)).map(str::to_owned);
    let detail = format!("there is no {what} `{}` in this stack", name.escape_debug());
    let Some(span) = span else { return };
    let asleep = kinds.iter().find_map(|kind| declared.inactive.get(&Address::new(*kind, name)));
    if let Some(profiles) = asleep {
        let detail = format!("{what} `{}` is in no profile that is active", name.escape_debug());
        diagnostics
            .error(span, "Reference to an inactive profile", detail)
            .help(format!("give `--profile {}`, or let it not be required: `required: false`", profiles[0]));
        return;
    }
    let diagnostic = diagnostics.error(span, "Reference to nothing", detail);
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if what == "config" => diagnostic.help(format!("declare it: `configs: {{ {name}: {{ file: … }} }}`")),
        None if what == "secret" => {
            diagnostic.help(format!("declare it: `secrets: {{ {name}: {{ generate: {{}} }} }}`"))
        }
        None if what == "volume" => diagnostic.help(format!("declare it: `volumes: {{ {name}: {{}} }}`")),
        None if what == "network" => diagnostic.help(format!("declare it: `networks: {{ {name}: {{}} }}`")),
        None => diagnostic,
    };
}
