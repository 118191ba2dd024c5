//! What would break: a container that is made of the wrong halves, or of halves for ever.

use super::load;
use crate::stack::yaml::Node;

const BASE: &str = "\
services:
  common:
    image: x:1
    environment: { A: base, B: base }
    command: [serve]
    ports: [\"80:80\"]
";

fn written(node: &Node, path: &[&str]) -> String {
    let found = path.iter().try_fold(node, |node, key| node.get(key));
    found.and_then(Node::written).unwrap_or("nothing").to_owned()
}

#[test]
fn an_entry_lies_on_top_of_what_it_extends() {
    let stack = "\
version: 1
stack: s
containers:
  base: { image: y:1, environment: [A=own], extends: { service: common, file: other/base.yaml } }
  web: { extends: base, environment: { C: web }, command: [run] }
";
    let loaded = load(&[("stack.yaml", stack), ("other/base.yaml", BASE)], &[]);
    let section = loaded.good().section("containers").cloned().expect("containers");
    let web = &section.entries.iter().find(|(key, _)| key.text == "web").expect("web").1;
    assert_eq!(written(web, &["image"]), "y:1");
    let environment = |key: &str| written(web, &["environment", key]);
    assert_eq!(["A", "B", "C"].map(environment), ["own", "base", "web"]);
    let list = |key: &str| web.get(key).and_then(Node::as_sequence).map_or(0, <[Node]>::len);
    assert_eq!((list("command"), list("ports")), (1, 1));
    assert!(web.get("extends").is_none());
}

#[test]
fn what_cannot_be_extended_is_told() {
    let check = |containers: &str, summary: &str| {
        let stack = format!("version: 1\nstack: s\ncontainers:\n{containers}");
        let loaded = load(&[("stack.yaml", &stack), ("base.yaml", BASE)], &[]);
        assert_eq!(loaded.summaries(), [summary], "{containers}");
    };
    check("  a: { image: x:1, extends: bee }\n  bees: { image: x:1 }\n", "Reference to nothing");
    check("  a: { extends: { service: commons, file: base.yaml } }\n", "Reference to nothing");
    check("  a: { extends: { service: common, file: gone.yaml } }\n", "Cannot read file");
    check("  a: { image: x:1, extends: { file: base.yaml } }\n", "Missing key");
}

#[test]
fn a_circle_ends() {
    let circle = "version: 1\nstack: s\ncontainers:\n  a: { image: x:1, extends: b }\n  b: { extends: a }\n";
    let summaries = load(&[("stack.yaml", circle)], &[]).summaries();
    assert!(
        !summaries.is_empty() && summaries.iter().all(|summary| *summary == "Extends in a circle"),
        "{summaries:?}"
    );
    let files = "version: 1\nstack: s\ncontainers:\n  a: { image: x:1, extends: { service: a, file: stack.yaml } }\n";
    assert!(load(&[("stack.yaml", files)], &[]).summaries().contains(&"Too many files"));
}
