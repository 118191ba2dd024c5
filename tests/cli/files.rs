//! Stack files: where they are looked for, how they lie over each other, and what is said of bad ones.

use super::{GOOD, Session};

#[test]
fn a_good_file_is_said_to_be_good_and_nothing_else_happens() {
    let session = Session::new("valid");
    session.file("stack.yaml", GOOD);
    session.run(&["validate"]).says(0, &["stack.yaml", "valid"]);
    assert_eq!(session.paths(), ["stack.yaml"], "validate writes nothing");
}

#[test]
fn the_file_is_looked_for_in_the_order_of_the_contract() {
    let session = Session::new("search");
    session.file(".config/stackctl/stack.yaml", "version: 1\nstack: config\ndirectories: { ~/c: {} }\n");
    session.run(&["plan"]).says(0, &["stack config"]);
    session.file("stack.yaml", "version: 1\nstack: here\ndirectories: { ~/h: {} }\n");
    session.run(&["plan"]).says(0, &["stack here"]);
    let other = session.file("other.yaml", "version: 1\nstack: other\ndirectories: { ~/o: {} }\n");
    let session = session.with("STACKCTL_FILE", other.display().to_string());
    session.run(&["plan"]).says(0, &["stack other"]);
    session.run(&["plan", "-f", "stack.yaml"]).says(0, &["stack here"]);
}

#[test]
fn a_later_file_lies_over_an_earlier_one_and_variables_reach_both() {
    let session = Session::new("overlay");
    session.file("a.yaml", "version: 1\nstack: s\nvars: { d: ~/one }\ndirectories: { \"${d}\": { mode: \"0700\" } }\n");
    session.file("b.yaml", "version: 1\ndirectories: { ~/two: {} }\n");
    session.run(&["plan", "-f", "a.yaml", "-f", "b.yaml"]).says(0, &["directory.~/one", "directory.~/two"]);
    let told = session.run(&["plan", "-f", "a.yaml", "--var", "d=~/three"]);
    told.says(0, &["directory.~/three"]).keeps_silent_about("~/one");
}

#[test]
fn every_error_is_told_with_its_place_in_both_faces() {
    let session = Session::new("errors");
    session.file(
        "stack.yaml",
        "version: 1\nstack: s\ncontainers:\n  web:\n    imgae: x\n    ports: [\"99999:80\"]\n  db: { image: y, depends_on: [webb] }\n",
    );
    let human = session.run(&["plan"]);
    human.says(65, &["stack.yaml:5:5", "imgae: x", "did you mean `image`?", "stack.yaml:6", "did you mean `web`?"]);
    let json = session.run(&["plan", "--format", "json"]);
    let json = json.says(65, &[]).json();
    assert_eq!(json["error"]["exit_code"], 65);
    let places: Vec<(u64, u64)> = json["diagnostics"]
        .as_array()
        .expect("diagnostics")
        .iter()
        .map(|one| (one["line"].as_u64().expect("a line"), one["column"].as_u64().expect("a column")))
        .collect();
    assert!(places.len() >= 4 && places.is_sorted(), "{places:?}");
    assert_eq!(session.paths(), ["stack.yaml"], "nothing was touched");
    for verb in ["validate", "graph", "apply", "destroy", "status", "history"] {
        session.run(&[verb, "--format", "json"]).says(65, &[]);
    }
}

#[test]
fn a_file_that_is_not_there_is_an_invalid_one() {
    Session::new("missing").run(&["plan", "-f", "nowhere.yaml"]).says(65, &["nowhere.yaml", "there is no such file"]);
}

#[test]
fn a_name_that_would_be_a_path_reaches_no_path() {
    let session = Session::new("name");
    session.file("stack.yaml", "version: 1\nstack: ../../evil\ndirectories: { ~/d: {} }\n");
    session.run(&["plan"]).says(65, &["stack.yaml:2:8"]);
    assert_eq!(session.paths(), ["stack.yaml"]);
}

#[test]
fn what_comes_from_the_environment_is_never_shown() {
    let session = Session::new("secret").with("TOKEN", "s3cret-value");
    session.file("web.env", "KEY=s3cret-value\n");
    session.file(
        "stack.yaml",
        "version: 1\nstack: s\ncontainers:\n  web:\n    image: x\n    env_file: web.env\n    environment: { TOKEN: \"${TOKEN}\" }\n    ports: [\"${TOKEN}\"]\n",
    );
    for arguments in [&["plan"][..], &["plan", "--format", "json"], &["validate"], &["apply", "-y"], &["plan", "-vv"]] {
        session.run(arguments).says(65, &[]).keeps_silent_about("s3cret");
    }
    session.file(
        "stack.yaml",
        "version: 1\nstack: s\ncontainers:\n  web:\n    image: x\n    env_file: web.env\n    environment: { TOKEN: \"${TOKEN}\" }\n",
    );
    for arguments in [&["plan"][..], &["plan", "--format", "json"], &["apply", "-y"], &["plan", "-vv"]] {
        session.run(arguments).says(6, &[]).keeps_silent_about("s3cret");
    }
}
