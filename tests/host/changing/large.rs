//! A stack of more containers than are inspected one by one. What would break: a difference that the list could have told and
//! nobody sees, and one that only inspecting tells, with `--deep`, that is missed even then.

use std::fmt::Write as _;

use serde_json::Value;

use crate::host::Host;
use crate::host::user::User;

/// Above the number that is inspected in any case.
const CONTAINERS: usize = 52;

fn stack(user: &User, word: &str) -> anyhow::Result<()> {
    let mut text = "version: 1\nstack: s\nnetworks: { side: {} }\ncontainers:\n".to_owned();
    for index in 0..CONTAINERS {
        let word = if index == 7 { word } else { "same" };
        let place = if index == 3 { "networks: [side]" } else { "network_mode: none" };
        writeln!(text, "  c{index}: {{ image: \"localhost/x:1\", {place}, environment: {{ WORD: {word} }} }}")?;
    }
    user.write("stack.yaml", text)
}

fn changes(user: &User, arguments: &[&str]) -> Vec<(String, String)> {
    let plan = user.stackctl(&[&["plan", "--format", "json"], arguments].concat()).ok().json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = |change: &Value| -> Vec<(String, String)> {
        let attributes = change["attributes"].as_array().into_iter().flatten();
        attributes.map(|row| (text(&change["address"]), text(&row["path"]))).collect()
    };
    plan["changes"].as_array().into_iter().flatten().flat_map(rows).collect()
}

fn row(address: &str, path: &str) -> (String, String) {
    (address.to_owned(), path.to_owned())
}

#[test]
fn a_large_stack_is_told_by_its_list_and_deeply_by_inspecting() -> anyhow::Result<()> {
    let user = Host::get()?.user("large")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    stack(&user, "one")?;
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode", "--deep"]).ok();
    let before = user.ids();

    stack(&user, "two")?;
    assert_eq!(changes(&user, &[]), [row("container.c7", "environment.WORD")]);
    user.run("podman network disconnect s_side s-c3 && podman stop -t 0 s-c9 && podman rename s-c11 elsewhere").ok();
    let seen = changes(&user, &[]);
    for expected in [
        row("container.c7", "environment.WORD"),
        row("container.c3", "networks.s_side"),
        row("container.c9", "running"),
        row("container.c11", "name"),
    ] {
        assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
    }
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    let after = user.ids();
    let kept = |index: usize| before[&format!("s-c{index}")].0 == after[&format!("s-c{index}")].0;
    let replaced: Vec<usize> = (0..CONTAINERS).filter(|index| !kept(*index)).collect();
    assert_eq!(replaced, [7]);

    // What no list shows.
    user.stackctl(&["apply", "-y", "--deep"]).ok();
    user.run("podman update --restart always s-c20").ok();
    let deep = changes(&user, &["--deep"]);
    assert!(deep.iter().any(|(address, _)| address == "container.c20"), "{deep:?}");
    Ok(())
}
