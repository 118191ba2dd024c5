//! What of the stack a plan is about. What would break: a target that changes its neighbours, an exclude that is changed all the
//! same, a replace that is made again at every apply, a prune that takes data along or what is still needed.

use serde_json::Value;

use crate::host::Host;
use crate::host::process::Output;
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
volumes: { notes: {} }
networks: { back: {} }
containers:
  db: { image: \"localhost/x:1\", volumes: [\"notes:/notes\"], environment: { A: b }, networks: [back] }
  app: { image: \"localhost/x:1\", environment: { A: b }, depends_on: [db] }
  side: { image: \"localhost/x:1\", environment: { A: b } }
";

fn converged(name: &str) -> anyhow::Result<User> {
    let user = Host::get()?.user(name)?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", STACK)?;
    user.stackctl(&["apply", "-y"]).ok();
    Ok(user)
}

/// The addresses and actions of a plan.
#[track_caller]
fn planned(plan: Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plan = plan.json();
    let changes = plan["changes"].as_array().cloned().unwrap_or_default();
    changes.iter().map(|change| (text(&change["address"]), text(&change["action"]))).collect()
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(address, action)| ((*address).to_owned(), (*action).to_owned())).collect()
}

#[test]
fn a_part_of_the_stack() -> anyhow::Result<()> {
    let user = converged("options-part")?;
    user.write("stack.yaml", STACK.replace("A: b", "A: c"))?;
    let plan = |arguments: &[&str]| {
        let words = [&["plan", "--format", "json", "--detailed-exitcode"], arguments].concat();
        planned(user.stackctl(&words).code(2))
    };
    let (db, app, side) = (("container.db", "replace"), ("container.app", "replace"), ("container.side", "replace"));
    assert_eq!(plan(&["--target", "container.app"]), rows(&[db, app]));
    assert_eq!(plan(&["--target", "container.side"]), rows(&[side]));
    assert_eq!(plan(&["--exclude", "container.db"]), rows(&[side]));
    assert_eq!(plan(&["--target", "container.app", "--target", "container.side", "--exclude", "container.side"]), {
        rows(&[db, app])
    });
    let before = user.ids();
    user.stackctl(&["apply", "-y", "--target", "container.side"]).ok();
    let after = user.ids();
    assert_ne!(after["s-side"], before["s-side"]);
    assert_eq!((&after["s-db"], &after["s-app"]), (&before["s-db"], &before["s-app"]));
    assert_eq!(plan(&[]), rows(&[db, app]), "the others are still to be done");

    let unknown = user.stackctl(&["plan", "--target", "container.ap"]).code(64);
    assert!(unknown.stderr.contains("did you mean container.app?"), "{}", unknown.stderr);
    user.stackctl(&["apply", "-y", "--replace", "volume.notes"]).code(64);
    Ok(())
}

#[test]
fn a_replace_that_is_asked_for() -> anyhow::Result<()> {
    let user = converged("options-replace")?;
    let before = user.ids();
    let plan = user.stackctl(&["plan", "--replace", "container.side", "--format", "json"]).ok().json();
    assert_eq!(plan["changes"][0]["reasons"][0], "--replace asks for it", "{plan:#}");
    user.stackctl(&["apply", "-y", "--replace", "container.side"]).ok();
    let after = user.ids();
    assert_ne!(after["s-side"].0, before["s-side"].0);
    assert_eq!((&after["s-db"], &after["s-app"]), (&before["s-db"], &before["s-app"]));
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn what_left_the_file_goes_and_its_data_stays() -> anyhow::Result<()> {
    let user = converged("options-prune")?;
    let port = user.port(0);
    let side = "  side: { image: \"localhost/x:1\", environment: { A: b } }\n";
    let published = |name: &str| {
        let old = side.replace("side", name).replace("environment: { A: b }", "ports: [\"PORT:1\"]");
        STACK.replace(side, &old.replace("PORT", &port.to_string()))
    };
    user.write("stack.yaml", published("side"))?;
    user.stackctl(&["apply", "-y"]).ok();
    // Under another name on the same port, and without the database, its network and its volume.
    let without = published("other").replace("volumes: { notes: {} }\nnetworks: { back: {} }\n", "");
    let without: String =
        without.lines().filter(|line| !line.starts_with("  db:")).map(|line| format!("{line}\n")).collect();
    user.write("stack.yaml", without.replace(", depends_on: [db]", ""))?;
    let before = user.ids();

    let listed = user.stackctl(&["plan", "--format", "json"]).code(6);
    assert!(listed.stdout.contains("PORT_TAKEN") && listed.stdout.contains("container.db (s-db)"), "{}", listed.stdout);
    let plan = planned(user.stackctl(&["plan", "--prune", "--format", "json"]).ok());
    let gone: Vec<_> =
        plan.iter().filter(|(_, action)| action == "delete").map(|(address, _)| address.as_str()).collect();
    assert_eq!(gone, ["container.db", "container.side", "network.back"]);
    user.stackctl(&["apply", "-y", "--prune"]).ok();
    let after = user.ids();
    assert_eq!(after.keys().collect::<Vec<_>>(), ["s-app", "s-other"]);
    assert_eq!(after["s-app"], before["s-app"]);
    user.run("podman volume exists s_notes").ok();
    user.run("podman network exists s_back").code(1);
    user.stackctl(&["plan", "--prune", "--detailed-exitcode"]).ok();
    assert!(!user.exists(".config/systemd/user/podman-s-db.service")?);
    Ok(())
}

#[test]
fn a_saved_plan_is_carried_out_exactly_or_not_at_all() -> anyhow::Result<()> {
    let user = converged("options-saved")?;
    user.write("secret.env", "TOKEN=geheim\n")?;
    user.run("chmod 600 secret.env").ok();
    let changed =
        STACK.replacen("environment: { A: b }", "environment: { A: \"${WORD:-c}\" }, env_file: secret.env", 1);
    let save = |arguments: &[&str]| user.stackctl(&[&["plan", "-o", "later.plan"], arguments].concat()).ok();
    let refused = |names: &str| {
        let before = user.ids();
        let told = user.stackctl(&["apply", "-y", "later.plan"]).code(7).stderr;
        assert!(told.contains(names), "`{names}` is not in\n{told}");
        assert_eq!(user.ids(), before, "nothing is done");
    };

    user.write("stack.yaml", &changed)?;
    save(&[]);
    assert_eq!(user.run("stat -c %a later.plan").ok().line(), "600");
    assert!(!user.read("later.plan")?.contains("geheim"));
    // Somebody stops what the plan would leave alone.
    user.run("systemctl --user stop podman-s-side").ok();
    refused("container.side");
    user.run("systemctl --user start podman-s-side").ok();
    // The file says something else.
    user.write("stack.yaml", changed.replace("WORD:-c", "WORD:-d"))?;
    refused("container.db");
    // The secret is another one, whatever else is the same.
    user.write("stack.yaml", &changed)?;
    user.write("secret.env", "TOKEN=anders\n")?;
    refused("container.db");
    user.write("secret.env", "TOKEN=geheim\n")?;

    // From another directory, since the plan knows its files.
    user.run("mkdir elsewhere && cd elsewhere && stackctl apply -y ../later.plan").ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    refused("container.db");

    save(&["--target", "container.side", "--replace", "container.side"]);
    user.stackctl(&["apply", "-y", "later.plan", "--prune"]).code(64);
    user.stackctl(&["apply", "-y", "later.plan", "-f", "stack.yaml"]).code(64);
    let before = user.ids();
    user.stackctl(&["apply", "later.plan"]).code(64);
    user.stackctl(&["apply", "-y", "later.plan"]).ok();
    let after = user.ids();
    assert_ne!(after["s-side"].0, before["s-side"].0);
    assert_eq!(after["s-db"], before["s-db"]);

    save(&["--var", "WORD=x"]);
    user.stackctl(&["apply", "-y", "later.plan"]).code(64);
    user.stackctl(&["apply", "-y", "later.plan", "--var", "WORD=y"]).code(7);
    user.stackctl(&["apply", "-y", "later.plan", "--var", "WORD=x"]).ok();
    user.write("later.plan", "{ \"format_version\": \"1\"")?;
    let told = user.stackctl(&["apply", "-y", "later.plan"]).code(64).stderr;
    assert!(told.contains("later.plan is no plan that this stackctl has saved"), "{told}");
    Ok(())
}

/// Compose leaves what is in no active profile alone, and so does a prune.
#[test]
fn what_is_in_no_active_profile_is_left_alone() -> anyhow::Result<()> {
    let user = converged("options-profiles")?;
    let with = |more: &str| {
        STACK.replace(
            "containers:\n",
            &format!("containers:\n  tool: {{ image: \"localhost/x:1\", profiles: [tools]{more} }}\n"),
        )
    };
    user.write("stack.yaml", with(", networks: [back]"))?;
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    user.stackctl(&["apply", "-y", "--profile", "tools"]).ok();
    let before = user.ids();
    assert!(before.contains_key("s-tool"));
    user.stackctl(&["plan", "--detailed-exitcode", "--prune"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode", "--prune", "--profile", "tools"]).ok();
    assert_eq!(user.ids(), before);
    // Its network stays too, even if nothing else of the file is on it.
    user.write("stack.yaml", with("").replace("networks: { back: {} }\n", "").replace(", networks: [back]", ""))?;
    user.stackctl(&["apply", "-y", "--prune"]).ok();
    user.run("podman network exists s_back").ok();
    assert_eq!(user.ids()["s-tool"], before["s-tool"]);
    Ok(())
}
