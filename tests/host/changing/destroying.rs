//! Taking the stack down and putting it up again: the data is there as if nothing had been.

use serde_json::json;

use crate::host::Host;
use crate::host::ai_stack::AiStack;

/// A second Qdrant, whose data is in a named volume.
const OVERLAY: &str = "\
version: 1
volumes: { vectors: {} }
containers:
  vectors:
    image: localhost/stackctl/stand-in-qdrant:1
    ports: [\"127.0.0.1:PORT:6333\"]
    volumes: [\"vectors:/qdrant/storage\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/readyz\", interval: 1s, start_period: 30s }
";

/// What would break: data that goes with the containers, or that the next apply covers with something empty.
#[test]
fn destroy_keeps_the_data_and_apply_brings_it_back() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("destroying")?;
    let stack = AiStack::new(&user, &[])?;
    let port = user.port(7);
    user.write("more.yaml", OVERLAY.replace("PORT", &port.to_string()))?;
    let with_more = stack.on_top("more.yaml");
    let collections = || user.run(&format!("curl -fsS http://127.0.0.1:{port}/collections")).ok().json();

    with_more.run(&["apply", "-y"]).ok();
    with_more.http("POST", "webui_port", "/chat?text=remember+me");
    user.run(&format!("curl -fsS -X PUT http://127.0.0.1:{port}/collections/notes")).ok();
    let chats = with_more.http("GET", "webui_port", "/chats");
    assert_eq!(chats[0]["text"], "remember me");
    let volume = user.run("podman volume inspect local-ai_vectors").ok().json();

    // Without being asked to, nothing goes.
    let ids = user.ids();
    with_more.run(&["destroy"]).code(64);
    assert_eq!(user.ids(), ids);

    let told = with_more.run(&["destroy", "-y"]).ok().stdout;
    let mountpoint = volume[0]["Mountpoint"].as_str().unwrap_or_default();
    assert!(mountpoint.ends_with("/local-ai_vectors/_data"), "{mountpoint}");
    for kept in
        ["directory.~/.local/share/podman-ai-stack", "directory.~/.local/share/aidb", "volume.vectors", mountpoint]
    {
        assert!(told.contains(kept), "{kept} is not in\n{told}");
    }
    assert!(user.ids().is_empty());
    assert_eq!(user.run("podman network ls --filter label=io.stackctl.stack --quiet").ok().stdout, "");
    assert_eq!(user.run("find .config/systemd -type f -o -type l").ok().stdout, "");
    assert_eq!(
        user.run("systemctl --user list-units --all --plain --no-legend 'podman-local-ai*' aidb.service").ok().stdout,
        ""
    );
    assert_eq!(user.run("podman volume inspect local-ai_vectors").ok().json(), volume);
    assert!(user.exists(".local/share/podman-ai-stack/open-webui/webui.db")?);

    // Nothing is left to take down, and the data is told of again.
    let again = with_more.run(&["destroy", "-y", "--format", "json"]).ok().json();
    assert_eq!(again["changes"], json!([]), "{again:#}");
    let kept = again["kept"].as_array().cloned().unwrap_or_default();
    let place = |address: &str| kept.iter().find(|kept| kept["address"] == address).map(|kept| kept["place"].clone());
    assert_eq!(place("volume.vectors"), Some(json!(mountpoint)), "{again:#}");
    assert!(place("directory.~/.local/share/podman-ai-stack/open-webui").is_some(), "{again:#}");

    with_more.run(&["apply", "-y"]).ok();
    assert_eq!(with_more.http("GET", "webui_port", "/chats"), chats);
    assert_eq!(collections()["result"]["collections"], json!([{ "name": "notes" }]));
    assert_eq!(user.run("podman volume inspect local-ai_vectors").ok().json()[0]["CreatedAt"], volume[0]["CreatedAt"]);
    with_more.run(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

/// `protect: true` outlives its line, its section and the stack; only the very name and the consent to it let the data go.
#[test]
fn protected_data_goes_by_its_name_and_consent_alone() -> anyhow::Result<()> {
    let user = Host::get()?.user("destroying-data")?;
    user.import_image("localhost/web:1", &["CMD [\"sleep\"]"]);
    let stack = |volumes: &str| {
        format!(
            "version: 1\nstack: s\ndirectories: {{ ~/docs: {{ protect: true }}, ~/scrap: {{}} }}\nvolumes: {volumes}\ncontainers:\n  web: \
             {{ image: \"localhost/web:1\", volumes: [\"plain:/plain\"] }}\n"
        )
    };
    user.write("stack.yaml", stack("{ plain: {}, notes: { protect: true }, spare: {} }"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let place = user.run("podman volume inspect -f '{{.Mountpoint}}' s_notes").ok().line().to_owned();
    user.run(&format!("echo mine >{place}/x; echo mine >docs/x; echo mine >scrap/x")).ok();
    let is_whole = || user.run(&format!("cat {place}/x docs/x")).ok().stdout == "mine\nmine\n";

    // The line goes, the section goes, the stack goes.
    user.write("stack.yaml", stack("{ plain: {}, notes: {}, spare: {} }"))?;
    user.stackctl(&["apply", "-y"]).ok();
    user.write("stack.yaml", stack("{ plain: {} }"))?;
    user.stackctl(&["apply", "-y", "--prune"]).ok();
    assert!(is_whole());
    let refused = user.stackctl(&["destroy", "-y", "--data", "volume.notes"]).code(4);
    assert!(refused.stdout.contains("PROTECTED") && refused.stdout.contains("--accept PROTECTED:volume.notes"));
    user.stackctl(&["destroy", "-y", "--data", "notes", "--accept", "PROTECTED:volume.spare"]).code(4);
    user.stackctl(&["destroy", "-y", "--data", "directory.~/docs"]).code(4);
    user.stackctl(&["destroy", "-y", "--data", "nots"]).code(64);
    assert_eq!(user.run("podman ps -q").ok().stdout.lines().count(), 1, "nothing was done");
    user.stackctl(&["destroy", "-y", "--data", "spare", "--data", "directory.~/scrap"]).ok();
    user.run("podman volume exists s_spare").code(1);
    user.run("test -e scrap").code(1);
    user.run("podman volume exists s_plain").ok();
    assert!(is_whole());

    // From the mirror alone, too.
    user.run("rm .local/state/stackctl/s/ledger.db*").ok();
    user.stackctl(&["destroy", "-y", "--data", "volume.notes"]).code(4);
    assert!(is_whole());
    user.stackctl(&["destroy", "-y", "--data", "volume.notes", "--accept", "PROTECTED:volume.notes"]).ok();
    user.run("podman volume exists s_notes").code(1);

    // What a container's own user has in it goes as well, once it is meant.
    user.write("stack.yaml", stack("{ plain: {} }").replace("protect: true", "protect: false"))?;
    user.run("podman unshare sh -c 'mkdir docs/deep && touch docs/deep/y && chown -R 1000:1000 docs/deep && chmod 700 docs/deep'").ok();
    user.stackctl(&["destroy", "-y", "--data", "~/docs"]).ok();
    user.run("test -e docs").code(1);
    Ok(())
}
