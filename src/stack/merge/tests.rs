//! What would break: an overlay that means something else than in Compose.

use super::{merge, untagged};
use crate::diagnostic::{Diagnostics, FileId};
use crate::stack::yaml::{Node, parse};

/// The container that the files make together, as the nodes show themselves.
fn merged(files: &[&str]) -> Result<String, &'static str> {
    let mut diagnostics = Diagnostics::default();
    let mut nodes: Vec<Node> = Vec::new();
    for (file, text) in (0..).zip(files) {
        nodes.push(parse(FileId(file), &format!("containers: {{c: {text}}}\n"), &mut diagnostics).unwrap());
    }
    let mut nodes = nodes.into_iter();
    let mut root = nodes.next().unwrap();
    for over in nodes {
        root = merge(root, over, &mut diagnostics);
    }
    untagged(&mut root);
    match diagnostics.0.first() {
        Some(first) => Err(first.summary),
        None => Ok(format!("{:?}", root.get("containers").unwrap().get("c").unwrap()).replace('"', "")),
    }
}

/// Files, and what they come to.
const CASES: &[(&[&str], &str)] = &[
    (&["{image: a, user: x}", "{image: b, init: true}"], "{image: b, user: x, init: true}"),
    (&["{image: a}", "{image: }"], "{image: a}"),
    (&["{image: }", "{image: a}"], "{image: a}"),
    (
        &["{deploy: {resources: {limits: {cpus: 1}}}}", "{deploy: {resources: {limits: {memory: 1g}}}}"],
        "{deploy: {resources: {limits: {cpus: 1, memory: 1g}}}}",
    ),
    (&["{command: [a, b]}", "{command: [c]}"], "{command: [c]}"),
    (&["{command: a b}", "{command: [c]}"], "{command: [c]}"),
    (&["{entrypoint: [a]}", "{entrypoint: b}"], "{entrypoint: b}"),
    (
        &["{healthcheck: {test: [CMD, a], interval: 1s}}", "{healthcheck: {test: [CMD, b]}}"],
        "{healthcheck: {test: [CMD, b], interval: 1s}}",
    ),
    (
        &["{environment: {A: 1, B: 2}}", "{environment: [B=3, C=x=y, D]}"],
        "{environment: {A: 1, B: 3, C: x=y, D: null}}",
    ),
    (&["{environment: [A=1]}", "{environment: [A=2, B]}"], "{environment: {A: 2, B: null}}"),
    (&["{labels: [a=1]}", "{labels: {a: 2}}"], "{labels: {a: 2}}"),
    (&["{ports: [\"1:1\"]}", "{ports: [\"127.0.0.1:1:1\", \"2:2\"]}"], "{ports: [127.0.0.1:1:1, 2:2]}"),
    (&["{ports: [\"8081:80\"]}", "{ports: [\"8082:80\"]}"], "{ports: [8081:80, 8082:80]}"),
    (&["{ports: [\"1:1\"]}", "{ports: [{target: 1, published: 1}]}"], "{ports: [{target: 1, published: 1}]}"),
    (&["{ports: [\"1:1\"]}", "{ports: !override [\"2:2\"]}"], "{ports: [2:2]}"),
    (&["{ports: [\"1:1\"], image: a}", "{ports: !reset }"], "{image: a}"),
    (&["{ports: [\"1:1\"]}", "{ports: !reset []}", "{ports: [\"3:3\"]}"], "{ports: [3:3]}"),
    (&["{image: a}", "{ports: !reset []}"], "{image: a}"),
    (&["{environment: {A: 1, B: 2}}", "{environment: {A: !reset null}}"], "{environment: {B: 2}}"),
    (
        &["{volumes: [a:/x, b:/y]}", "{volumes: [./c:/x:ro, {type: tmpfs, target: /z}]}"],
        "{volumes: [./c:/x:ro, b:/y, {type: tmpfs, target: /z}]}",
    ),
    (&["{devices: [\"/dev/a:/dev/x\"]}", "{devices: [\"/dev/b:/dev/x\"]}"], "{devices: [/dev/b:/dev/x]}"),
    (&["{dns: 1.1.1.1}", "{dns: [2.2.2.2, 1.1.1.1]}"], "{dns: [1.1.1.1, 2.2.2.2]}"),
    (&["{env_file: a}", "{env_file: {path: b}}"], "{env_file: [a, {path: b}]}"),
    (&["{env_file: [a]}", "{env_file: {path: a, required: false}}"], "{env_file: [{path: a, required: false}]}"),
    (
        &["{depends_on: [a, b]}", "{depends_on: {a: {condition: service_healthy}}}"],
        "{depends_on: {a: {condition: service_healthy}, b: null}}",
    ),
    (&["{networks: [a]}", "{networks: {b: {aliases: [x]}}}"], "{networks: {a: null, b: {aliases: [x]}}}"),
    (&["{networks: {b: {aliases: [x]}}}", "{networks: {b: {aliases: [x, y]}}}"], "{networks: {b: {aliases: [x, y]}}}"),
    (&["{cap_drop: [ALL]}", "{cap_drop: [ALL, X]}"], "{cap_drop: [ALL, X]}"),
    (
        &["{secrets: [a]}", "{secrets: [{source: a, target: a, mode: 0400}]}"],
        "{secrets: [{source: a, target: a, mode: 0400}]}",
    ),
    (
        &["{logging: {driver: a, options: {x: 1}}}", "{logging: {options: {y: 2}}}"],
        "{logging: {driver: a, options: {x: 1, y: 2}}}",
    ),
    (&["{logging: {driver: a, options: {x: 1}}}", "{logging: {driver: b}}"], "{logging: {driver: b}}"),
    (
        &["{ulimits: {nofile: 1}}", "{ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}}"],
        "{ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}}",
    ),
    (&["{x-list: [a, b]}", "{x-list: [b]}"], "{x-list: [a, b, b]}"),
    (
        &["{data: [{path: /a, engine: sqlite}]}", "{data: [{path: /a, engine: file}]}"],
        "{data: [{path: /a, engine: file}]}",
    ),
];

#[test]
fn overlays_merge_as_composes() {
    for (files, expected) in CASES {
        assert_eq!(merged(files).as_deref(), Ok(*expected), "{files:?}");
    }
    assert_eq!(merged(&["{x: [a]}", "{x: {a: b}}"]), Err("Cannot be merged"));
    assert_eq!(merged(&["{x: [a]}", "{x: !override {a: b}}"]).as_deref(), Ok("{x: {a: b}}"));
}

/// Relative paths start at the file that holds them, so a merge must not move a node into another file.
#[test]
fn nodes_keep_their_file() {
    let mut diagnostics = Diagnostics::default();
    let base = parse(FileId(0), "containers: {c: {image: a, volumes: [./a:/a]}}\n", &mut diagnostics).unwrap();
    let over = parse(FileId(1), "containers: {c: {image: b, volumes: [./b:/b]}}\n", &mut diagnostics).unwrap();
    let root = merge(base, over, &mut diagnostics);
    let container = root.get("containers").unwrap().get("c").unwrap();
    assert_eq!(container.get("image").unwrap().span.file, FileId(1));
    let volumes = container.get("volumes").unwrap().as_sequence().unwrap();
    assert_eq!((volumes[0].span.file, volumes[1].span.file), (FileId(0), FileId(1)));
}
