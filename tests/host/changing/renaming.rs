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
