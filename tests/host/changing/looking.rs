//! Verbs that only look leave the home as it was, to the byte and to the time of its last change.

use std::collections::BTreeMap;

use crate::host::Host;
use crate::host::ai_stack::AiStack;
use crate::host::user::User;

/// What looking may write: the tool's own state, and what podman's service keeps.
const OWN: &str = "./.local/state/stackctl ./.local/share/containers";

/// Each path of the home: its type, mode, size, time of change, and of a file what is in it.
pub(super) type Home = BTreeMap<String, String>;

pub(super) fn home(host: &Host, user: &User) -> Home {
    let prune: Vec<String> = OWN.split(' ').map(|path| format!("-path {path}")).collect();
    let find = format!("find . \\( {} \\) -prune -o", prune.join(" -o "));
    let line = format!(
        "cd {} && {find} -printf '%p\\t%y %m %U:%G %s %T@ %l\\n' && {find} -type f -print0 | xargs -0r sha256sum",
        user.home()
    );
    let mut home = Home::new();
    for line in host.root(&line).ok().stdout.lines() {
        let (path, facts) = match line.split_once('\t') {
            Some((path, facts)) => (path, facts),
            None => line.split_once("  ").map(|(sum, path)| (path, sum)).expect("a line of sha256sum"),
        };
        home.entry(path.to_owned()).or_default().push_str(facts);
    }
    assert!(home.len() > 3, "the home is listed");
    home
}

fn look(stack: &AiStack<'_>) -> [i32; 3] {
    [&["plan"][..], &["status"], &["validate"]].map(|words| stack.run(words).code)
}

/// What would break: a tool that "only looks" and makes a directory, a unit or a link on the way.
#[test]
fn looking_at_an_untouched_host_changes_nothing() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("looking-untouched")?;
    let stack = AiStack::new(&user, &[])?;
    // Its images are there, its service has never run.
    let before = home(&host, &user);
    assert_eq!(look(&stack), [0, 3, 0]);
    assert_eq!(home(&host, &user), before);
    assert!(!user.exists(".local/state")?);
    assert!(!user.exists(".config/systemd")?);
    Ok(())
}

/// The same where an apply was, and things are missing since: it would be easy to put them back while looking.
#[test]
fn looking_at_what_is_missing_changes_nothing() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("looking-missing")?;
    let stack = AiStack::new(&user, &[])?;
    stack.run(&["apply", "-y"]).ok();
    user.run("systemctl --user stop aidb.service").ok();
    user.run(
        "rm .config/systemd/user/aidb.service .config/systemd/user/default.target.wants/podman-local-ai-qdrant.service",
    )
    .ok();
    user.run("chmod 755 .local/share/aidb && rm -r .local/share/aidb/cache && podman rm -f -t 1 local-ai-mindsdb").ok();
    // Servers write as long as they run.
    user.run("podman stop -t 1 local-ai-open-webui local-ai-qdrant local-ai-ollama").ok();
    user.run("systemctl --user stop 'podman-local-ai-*'").ok();

    let before = home(&host, &user);
    assert_eq!(look(&stack), [0, 3, 0]);
    let plan = stack.run(&["plan", "--format", "json"]).ok().json();
    let changes = plan["changes"].as_array().cloned().unwrap_or_default();
    for (address, action) in [
        ("container.mindsdb", "create"),
        ("container.ollama", "start"),
        ("directory.~/.local/share/aidb", "update"),
        ("directory.~/.local/share/aidb/cache", "create"),
        ("service.aidb", "reload"),
    ] {
        let change = changes.iter().find(|change| change["address"] == address);
        let change = change.unwrap_or_else(|| panic!("{address} is not in {plan:#}"));
        if address != "service.aidb" {
            assert_eq!(change["action"], action, "{change:#}");
        }
    }
    assert_eq!(home(&host, &user), before);

    // And what was shown is what heals it.
    stack.run(&["apply", "-y"]).ok();
    stack.run(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn the_first_look_of_a_new_user_makes_podmans_storage_and_nothing_else() -> anyhow::Result<()> {
    let user = Host::get()?.user("look-first")?;
    user.write("stack.yaml", "version: 1\nstack: s\ncontainers: { web: { image: localhost/web:1 } }\n")?;
    let paths = || user.run("find . -mindepth 1 | sort").ok().stdout;
    let before = paths();
    user.stackctl(&["plan"]).ok();
    let after = paths();
    let new: Vec<&str> = after.lines().filter(|path| !before.lines().any(|known| known == *path)).collect();
    assert!(new.iter().any(|path| path.starts_with("./.local/share/containers/")), "podman was never asked: {new:?}");
    let storage = ["./.local", "./.local/share", "./.local/share/containers"];
    let foreign = new.iter().filter(|path| !storage.contains(path) && !path.starts_with("./.local/share/containers/"));
    assert_eq!(foreign.collect::<Vec<_>>(), Vec::<&&str>::new());
    Ok(())
}
