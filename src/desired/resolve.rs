//! RESOLVE: a `Stack` to `Desired`. Every kind reads its section, what is implied is added, names are turned into
//! addresses, and what only the whole can show is checked. All errors of all kinds are collected; nothing is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Context, Database, Declared, Desired, HostPort, Kind, Known, ReadFiles, Reading, Resource, Resources};
use crate::address::Address;
use crate::diagnostic::Diagnostics;
use crate::graph::Graph;
use crate::stack::Stack;
use crate::stack::forms::Places;

/// Resources and their graph; with errors in `diagnostics` nothing may be done with either.
pub fn resolve(
    stack: &Stack,
    kinds: &[&Kind],
    places: Places<'_>,
    context: &Context,
    files: &dyn ReadFiles,
    diagnostics: &mut Diagnostics,
) -> Option<(Desired, Graph)> {
    let mut resources = read(stack, kinds, places, context, files, diagnostics);
    imply(&mut resources);
    let inactive = inactive(stack, kinds);
    link(&mut resources, &inactive, context, diagnostics);
    let resources: Resources = resources.into();
    ports(&resources, diagnostics);
    let graph = match Graph::build(&resources) {
        Ok(graph) => Some(graph),
        Err(cycles) => {
            for cycle in cycles {
                let names: Vec<String> = cycle.0.iter().map(Address::to_string).collect();
                let span = resources.get(&cycle.0[0]).and_then(|resource| resource.span()).unwrap_or(stack.name_span);
                diagnostics
                    .error(span, "Cycle", format!("these wait for each other: {}", names.join(" -> ")))
                    .help("take one of the `depends_on` away");
            }
            None
        }
    };
    diagnostics.sort();
    Some((Desired { stack: stack.on_machine().to_owned(), called: stack.name.clone(), resources, inactive }, graph?))
}

/// While it grows.
type Growing = BTreeMap<Address, Box<dyn Resource>>;

fn read(
    stack: &Stack,
    kinds: &[&Kind],
    places: Places<'_>,
    context: &Context,
    files: &dyn ReadFiles,
    diagnostics: &mut Diagnostics,
) -> Growing {
    let mut resources = Growing::new();
    for kind in kinds {
        let (Some(read), Some(section)) = (kind.read, kind.section.and_then(|key| stack.section(key))) else {
            continue;
        };
        for (key, node) in &section.entries {
            let mut reading = Reading { places, context, files, diagnostics: &mut *diagnostics };
            for resource in read(key, node, &mut reading) {
                let address = resource.address().clone();
                let span = resource.span().unwrap_or(key.span);
                if let Some(first) = resources.get(&address).and_then(|first| first.span()) {
                    diagnostics
                        .error(span, "Declared twice", format!("{address} is declared twice"))
                        .related(first, "first declared here");
                }
                resources.insert(address, resource);
            }
        }
    }
    resources
}

/// What is declared wins over what is implied.
fn imply(resources: &mut Growing) {
    let implied: Vec<Box<dyn Resource>> = resources.values().flat_map(|resource| resource.implies()).collect();
    for resource in implied {
        resources.entry(resource.address().clone()).or_insert(resource);
    }
}

fn inactive(stack: &Stack, kinds: &[&Kind]) -> BTreeMap<Address, Vec<String>> {
    let address = |section: &str, name: &str| {
        let kind = kinds.iter().find(|kind| kind.section == Some(section))?;
        Some(Address::new(kind.name, name))
    };
    let all = stack.inactive.iter();
    all.filter_map(|((section, name), profiles)| Some((address(section, name)?, profiles.clone()))).collect()
}

fn link(
    resources: &mut Growing,
    inactive: &BTreeMap<Address, Vec<String>>,
    context: &Context,
    diagnostics: &mut Diagnostics,
) {
    let known = |resource: &dyn Resource| Known {
        name_on_machine: resource.name_on_machine(),
        liveness: resource.liveness(),
        declared: resource.declares(),
    };
    let all: BTreeMap<Address, Known> =
        resources.iter().map(|(address, resource)| (address.clone(), known(resource.as_ref()))).collect();
    let containers = all.keys().filter(|address| address.kind() == "container").cloned().collect();
    let roots = roots(resources);
    let databases = databases(resources);
    let containers = Arc::new(containers);
    let declared = Declared { resources: &all, inactive, context, containers, roots: &roots, databases: &databases };
    for resource in resources.values_mut() {
        resource.link(&declared, diagnostics);
    }
}

fn databases(resources: &Growing) -> BTreeMap<Address, Vec<Database>> {
    let mut databases: BTreeMap<Address, Vec<Database>> = BTreeMap::new();
    for database in resources.values().filter_map(|resource| resource.database()) {
        databases.entry(database.service.clone()).or_default().push(database);
    }
    databases
}

fn roots(resources: &Growing) -> BTreeSet<PathBuf> {
    let mounted: BTreeSet<&Path> = resources.values().flat_map(|resource| resource.mounted()).collect();
    let all = resources.values().filter_map(|resource| resource.root());
    all.filter(|root| root.ancestors().all(|above| !mounted.contains(above))).map(Path::to_path_buf).collect()
}

/// No two may claim one host port: a wildcard overlaps every address.
fn ports(resources: &Resources, diagnostics: &mut Diagnostics) {
    let claims: Vec<(&Address, HostPort)> = resources
        .iter()
        .flat_map(|(address, resource)| resource.host_ports().into_iter().map(move |port| (address, port)))
        .collect();
    for (index, (address, claim)) in claims.iter().enumerate() {
        let first = claims[..index].iter().find(|(_, first)| first.overlaps(claim.ip, claim.port, &claim.protocol));
        let (Some((other, first)), Some(span)) = (first, claim.span) else { continue };
        let detail = if other == address {
            format!("{address} publishes port {} twice", claim.port)
        } else {
            format!("{other} and {address} both claim host port {}/{}", claim.port, claim.protocol)
        };
        let diagnostic = diagnostics.error(span, "Port claimed twice", detail);
        if let Some(first) = first.span {
            diagnostic.related(first, format!("{other} claims it here"));
        }
        diagnostic.help("publish one of them on another host port");
    }
}
