//! Names that change in the file. What would break: a volume that is made anew, empty, under the new name; a container that holds the
//! port against itself; a unit of the old name that starts at boot.

use crate::host::Host;

const STACK: &str = "\
version: 1
stack: s
volumes: { NOTES }
containers:
  NAME: { image: \"localhost/web:1\", ports: [\"127.0.0.1:PORT:6333\"], volumes: [\"VOLUME:/qdrant/storage\"]FROM }
";

#[test]
fn what_is_renamed_keeps_its_data_and_its_port() -> anyhow::Result<()> {
    let user = Host::get()?.user("renaming")?;
    user.import_image("localhost/web:1", &["CMD [\"qdrant\"]"]);
    let port = user.port(0).to_string();
    let stack = |notes: &str, volume: &str, name: &str, from: &str| {
        let stack = STACK.replace("NOTES", notes).replace("VOLUME", volume).replace("NAME", name).replace("FROM", from);
        user.write("stack.yaml", stack.replace("PORT", &port))
    };
    stack("notes: {}", "notes", "old", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    let url = format!("http://127.0.0.1:{port}/collections");
    user.run(&format!("curl -fsS --retry 20 --retry-connrefused -X PUT -d '{{}}' {url}/kept")).ok();

    // Without a word of it the old one is in the way, and both ways out are told.
    stack("notes: {}", "notes", "new", "")?;
    let told = user.stackctl(&["apply", "-y"]).code(6).stdout;
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("renamed_from") && flat.contains("--prune"), "{told}");

    stack("papers: { renamed_from: notes }", "papers", "new", ", renamed_from: old")?;
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["summary"], serde_json::json!({ "add": 0, "change": 0, "replace": 1, "destroy": 0 }), "{plan:#}");
    assert_eq!(plan["risks"], serde_json::json!([]), "{plan:#}");
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.ids().keys().collect::<Vec<_>>(), ["s-new"]);
    let units = user.run("ls .config/systemd/user .config/systemd/user/default.target.wants").ok().stdout;
    assert!(!units.contains("s-old") && units.contains("podman-s-new.service"), "{units}");
    let kept = user.run(&format!("curl -fsS --retry 20 --retry-connrefused {url}")).ok().json();
    assert_eq!(kept["result"]["collections"][0]["name"], "kept");
    // The container carries its new address by now.
    stack("papers: { renamed_from: notes }", "papers", "new", "")?;
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

const WHOLE: &str = "\
version: 1
NAME
volumes: { notes: {} }
secrets: { key: { generate: {} } }
containers:
  web:
    image: \"localhost/web:1\"
    ports: [\"127.0.0.1:PORT:6333\"]
    volumes: [\"notes:/qdrant/storage\"]
    secrets: [key]
";

#[test]
fn a_stack_that_is_renamed_goes_on_where_it_is() -> anyhow::Result<()> {
    let user = Host::get()?.user("renaming-all")?;
    user.import_image("localhost/web:1", &["CMD [\"qdrant\"]"]);
    let port = user.port(0).to_string();
    let stack = |name: &str| user.write("stack.yaml", WHOLE.replace("NAME", name).replace("PORT", &port));
    stack("stack: old")?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();

    stack("stack: new\nrenamed_from: old")?;
    let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).ok().json();
    assert_eq!((&plan["stack"], &plan["risks"]), (&"new".into(), &serde_json::json!([])), "{plan:#}");
    user.run("test ! -e .local/state/stackctl/new").ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.ids(), before, "nothing is made anew");

    // From here on no file makes everything anew by leaving the line out, or by taking the old name.
    stack("stack: new")?;
    let told = user.stackctl(&["apply", "-y"]).code(65).stderr;
    assert!(told.contains("write `renamed_from: old`"), "{told}");
    stack("stack: old")?;
    let told = user.stackctl(&["plan"]).code(65).stderr;
    assert!(told.contains("is the stack new since it was renamed"), "{told}");
    stack("stack: third\nrenamed_from: new")?;
    let told = user.stackctl(&["plan"]).code(65).stderr;
    assert!(told.contains("write `renamed_from: old`"), "{told}");
    assert_eq!(user.ids(), before);

    stack("stack: new\nrenamed_from: old")?;
    user.write(
        "stack.yaml",
        WHOLE.replace("NAME", "stack: new\nrenamed_from: old").replace("PORT", &user.port(1).to_string()),
    )?;
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.ids().keys().collect::<Vec<_>>(), ["old-web"], "with its volume, its secret and its unit");
    user.run("podman volume inspect old_notes && systemctl --user is-active podman-old-web").ok();
    Ok(())
}
