//! What was made by hand becomes the stack's. What would break: an object that is touched, or recreated, by being taken over, and one
//! that is taken over without being asked for.

use serde_json::{Value, json};

use crate::host::Host;
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
networks: { back: {} }
volumes: { notes: {} }
files: { ~/app.conf: { content: \"ours\\n\" } }
containers:
  app: { image: \"localhost/x:1\", networks: [back], volumes: [\"notes:/notes\"], environment: { A: b } }
";

fn differs(user: &User) -> Vec<(String, String, String)> {
    let plan = user.stackctl(&["plan", "--format", "json"]).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = |change: &Value| -> Vec<(String, String, String)> {
        let attributes = change["attributes"].as_array().into_iter().flatten();
        attributes.map(|row| (text(&change["address"]), text(&change["action"]), text(&row["path"]))).collect()
    };
    plan["changes"].as_array().into_iter().flatten().flat_map(rows).collect()
}

#[test]
fn what_was_made_by_hand_is_taken_over_untouched() -> anyhow::Result<()> {
    let user = Host::get()?.user("adopting")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", STACK)?;
    user.write("app.conf", "theirs\n")?;
    user.run(
        "podman network create s_back && podman volume create s_notes && \
         echo kept >$(podman volume inspect -f '{{.Mountpoint}}' s_notes)/note && \
         podman run -d --name s-app --network s_back:alias=app -v s_notes:/notes -e A=b localhost/x:1",
    )
    .ok();
    let before = (user.ids(), user.run("podman network inspect s_back; podman volume inspect s_notes").ok().stdout);
    let told = user.stackctl(&["apply", "-y"]).code(6).stdout;
    for name in ["s-app", "s_back", "s_notes", "app.conf"] {
        assert!(told.contains(name), "{name}:\n{told}");
    }
    for address in ["network.back", "volume.notes", "container.app", "file.~/app.conf"] {
        let adopted = user.stackctl(&["adopt", address, "--format", "json"]).ok().json();
        assert_eq!(adopted["address"], json!(address));
    }
    let after = (user.ids(), user.run("podman network inspect s_back; podman volume inspect s_notes").ok().stdout);
    assert_eq!(after, before);
    assert_eq!(user.read("app.conf")?, "theirs\n");
    user.stackctl(&["adopt", "volume.notes"]).code(64);
    user.stackctl(&["adopt", "volume.other"]).code(64);

    // What the file asks for, and what podman does for systemd only where it was asked to at first; nothing of the rest.
    let file = || ("file.~/app.conf".to_owned(), "update".to_owned(), "content".to_owned());
    let found = differs(&user);
    assert!(found.contains(&file()), "{found:?}");
    let others: Vec<_> = found.iter().filter(|row| row.0 != "file.~/app.conf").collect();
    assert!(others.iter().all(|row| row.0 == "container.app" && row.1 == "replace"), "{found:?}");
    assert!(others.iter().any(|row| row.2 == "supervised"), "{found:?}");
    assert!(
        others.iter().all(|row| ["supervised", "unit", "running", "enabled"].contains(&row.2.as_str())),
        "{found:?}"
    );
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.read("app.conf")?, "ours\n");
    assert_eq!(user.run("cat $(podman volume inspect -f '{{.Mountpoint}}' s_notes)/note").ok().line(), "kept");
    assert_eq!(user.ids().keys().collect::<Vec<_>>(), ["s-app"]);

    // Another one of that name is somebody else's again.
    user.stackctl(&["destroy", "-y"]).ok();
    user.run("podman run -d --name s-app --network none localhost/x:1").ok();
    assert!(user.stackctl(&["apply", "-y"]).code(6).stdout.contains("s-app"));
    user.run("podman rm -f -t 0 s-app").ok();
    Ok(())
}
