//! What is wrong with a stack file is said in full, each with its place, before anything is touched: a user who mends one
//! error a run is a user who stops reading them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stackctl::desired::resolve;
use stackctl::diagnostic::render;
use stackctl::kinds;
use stackctl::stack::LoadOptions;
use stackctl::stack::forms::Places;
use stackctl::stack::load_from;
use stackctl::stack::source::{Environment, Files, SourceError};

use crate::plans::context;

#[derive(Debug)]
struct Table(BTreeMap<PathBuf, String>);

impl Files for Table {
    fn read(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or(SourceError::Missing)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Path::new("/stacks").join(path)
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_path_buf())
    }
}

/// `(summary, line, column)` of every error, in order, and the whole text for the eye.
fn errors(text: &str) -> (Vec<(String, u32, u32)>, String) {
    let files = Table(BTreeMap::from([(PathBuf::from("/stacks/stack.yaml"), text.to_owned())]));
    let environment = Environment { home: PathBuf::from("/home/u"), ..Environment::default() };
    let sections: Vec<&str> = kinds::ALL.iter().filter_map(|kind| kind.section).collect();
    let options = LoadOptions { sections: &sections, ..LoadOptions::default() };
    let (stack, sources, mut diagnostics) = load_from(&files, &[PathBuf::from("stack.yaml")], &environment, &options);
    if let Some(stack) = stack {
        let places = Places { sources: &sources, environment: &environment };
        resolve(&stack, kinds::ALL, places, &context(&stack.name), &files, &mut diagnostics);
    }
    diagnostics.sort();
    let text = render(&diagnostics, &sources);
    let at = |span: Option<stackctl::diagnostic::Span>| span.map_or((0, 0), |span| (span.line, span.column));
    let found = diagnostics.0.iter().map(|one| (one.summary.to_owned(), at(one.span).0, at(one.span).1)).collect();
    (found, text)
}

#[track_caller]
fn check(body: &str, expected: &[(&str, u32, u32)], said: &[&str]) {
    let (found, text) = errors(&format!("version: 1\nstack: s\n{body}"));
    let found: Vec<_> = found.iter().map(|(summary, line, column)| (summary.as_str(), *line, *column)).collect();
    assert_eq!(found, expected, "{text}");
    for words in said {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
}

#[test]
fn all_errors_of_a_file_come_at_once() {
    let body = "containers:\n  a:\n    imgae: x\n    ports: [\"99999:80\"]\n    restart: sometimes\n  b: { image: 3.5 , depends_on: [c] }\n";
    let (found, text) = errors(&format!("version: 1\nstack: s\n{body}"));
    let summaries: Vec<&str> = found.iter().map(|(summary, _, _)| summary.as_str()).collect();
    assert!(found.len() >= 5, "{summaries:?}\n{text}");
    let lines: Vec<u32> = found.iter().map(|(_, line, _)| *line).collect();
    assert!(lines.is_sorted(), "{text}");
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_known_one() {
    check(
        "containers:\n  a:\n    image: x\n    comand: y\n",
        &[("Unknown key", 6, 5)],
        &["stack.yaml:6:5", "comand: y", "did you mean `command`?"],
    );
    check("contaners: {}\n", &[("Unknown key", 3, 1)], &["did you mean `containers`?"]);
}

#[test]
fn a_duplicate_key_names_both_places() {
    check("containers:\n  a: { image: x }\n  a: { image: y }\n", &[("Duplicate key", 5, 3)], &["stack.yaml:5:3", "4"]);
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    let (found, text) = errors("version: 1\nstack: s\ncontainers:\n  a: { image: x, ports: 8080 }\n");
    assert_eq!(found.len(), 1, "{text}");
    assert!(text.contains("a list of ports"), "{text}");
}

#[test]
fn a_reference_to_nothing_suggests_what_there_is() {
    check(
        "containers:\n  ollama: { image: x }\n  ui: { image: x, depends_on: [olama] }\n",
        &[("Reference to nothing", 5, 32)],
        &["did you mean `ollama`?"],
    );
    check(
        "containers:\n  a: { image: x, volumes: [\"notes:/n\"], networks: [back] }\n",
        &[("Reference to nothing", 4, 28), ("Reference to nothing", 4, 52)],
        &["declare it: `volumes: { notes: {} }`", "declare it: `networks: { back: {} }`"],
    );
}

#[test]
fn a_cycle_is_printed_whole() {
    let (found, text) = errors(
        "version: 1\nstack: s\ncontainers:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [c] }\n  c: { image: x, depends_on: [a] }\n",
    );
    assert_eq!(found.len(), 1, "{text}");
    assert_eq!(found[0].0, "Cycle");
    for name in ["container.a", "container.b", "container.c"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn two_containers_on_one_host_port_are_both_named() {
    for (first, second) in
        [("8080:80", "8080:81"), ("0.0.0.0:8080:80", "127.0.0.1:8080:81"), ("127.0.0.1:8080:80", "[::]:8080:81")]
    {
        let body = format!(
            "containers:\n  a: {{ image: x, ports: [\"{first}\"] }}\n  b: {{ image: x, ports: [\"{second}\"] }}\n"
        );
        check(&body, &[("Port claimed twice", 5, 26)], &["container.a and container.b both claim host port 8080/tcp"]);
    }
    let apart = "containers:\n  a: { image: x, ports: [\"127.0.0.1:53:53\"] }\n  b: { image: x, ports: [\"127.0.0.2:53:53\", \"127.0.0.1:53:53/udp\"] }\n";
    check(apart, &[], &[]);
}

#[test]
fn a_compose_file_is_told_where_its_containers_go() {
    let (found, text) = errors("version: 1\nstack: s\nservices:\n  web: { image: nginx }\n");
    assert!(!found.is_empty());
    assert!(text.contains("containers"), "{text}");
}

#[test]
fn what_nobody_can_wait_for_is_an_error() {
    check(
        "containers:\n  a: { image: x }\n  b: { image: x, depends_on: { a: { condition: service_healthy } } }\n",
        &[("Never healthy", 5, 32)],
        &["give container.a a `healthcheck`"],
    );
    check(
        "containers:\n  a: { image: x }\n  b: { image: x, depends_on: { a: { condition: service_completed_successfully } } }\n",
        &[("Never completed", 5, 32)],
        &["one_shot: true"],
    );
}

#[test]
fn a_program_cannot_smuggle_in_an_option_of_systemd() {
    for exec in ["\"-/bin/true\"", "\"@/bin/true\"", "\"!true\"", "\"+x\"", "[\"|x\"]"] {
        let (found, text) = errors(&format!("version: 1\nstack: s\nservices:\n  a: {{ exec: {exec} }}\n"));
        assert_eq!(found.len(), 1, "{exec}: {text}");
    }
}

#[test]
fn what_belongs_to_the_network_is_its_owners() {
    check(
        "containers:
  vpn: { image: localhost/x:1 }
  web:
    image: localhost/x:1
    network_mode: service:vpn
    ports: [\"127.0.0.1:8080:80\"]
    dns: [9.9.9.9]
    extra_hosts: { a: 10.0.0.1 }
  both: { image: localhost/x:1, network_mode: \"container:other\", networks: [default] }
  lost: { image: localhost/x:1, pid: \"service:nobody\" }
  odd: { image: localhost/x:1, ipc: \"pod:x\" }
",
        &[
            ("Contradiction", 8, 12),
            ("Contradiction", 9, 10),
            ("Contradiction", 10, 18),
            ("Contradiction", 11, 47),
            ("Reference to nothing", 12, 38),
            ("Unknown value", 13, 37),
        ],
        &["move `ports` to that container", "there is no container `nobody`", "or another container's: `service:NAME`"],
    );
}
