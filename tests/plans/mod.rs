//! Planning without a machine: stack files in, plans out, against what a machine would show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stackctl::address::Address;
use stackctl::attributes::Secrets;
use stackctl::desired::{Context, Desired, resolve};
use stackctl::diagnostic::Diagnostics;
use stackctl::graph::Graph;
use stackctl::kinds::{self, labels};
use stackctl::observed::podman::PublishedPort;
use stackctl::observed::{Container, ContainerState, Engine, Listener, Manager, Observed, PathInfo, Query, Seen, Unit};
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

/// A stop that a killed run began goes on without it: podman calls the container exited while its port is not free yet. Whoever else
/// has the port is told, then too.
#[test]
fn a_port_that_is_being_let_go_of_is_nobody_elses() {
    let files = ["examples/ai-stack/stack.yaml", "examples/ai-stack/stand-ins.yaml"];
    let (desired, _, context) = resolved(&files);
    let ollama = &desired.resources[&"container.ollama".parse::<Address>().expect("an address")];
    let port = ollama.host_ports()[0].port;
    let (name, unit) = (ollama.name_on_machine(), "podman-local-ai-ollama.service");
    assert_eq!(ollama.liveness().and_then(|liveness| liveness.unit).as_deref(), Some(unit));
    let taken = |active: &str, published: u16, pid: Option<u32>| {
        let container = Container {
            id: "id".to_owned(),
            name: name.clone(),
            labels: labels::ours(&context.stack, ollama.address(), &ollama.attributes(), &BTreeMap::new()),
            image: String::new(),
            image_id: String::new(),
            state: ContainerState::Exited,
            exit_code: 143,
            health: None,
            started_at: String::new(),
            pid: 0,
            networks: Vec::new(),
            ports: vec![PublishedPort {
                host_ip: "127.0.0.1".to_owned(),
                host_port: published,
                container_port: 11434,
                protocol: "tcp".to_owned(),
            }],
            inspect: None,
            applied: std::sync::OnceLock::new(),
        };
        let unit = Unit {
            name: unit.to_owned(),
            load: "loaded".to_owned(),
            active: active.to_owned(),
            sub: String::new(),
            details: None,
        };
        let listener = Listener {
            protocol: "tcp".to_owned(),
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            port,
            uid: 1000,
            pid,
            command: None,
            unit: None,
            scope: None,
        };
        let observed = Observed {
            containers: [(container.name.clone(), container)].into_iter().collect(),
            units: [(unit.name.clone(), unit)].into_iter().collect(),
            listeners: vec![listener],
            ..untouched(&files)
        };
        ollama.conflicts(&observed).iter().any(|risk| risk.code == "PORT_TAKEN")
    };
    assert!(!taken("deactivating", port, None));
    assert!(taken("failed", port, None), "its stop is over");
    assert!(taken("activating", port, None), "it is started again and again, since somebody has the port");
    assert!(taken("deactivating", port, Some(7)), "a process that shows itself");
    assert!(taken("deactivating", port + 1, None), "it has never had it");
}

/// By its file a directory is known from the empty place where its disk is not mounted: each that no container sees into, and that its
/// owner may write to.
#[test]
fn declared_directories_have_a_file_by_which_they_are_known() {
    let file = std::env::temp_dir().join(format!("stackctl-roots-{}.yaml", std::process::id()));
    let stack = "version: 1\nstack: s\ndirectories:\n  /srv/disk: { children: [web, web/below, plain] }\n  /srv/closed: { mode: \"0555\" }\n\
                 containers: { web: { image: x, volumes: [\"/srv/disk/web:/data\"] } }\n";
    std::fs::write(&file, stack).expect("a file");
    let (desired, ..) = resolved(&[file.to_str().expect("text")]);
    std::fs::remove_file(&file).expect("it is there");
    let known = desired.resources.values().filter(|resource| resource.attributes().get("identity").is_some());
    let known: Vec<&str> = known.map(|resource| resource.address().name()).collect();
    assert_eq!(known, ["/srv/disk", "/srv/disk/plain"]);
}
