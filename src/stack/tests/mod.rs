//! What would break: a stack that is put together wrongly from its files, and a hostile file that is not a clear error.
//! Files are a table in memory; `source/tests.rs` holds the disk to the same.

use super::source::{Environment, Files, SourceError, Sources};
use super::{LoadOptions, Stack, load_from};
use crate::diagnostic::{Diagnostics, render};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod extends;
mod hostile;
mod includes;
mod templates;

const SECTIONS: &[&str] = &["containers", "services", "directories", "networks", "models", "volumes", "files"];

/// Paths under `/w`; a value that begins with `->` is a symlink.
struct Table(BTreeMap<PathBuf, Vec<u8>>);

impl Files for Table {
    fn read(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        let real = self.resolved(path).ok_or(SourceError::Missing)?;
        self.0.get(&real).cloned().ok_or(SourceError::Missing)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Path::new("/w").join(path)
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        let mut path = path.to_path_buf();
        for _ in 0..8 {
            let link = self.0.iter().find_map(|(from, bytes)| {
                let to = std::str::from_utf8(bytes).ok()?.strip_prefix("->")?;
                path.strip_prefix(from)
                    .ok()
                    .map(|rest| if rest.as_os_str().is_empty() { PathBuf::from(to) } else { Path::new(to).join(rest) })
            });
            match link {
                Some(target) => path = target,
                None => return Some(path),
            }
        }
        None
    }
}

struct Loaded {
    stack: Option<Stack>,
    sources: Sources,
    diagnostics: Diagnostics,
}

impl Loaded {
    fn summaries(&self) -> Vec<&'static str> {
        self.diagnostics.0.iter().map(|d| d.summary).collect()
    }

    fn good(self) -> Stack {
        assert!(self.diagnostics.is_empty(), "{}", render(&self.diagnostics, &self.sources));
        self.stack.unwrap()
    }
}

fn table(files: &[(&str, &str)]) -> Table {
    Table(files.iter().map(|(path, text)| (Path::new("/w").join(path), text.as_bytes().to_vec())).collect())
}

/// Loads `stack.yaml` and what is named after `+` in the order of the table (`+over.yaml` is an overlay).
fn load(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Loaded {
    let overlays = files.iter().filter(|(path, _)| path.starts_with("over")).map(|(path, _)| PathBuf::from(*path));
    let paths: Vec<PathBuf> = std::iter::once(PathBuf::from("stack.yaml")).chain(overlays).collect();
    let vars = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let environment = Environment { home: "/home/user".into(), vars };
    let options = LoadOptions { sections: SECTIONS, ..LoadOptions::default() };
    let (stack, sources, diagnostics) = load_from(&table(files), &paths, &environment, &options);
    Loaded { stack, sources, diagnostics }
}

fn shown(stack: &Stack, section: &str) -> String {
    let entries = &stack.section(section).unwrap().entries;
    entries.iter().map(|(key, node)| format!("{} {node:?}", key.text)).collect::<Vec<_>>().join("; ").replace('"', "")
}

#[test]
fn a_stack_with_variables_and_an_overlay() {
    let base = "# yaml-language-server: x\nversion: 1\nstack: local-ai\nx-common: &common {restart: always}\n\
        vars: { data: ~/d, port: \"${WEB:-8081}\" }\nprofiles: [debug]\n\
        directories:\n  ${data}: { mode: \"0700\" }\n\
        containers:\n  web:\n    <<: *common\n    image: a:${TAG}\n    ports: [\"${port}:80\"]\n    environment: { HOME2: , N: 1.0 }\n";
    let over = "vars: { data: /tmp/x }\ncontainers: { web: { image: b, environment: [N=2] } }\n";
    let files = [("stack.yaml", base), ("over.yaml", over), (".env", "TAG=1.2 # the tag\n")];
    let stack = load(&files, &[("HOME2", "h"), ("WEB", ""), ("UNUSED", "x")]).good();
    assert_eq!((stack.name.as_str(), stack.version, stack.profiles[0].0.as_str()), ("local-ai", 1, "debug"));
    assert_eq!(shown(&stack, "directories"), "/tmp/x {mode: 0700}");
    assert_eq!(
        shown(&stack, "containers"),
        "web {image: b, ports: [8081:80], environment: {HOME2: `$HOME2`, N: 2}, restart: always}"
    );
    let web = &stack.section("containers").unwrap().entries[0].1;
    assert_eq!(web.get("environment").unwrap().get("HOME2").unwrap().as_text(), Some("h"));
    let used: Vec<_> =
        stack.environment_used.iter().map(|(name, used)| format!("{name} {} {:?}", used.from_file, used.at)).collect();
    assert_eq!(
        used,
        [
            "HOME2 false [\"containers.web.environment\"]",
            "TAG true [\"containers.web.image\"]",
            "WEB false [\"vars.port\"]",
        ]
    );
    assert_eq!(stack.sections.iter().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["directories", "containers"]);
}

#[test]
fn the_top_level_is_judged_all_at_once() {
    let text = "version: \"3.8\"\nname: x\nstack: Local AI\ncontainer: {}\nvolume: {}\nnetworks: [a]\nx-any: 1\nservices:\n  web: {image: a}\n  native: {exec: [a]}\n  built: {build: .}\n";
    let loaded = load(&[("stack.yaml", text)], &[]);
    let found: Vec<_> = loaded
        .diagnostics
        .0
        .iter()
        .map(|d| {
            format!(
                "{}:{} {} ({})",
                d.span.unwrap().line,
                d.span.unwrap().column,
                d.summary,
                d.help.clone().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "1:10 Unknown version (write `version: 1`)",
            "2:1 Unknown key (the stack's name is given as `stack: NAME`)",
            "3:8 Not a name (small letters, digits, `_` and `-`, a letter or digit first, at most 63; for example `local-ai`)",
            "4:1 Unknown key (did you mean `containers`?)",
            "5:1 Unknown key (did you mean `volumes`?)",
            "6:11 Wrong type ()",
            "9:3 Container among the services (containers go under `containers:`; in a Compose file, rename `services:`)",
            "11:3 Container among the services (containers go under `containers:`; in a Compose file, rename `services:`)",
        ]
    );
    assert_eq!(shown(&loaded.stack.unwrap(), "services"), "native {exec: [a]}");
    assert_eq!(load(&[("stack.yaml", "x-a: 1\n")], &[]).summaries(), ["Missing key", "Missing key"]);
    let long = format!("version: 1\nstack: {}\n", "a".repeat(64));
    assert_eq!(load(&[("stack.yaml", &long)], &[]).summaries(), ["Not a name"]);
    for name in ["a", "0", "a-b_c", "1.5"] {
        let text = format!("version: 1\nstack: {name}\n");
        assert_eq!(load(&[("stack.yaml", &text)], &[]).summaries().is_empty(), name != "1.5", "{name}");
    }
}

#[test]
fn a_message_shows_the_line_but_no_secret() {
    let text = "version: 1\nstack: a\ncontainers:\n  c:\n    image: ${TOKEN}${NOPE}\n";
    let loaded = load(&[("stack.yaml", text), (".env", "TOKEN=hunter2\nbad line hunter2\nX='hunter2\n")], &[]);
    let text = render(&loaded.diagnostics, &loaded.sources);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(
        text.contains("--> stack.yaml:5:12\n  |\n5 |     image: ${TOKEN}${NOPE}\n  |            ^^^^^^^^^^^^^^^"),
        "{text}"
    );
    assert!(text.contains("--> /w/.env:2:1\n  = a line is neither"), "{text}");
    assert!(text.contains("--> /w/.env:3:1\n  = a quote is never closed"), "{text}");
}

#[test]
fn what_has_no_value_is_taken_from_the_environment_or_missed() {
    let text = "version: 1\nstack: a\ncontainers:\n  c: { environment: [A, B=1], build: { args: { C: } } }\n  d: { environment: { A: , E: } }\n";
    let loaded = load(&[("stack.yaml", text)], &[("A", "x=y"), ("C", "c")]);
    assert_eq!(loaded.summaries(), ["Unset variable"]);
    let stack = loaded.stack.unwrap();
    let node = &stack.section("containers").unwrap().entries[0].1;
    let item = &node.get("environment").unwrap().as_sequence().unwrap()[0];
    assert_eq!((item.as_text(), item.sensitive, item.shown().as_str()), (Some("A=x=y"), true, "`$A`"));
    assert_eq!(node.get("build").unwrap().get("args").unwrap().get("C").unwrap().as_text(), Some("c"));
    // An overlay may say it before it is missed.
    let base = "version: 1\nstack: a\ncontainers: {c: {environment: {A: }}}\n";
    load(&[("stack.yaml", base), ("over.yaml", "containers: {c: {environment: [A=1]}}\n")], &[]).good();
}

#[test]
fn faults_of_vars() {
    let text = "version: 1\nstack: a\nvars: { 1a: x, b: [c], d: ~, e: ~/x, f: , g: 0o17 }\n";
    let loaded = load(&[("stack.yaml", text)], &[]);
    assert_eq!(loaded.summaries(), ["Not a name", "Wrong type"]);
    let vars: Vec<_> =
        loaded.stack.unwrap().vars.into_iter().map(|(name, var)| format!("{name}={}", var.value)).collect();
    assert_eq!(vars, ["d=~", "e=~/x", "f=", "g=0o17"]);
    assert_eq!(load(&[("stack.yaml", "version: 1\nstack: a\nvars: x\n")], &[]).summaries(), ["Wrong type"]);
}
