//! Holds every dependency's licence and source against `.deny.toml`, which cargo-deny reads too. Without the network:
//! it may not know of advisories.

#![expect(clippy::disallowed_methods, reason = "asks cargo, and reads a file of the repository")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The lists of `.deny.toml`, by section and key; single values are lists of one. Only as much TOML as that file has.
fn lists(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut section, mut key) = (String::new(), String::new());
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(name) =
            line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).filter(|_| !line.contains('"'))
        {
            name.clone_into(&mut section);
        } else {
            let values = match line.split_once(" = ") {
                Some((name, values)) => {
                    key = format!("{section}.{name}");
                    values
                }
                None => line,
            };
            let quoted = values.split('"').skip(1).step_by(2).map(str::to_owned);
            lists.entry(key.clone()).or_default().extend(quoted);
        }
    }
    lists
}

/// Whether an SPDX expression can be met with these licences. The old `/` of some manifests means OR.
fn allowed(expression: &str, licences: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = either(&mut words, licences);
    assert_eq!(words.next(), None, "the licence expression `{expression}` is not understood");
    met
}

type Words<'text> = std::iter::Peekable<std::str::SplitWhitespace<'text>>;

fn either(words: &mut Words<'_>, licences: &BTreeSet<&str>) -> bool {
    let mut met = both(words, licences);
    while words.next_if_eq(&"OR").is_some() {
        met |= both(words, licences);
    }
    met
}

fn both(words: &mut Words<'_>, licences: &BTreeSet<&str>) -> bool {
    let mut met = one(words, licences);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, licences);
    }
    met
}

fn one(words: &mut Words<'_>, licences: &BTreeSet<&str>) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let met = either(words, licences);
        assert_eq!(words.next(), Some(")"), "a licence expression ends early");
        return met;
    }
    // An exception only permits more.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    licences.contains(word)
}

/// What is built for this machine, as cargo resolved it.
fn packages() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).expect("cargo prints JSON");
    let rows = |value: &Value| value.as_array().cloned().expect("a list");
    let built: BTreeSet<String> =
        rows(&metadata["resolve"]["nodes"]).iter().map(|node| node["id"].to_string()).collect();
    rows(&metadata["packages"]).into_iter().filter(|package| built.contains(&package["id"].to_string())).collect()
}

/// A licence that was not agreed to, a registry or repository that nobody vouches for, a version that is whatever comes
/// next: each enters by one line in a manifest.
#[test]
fn every_dependency_is_allowed() {
    let deny = lists(include_str!("../.deny.toml"));
    let licences: BTreeSet<&str> = deny["licenses.allow"].iter().map(String::as_str).collect();
    assert_eq!([&deny["sources.unknown-registry"][0], &deny["sources.unknown-git"][0]], ["deny"; 2]);
    assert_eq!(deny["bans.wildcards"], ["deny"]);

    let packages = packages();
    assert!(packages.len() > 50, "cargo names only {} packages", packages.len());
    let mut faults = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        match package["license"].as_str() {
            Some(expression) if allowed(expression, &licences) => {}
            licence => faults.push(format!("{name}: licence {licence:?}")),
        }
        let Some(source) = package["source"].as_str() else {
            assert_eq!(name, env!("CARGO_PKG_NAME"), "a dependency without a source");
            let wildcards = package["dependencies"].as_array().into_iter().flatten().filter(|one| one["req"] == "*");
            faults.extend(wildcards.map(|one| format!("{}: any version", one["name"])));
            continue;
        };
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !deny["sources.allow-registry"].iter().any(|known| known == registry) {
            faults.push(format!("{name}: source {source}"));
        }
    }
    assert!(faults.is_empty(), "not allowed by .deny.toml:\n{}", faults.join("\n"));
}

/// The check is worth what its reading of expressions is worth.
#[test]
fn licence_expressions_are_read_as_they_mean() {
    let licences = BTreeSet::from(["MIT", "Zlib"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND Zlib", true),
        ("MIT AND GPL-3.0 OR Zlib", true),
        ("MIT AND (GPL-3.0 OR Zlib)", true),
        ("(MIT OR Zlib) AND GPL-3.0", false),
        ("MIT WITH LLVM-exception", true),
        ("GPL-3.0 WITH LLVM-exception OR GPL-2.0", false),
    ] {
        assert_eq!(allowed(expression, &licences), expected, "{expression}");
    }
}
