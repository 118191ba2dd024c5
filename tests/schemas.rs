//! Programs that read our JSON are written against the schemas: one that says something else than what is printed is a lie.

use std::fs;
use std::path::Path;

use serde_json::Value;
use stackctl::cli::schema;

use crate::cli::{GOOD, Session};

/// `UPDATE_SCHEMAS=1 cargo test schemas` writes them anew.
#[test]
fn the_files_are_what_the_structs_say() {
    let mut stale = Vec::new();
    for (name, schema) in schema::all() {
        let path = Path::new("schemas").join(format!("{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::create_dir_all("schemas").expect("the directory of the schemas");
            fs::write(&path, &text).expect("a schema's file");
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "stale: {stale:?}; make them anew with UPDATE_SCHEMAS=1 cargo test schemas");
}

/// The design's words, not the structs': what others rely on.
#[test]
fn the_plan_has_the_keys_and_words_of_the_contract() {
    let (_, plan) = schema::all().into_iter().find(|(name, _)| name == "plan").expect("the plan's schema");
    let required: Vec<&str> =
        plan["required"].as_array().expect("required keys").iter().filter_map(|key| key.as_str()).collect();
    for key in ["format_version", "stack", "changes", "risks", "unknown", "summary"] {
        assert!(required.contains(&key), "{key} in {required:?}");
    }
    let text = plan.to_string();
    for word in ["create", "start", "update", "reload", "restart", "replace", "delete", "finish", "none"] {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
    for word in
        ["file", "machine", "both", "info", "warning", "critical", "add", "change", "destroy", "before", "after"]
    {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
}

fn schema_of(name: &str) -> Value {
    schema::all().into_iter().find(|(known, _)| known == name).expect("a schema of that name").1
}

/// Every mismatch between a document and its schema, with its place. Stricter than JSON Schema: a key that the schema does
/// not name is one, for the schemas are to tell everything that is printed. What the schemas use of the standard is known
/// here; another word of it is one too, so that nothing is taken for checked that is not.
fn mismatches(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    let Some(rules) = schema.as_object() else { return Vec::new() };
    let mut found = Vec::new();
    for (rule, wanted) in rules {
        match rule.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "examples" | "pattern" => {}
            "patternProperties" => assert_eq!(*wanted, serde_json::json!({ "^x-": true })),
            "additionalProperties" if !wanted.is_object() => {}
            "additionalProperties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    found.extend(mismatches(item, wanted, root, &format!("{at}/{key}")));
                }
            }
            "$ref" => {
                let pointer = wanted.as_str().expect("a reference").trim_start_matches('#');
                found.extend(mismatches(value, root.pointer(pointer).expect("a definition"), root, at));
            }
            "type" => {
                let names = wanted.as_array().map_or_else(|| vec![wanted.clone()], Clone::clone);
                if !names.iter().any(|name| is_of_type(value, name.as_str().expect("a type"))) {
                    found.push(format!("{at}: {value} is not of type {wanted}"));
                }
            }
            "const" if value != wanted => found.push(format!("{at}: {value} is not {wanted}")),
            "enum" if !wanted.as_array().expect("a list").contains(value) => {
                found.push(format!("{at}: {value} is none of {wanted}"));
            }
            "minimum" if value.as_f64() < wanted.as_f64() && value.is_number() => {
                found.push(format!("{at}: {value} is too small"));
            }
            "maximum" if value.as_f64() > wanted.as_f64() => found.push(format!("{at}: {value} is too great")),
            "const" | "enum" | "minimum" | "maximum" => {}
            "anyOf" | "oneOf" => {
                let ways = wanted.as_array().expect("a list");
                if !ways.iter().any(|way| mismatches(value, way, root, at).is_empty()) {
                    found.push(format!("{at}: {value} fits none of {wanted}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(mismatches(item, wanted, root, &format!("{at}/{index}")));
                }
            }
            "required" => {
                let keys = wanted.as_array().expect("a list").iter().filter_map(Value::as_str);
                found.extend(keys.filter(|key| value.get(key).is_none()).map(|key| format!("{at}: no {key}")));
            }
            "properties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    match wanted.get(key) {
                        Some(schema) => found.extend(mismatches(item, schema, root, &format!("{at}/{key}"))),
                        None if key.starts_with("x-") => {}
                        None => found.push(format!("{at}: {key} is in no schema")),
                    }
                }
            }
            other => found.push(format!("{at}: the check knows no `{other}`")),
        }
    }
    found
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[track_caller]
fn fits(document: &Value, name: &str) {
    let schema = schema_of(name);
    let found = mismatches(document, &schema, &schema, "");
    assert!(found.is_empty(), "{name}: {found:#?}\n{document:#}");
}

/// A check that finds nothing would let everything through.
#[test]
fn the_check_finds_what_does_not_fit() {
    let schema = schema_of("plan");
    let summary = serde_json::json!({ "add": 0, "change": 0, "replace": 0, "destroy": 0 });
    let plan = serde_json::json!({ "format_version": "1", "stack": "s", "changes": [], "risks": [], "unknown": [], "summary": summary });
    let with = |pointer: &str, value: Value| {
        let mut plan = plan.clone();
        match pointer.rsplit_once('/').expect("a pointer") {
            ("", key) => plan[key] = value,
            (parent, key) => plan.pointer_mut(parent).expect("a parent")[key] = value,
        }
        mismatches(&plan, &schema, &schema, "")
    };
    assert_eq!(mismatches(&plan, &schema, &schema, ""), Vec::<String>::new());
    for (pointer, value) in [
        ("/stack", Value::from(7)),
        ("/nonsense", Value::Null),
        ("/summary/add", Value::from(-1)),
        ("/summary/add", Value::from("0")),
        ("/unknown", serde_json::json!([{ "address": "container.x" }])),
        (
            "/changes",
            serde_json::json!([{ "address": "a.b", "action": "mend", "reasons": [], "attributes": [], "risks": [] }]),
        ),
    ] {
        assert_eq!(with(pointer, value.clone()).len(), 1, "{pointer} {value}");
    }
}

/// Real outputs of every verb, good and bad, on a machine without podman.
#[test]
fn what_is_printed_fits_its_schema() {
    let session = Session::new("schemas");
    session.file("stack.yaml", GOOD);
    session.file("sick.yaml", "version: 1\nstack: sick\ncontainers: { web: { image: localhost/web:1 } }\n");
    session.file("bad.yaml", "version: 1\nstack: s\ncontaners: {}\ncontainers: { a: { image: 7 } }\n");
    for (arguments, code, name) in [
        (&["validate"][..], 0, "validate"),
        (&["explain", "db_empty"], 0, "explain"),
        (&["validate", "--print"], 0, "validate"),
        (&["graph", "-f", "sick.yaml"], 0, "graph"),
        (&["plan"], 0, "plan"),
        (&["plan", "-f", "sick.yaml"], 6, "plan"),
        (&["apply"], 64, "error"),
        (&["apply", "-y"], 0, "run"),
        (&["apply", "-y"], 0, "run"),
        (&["plan", "--all"], 0, "plan"),
        (&["apply", "-y", "-f", "sick.yaml"], 6, "error"),
        (&["validate", "-f", "bad.yaml"], 65, "error"),
        (&["plan", "--nonsense"], 64, "error"),
        (&["status"], 0, "status"),
        (&["status", "-f", "sick.yaml"], 1, "status"),
        (&["destroy", "-y", "-f", "sick.yaml"], 6, "error"),
        (&["history"], 0, "history"),
        (&["history", "-f", "sick.yaml"], 0, "history"),
        (&["show", "last"], 0, "show"),
        (&["show", "99"], 1, "error"),
        (&["show", "last", "-f", "sick.yaml"], 1, "error"),
        (&["show", "first"], 64, "error"),
    ] {
        let words = [arguments, &["--format", "json"]].concat();
        fits(&session.run(&words).says(code, &[]).json(), name);
    }
    let mode = "version: 1\nstack: s\ndirectories: { ~/data: { mode: \"0700\" } }\n";
    session.file("stack.yaml", &mode.replace("0700", "0711"));
    let plan = session.run(&["plan", "--format", "json"]).json();
    fits(&plan, "plan");
    let change = &plan["changes"][0];
    assert_eq!((&change["action"], &change["attributes"][0]["path"]), (&"update".into(), &"mode".into()), "{plan:#}");
    assert!(change["attributes"][0]["before"].is_string() && change["attributes"][0]["cause"] == "file", "{plan:#}");
}

/// The table of exit codes and the schemas are the contract; each document tells what it is for.
#[test]
fn every_key_is_described() {
    fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if property.get("description").is_none() {
                found.push(format!("{at}.{key}"));
            }
        }
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            undescribed(definition, name, found);
        }
    }
    let mut found = Vec::new();
    schema::all().iter().for_each(|(name, schema)| undescribed(schema, name, &mut found));
    assert!(found.is_empty(), "without a description: {found:#?}");
}

/// Keys of a container that are told by rows of other names: Compose's older and longer ways to say the same.
const TOLD_BY: &[(&str, &str, &[&str])] = &[
    ("container", "build", &["image"]),
    ("container", "container_name", &["name"]),
    ("container", "cpuset", &["cpuset"]),
    ("container", "deploy", &["memory", "cpus", "pids_limit", "mem_reservation", "devices"]),
    ("container", "env_file", &["environment"]),
    ("container", "gpus", &["devices"]),
    ("container", "logging", &["log_driver", "log_options"]),
    ("container", "mem_limit", &["memory"]),
    ("container", "networks", &["networks", "network_options"]),
    ("container", "one_shot", &["enabled"]),
    ("container", "pull", &["image"]),
    ("container", "pull_policy", &["image"]),
    ("container", "security_opt", &["security_opt", "no_new_privileges"]),
    ("container", "tmpfs", &["volumes"]),
    ("directory", "children", &["mode"]),
    ("file", "source", &["content"]),
    ("file", "template", &["content"]),
    ("network", "driver_opts", &["options"]),
    ("network", "enable_ipv6", &["ipv6"]),
    ("network", "ipam", &["subnets"]),
    ("volume", "driver_opts", &["options"]),
];
/// Which object it is, by what calls it is made, or what must be true of what it holds, rather than how it is.
const NAMES: &[&str] = &["name", "external", "renamed_from", "atomic", "data", "ephemeral", "protect"];

#[test]
fn every_key_of_a_kind_is_a_row_or_told_by_one() {
    // A database is looked at, and never changed.
    for kind in stackctl::kinds::ALL.iter().filter(|kind| !kind.attributes.is_empty()) {
        let is_row = |path: &str| {
            kind.attributes.iter().any(|row| row.path == path) || (kind.name == "container" && path == "image")
        };
        for described in kind.keys {
            let others = TOLD_BY.iter().find(|(of, key, _)| *of == kind.name && *key == described.key);
            let told = match others {
                Some((_, _, rows)) => rows.iter().all(|row| is_row(row)),
                None => is_row(described.key) || NAMES.contains(&described.key),
            };
            assert!(told, "{}: `{}` has no row", kind.name, described.key);
        }
    }
}

/// `!reset` and `!override` say what becomes of another file's value, and are none themselves.
fn without_tags(yaml: serde_yaml::Value) -> serde_yaml::Value {
    use serde_yaml::Value::{Mapping, Sequence, Tagged};
    match yaml {
        Tagged(tagged) => without_tags(tagged.value),
        Mapping(entries) => Mapping(entries.into_iter().map(|(key, value)| (key, without_tags(value))).collect()),
        Sequence(items) => Sequence(items.into_iter().map(without_tags).collect()),
        other => other,
    }
}

/// Every stack file of the repository, as an editor would judge it.
#[test]
fn stack_files_fit_their_schema() {
    let schema = schema_of("stack");
    let mut files: Vec<std::path::PathBuf> = ["stack.yaml", "stand-ins.yaml", "quickstart.yaml"]
        .iter()
        .map(|name| Path::new("examples/ai-stack").join(name))
        .collect();
    files.push("tests/simulation/web.yaml".into());
    let mut count = 0;
    for file in files.iter().filter(|file| file.exists()) {
        let text = fs::read_to_string(file).expect("a stack file");
        let mut yaml: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
        yaml.apply_merge().expect("merge keys");
        let document = serde_json::to_value(without_tags(yaml)).expect("a stack is JSON");
        let found = mismatches(&document, &schema, &schema, "");
        // An overlay is no whole file.
        let found: Vec<_> = found.into_iter().filter(|line| !line.starts_with(": no ")).collect();
        assert!(found.is_empty(), "{}: {found:#?}", file.display());
        count += 1;
    }
    assert!(count >= 3);
    for example in schema["examples"].as_array().expect("examples") {
        assert_eq!(mismatches(example, &schema, &schema, ""), Vec::<String>::new());
    }
    for (pointer, wrong) in [
        ("/containers/x", serde_json::json!({ "imgae": "x" })),
        ("/containers/x", serde_json::json!({ "image": "x", "ports": 7 })),
        ("/containers/x", serde_json::json!({ "image": "x", "healthcheck": { "every": "1s" } })),
        ("/services/x", serde_json::json!({ "image": "x" })),
    ] {
        let mut document = serde_json::json!({ "version": 1, "stack": "s", "containers": {}, "services": {} });
        let (section, name) = pointer.trim_start_matches('/').split_once('/').expect("a pointer");
        document[section][name] = wrong;
        assert!(!mismatches(&document, &schema, &schema, "").is_empty(), "{document}");
    }
}
