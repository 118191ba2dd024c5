//! Planning without a machine: stack files in, plans out, against what a machine would show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stackctl::attributes::Secrets;
use stackctl::desired::{Context, Desired, resolve};
use stackctl::diagnostic::Diagnostics;
use stackctl::graph::Graph;
use stackctl::kinds;
use stackctl::observed::{Engine, Manager, Observed, PathInfo, Query, Seen};
use stackctl::plan::{Inputs, Options, Plan, plan};
use stackctl::stack::forms::Places;
use stackctl::stack::source::{Disk, Environment};
use stackctl::stack::{LoadOptions, load};

pub(crate) fn context(stack: &str) -> Context {
    Context {
        stack: stack.to_owned(),
        home: PathBuf::from("/home/u"),
        unit_directory: PathBuf::from("/home/u/.config/systemd/user"),
        runtime_directory: PathBuf::from("/run/user/1000"),
        data: PathBuf::from("/home/u/.local/share"),
        secrets: Secrets::new([7; 32]),
    }
}

/// What the files come to; panics with the rendered diagnostics where they are wrong.
pub(crate) fn resolved(paths: &[&str]) -> (Desired, Graph, Context) {
    resolved_with(paths, BTreeMap::new())
}

/// With these variables in the environment.
pub(crate) fn resolved_with(paths: &[&str], vars: BTreeMap<String, String>) -> (Desired, Graph, Context) {
    let environment = Environment { home: PathBuf::from("/home/u"), vars };
    let sections: Vec<&str> = kinds::ALL.iter().filter_map(|kind| kind.section).collect();
    let options = LoadOptions { sections: &sections, ..LoadOptions::default() };
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let (stack, sources, mut diagnostics): (_, _, Diagnostics) = load(&paths, &environment, &options);
    let stack = stack.expect("a stack");
    let context = context(&stack.name);
    let places = Places { sources: &sources, environment: &environment };
    let found = resolve(&stack, kinds::ALL, places, &context, &Disk, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{}", stackctl::diagnostic::render(&diagnostics, &sources));
    let (desired, graph) = found.expect("a graph");
    (desired, graph, context)
}

fn planned(paths: &[&str], observed: &Observed) -> Plan {
    let (desired, graph, context) = resolved(paths);
    let options = Options::default();
    plan(&Inputs {
        desired: &desired,
        graph: &graph,
        observed,
        context: &context,
        kinds: kinds::ALL,
        options: &options,
    })
}

/// Nothing is where it was asked for.
pub(crate) fn seen_paths(query: &Query) -> stackctl::observed::PathMap<Seen<PathInfo>> {
    query.paths.union(&query.files).map(|path| (path.to_path_buf(), Seen::Absent)).collect()
}

/// A machine on which nothing is.
fn untouched(paths: &[&str]) -> Observed {
    let (desired, _, _) = resolved(paths);
    let mut query = Query::default();
    desired.resources.values().for_each(|resource| resource.query(&mut query));
    Observed {
        podman: Seen::Present(Engine { version: "5.4.2".to_owned() }),
        manager: Seen::Present(Manager { loaded_at_us: 1 }),
        images: query.images.iter().map(|image| (image.clone(), Seen::Absent)).collect(),
        paths: seen_paths(&query),
        ..Observed::default()
    }
}

#[test]
fn the_first_users_stack_is_created_in_the_order_of_its_edges() {
    let files = ["examples/ai-stack/stack.yaml", "examples/ai-stack/stand-ins.yaml"];
    let plan = planned(&files, &untouched(&files));
    let order: Vec<String> = plan.changes.iter().map(|change| change.address.to_string()).collect();
    let at =
        |name: &str| order.iter().position(|address| address == name).unwrap_or_else(|| panic!("{name} in {order:#?}"));
    assert!(at("container.ollama") < at("service.aidb"), "{order:#?}");
    assert!(at("container.qdrant") < at("service.aidb"), "{order:#?}");
    assert!(at("image.localhost/stackctl/stand-in-ollama:1") < at("container.ollama"), "{order:#?}");
    assert!(at("network.default") < at("container.qdrant"), "{order:#?}");
    assert!(at("directory.~/.local/share/podman-ai-stack/qdrant") < at("container.qdrant"), "{order:#?}");
    assert!(plan.unknown.is_empty(), "{:?}", plan.unknown);
}
