//! What does not come up: the old container is back, and why is told.

use serde_json::{Value, json};

use crate::host::Host;
use crate::host::process::Output;
use crate::host::replacing::{FROM_THE_HOST, ITS_OWN, Replacing};

/// The change of this address in what `apply --format json` printed.
#[track_caller]
fn change<'a>(run: &'a Value, address: &str) -> &'a Value {
    let mut changes = run["changes"].as_array().into_iter().flatten();
    changes.find(|change| change["address"] == address).unwrap_or_else(|| panic!("no {address} in {run:#}"))
}

/// Replaces it by this tag, which fails, and insists that nothing else is different from before.
#[track_caller]
fn put_back(bench: &Replacing<'_>, tag: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    let old = bench.web();
    bench.want(tag)?;
    let output = bench.user.stackctl(&[&["apply", "--yes"], arguments].concat()).code(3);
    assert_eq!(bench.web(), old, "the old one is back");
    bench.serves("1");
    bench.others_are_untouched();
    bench.want("1")?;
    bench.is_as_wanted();
    Ok(output)
}

/// Both ways of looking at health, as people and as programs read it.
fn never_healthy(name: &str, check: &'static str) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let bench = Replacing::new(&user, check)?;

    let told = put_back(&bench, "never", &[])?.stdout;
    for part in ["container.web", "did not become healthy", "qdrant: start, pid", "qdrant: listening on 0.0.0.0:6333"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }

    let run = put_back(&bench, "never", &["--format", "json"])?.json();
    assert_eq!((&run["converged"], &run["exit_code"]), (&json!(false), &json!(3)), "{run:#}");
    let web = change(&run, "container.web");
    assert_eq!((&web["action"], &web["fate"]), (&json!("replace"), &json!("undone")), "{web:#}");
    assert_eq!(web["failure"]["kind"], "not_up", "{web:#}");
    let log = web["log"].as_array().cloned().unwrap_or_default();
    assert!((1..=20).contains(&log.len()), "{log:#?}");
    assert!(log[0].as_str().is_some_and(|line| line.contains("qdrant: start, pid")), "{log:#?}");
    assert_eq!(run["remaining"][0]["address"], "container.web", "what still differs is told: {run:#}");
    Ok(())
}

#[test]
fn a_new_image_that_never_gets_healthy_is_put_back() -> anyhow::Result<()> {
    never_healthy("newcomer-http", FROM_THE_HOST)
}

/// Systemd waits for this one, and stackctl must not wait as long as systemd does.
#[test]
fn a_new_image_whose_own_check_never_passes_is_put_back() -> anyhow::Result<()> {
    never_healthy("newcomer-own", ITS_OWN)
}

/// The stand-in says 25 lines and its end; the last 20 of these are told, from line 7 on.
#[track_caller]
fn log_ends_at_the_exit(log: &Value) {
    let log: Vec<&str> = log.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(log.len(), 20, "{log:#?}");
    assert!(log[0].ends_with("qdrant: line 7 of 25 before exit 101"), "{log:#?}");
    assert!(log[19].ends_with("qdrant: end, exit 101"), "{log:#?}");
}

#[test]
fn a_new_image_that_exits_at_once_is_put_back() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("newcomer-exits")?;
    let bench = Replacing::new(&user, FROM_THE_HOST)?;

    let told = put_back(&bench, "exits", &[])?.stdout;
    for part in ["exit code 101", "restart", "line 25 of 25 before exit 101"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let run = put_back(&bench, "exits", &["--format", "json"])?.json();
    let web = change(&run, "container.web");
    assert_eq!((&web["fate"], &web["failure"]["kind"]), (&json!("undone"), &json!("not_up")), "{web:#}");
    log_ends_at_the_exit(&web["log"]);
    Ok(())
}

/// On a first apply it stays, for its log and for what it wrote; what needs it is not begun, what does not is.
#[test]
fn a_first_container_that_exits_at_once_is_named() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("newcomer-first")?;
    user.import_image("localhost/exits:1", &["CMD [\"qdrant\"]", "ENV STAND_IN_EXIT=101"]);
    user.import_image("localhost/fine:1", &["CMD [\"sleep\"]"]);
    let stack = "\
version: 1
stack: first
containers:
  exits: { image: localhost/exits:1 }
  needs: { image: localhost/fine:1, depends_on: [exits] }
  needs-that: { image: localhost/fine:1, depends_on: [needs] }
  apart: { image: localhost/fine:1 }
volumes: { kept: {} }
services:
  needs-too: { exec: [/usr/bin/sleep, infinity], depends_on: { exits: { condition: service_started } } }
  apart-too: { exec: [/usr/bin/sleep, infinity] }
";
    user.write("stack.yaml", stack)?;
    let run = user.stackctl(&["apply", "--yes", "--format", "json"]).code(3).json();
    let exits = change(&run, "container.exits");
    assert_eq!((&exits["fate"], &exits["failure"]["kind"]), (&json!("failed"), &json!("not_up")), "{exits:#}");
    let message = exits["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("exit code 101") && message.contains("restart"), "{message}");
    log_ends_at_the_exit(&exits["log"]);
    for (address, because) in [
        ("container.needs", "container.exits"),
        ("container.needs-that", "container.exits"),
        ("service.needs-too", "container.exits"),
    ] {
        let change = change(&run, address);
        assert_eq!((&change["fate"], &change["because"]), (&json!("skipped"), &json!(because)), "{change:#}");
    }
    for address in ["container.apart", "service.apart-too", "volume.kept", "network.default"] {
        assert_eq!(change(&run, address)["fate"], "done", "{address}");
    }
    assert_eq!(user.ids().into_keys().collect::<Vec<_>>(), ["first-apart", "first-exits"]);
    assert_eq!(user.unit("podman-first-apart.service", "ActiveState"), "active");
    assert_eq!(user.unit("apart-too.service", "ActiveState"), "active");

    let told = user.stackctl(&["apply", "--yes"]).code(3).stdout;
    for part in ["container.exits", "exit code 101", "restart", "line 25 of 25 before exit 101", "container.needs"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    Ok(())
}
