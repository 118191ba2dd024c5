//! How units start and end when they do not do so at once: ends of their own, timeouts, conditions, ports that come free
//! late, stops that are ignored. What systemd makes of it must be told in words, and never be taken for success.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::Host;
use crate::host::process::Output;
use crate::host::user::User;

/// The change of this address in what `apply --format json` printed.
#[track_caller]
fn change<'a>(run: &'a Value, address: &str) -> &'a Value {
    let mut changes = run["changes"].as_array().into_iter().flatten();
    changes.find(|change| change["address"] == address).unwrap_or_else(|| panic!("no {address} in {run:#}"))
}

/// The row of this address in what `status --format json` printed.
#[track_caller]
fn row<'a>(status: &'a Value, address: &str) -> &'a Value {
    let mut rows = status["resources"].as_array().into_iter().flatten();
    rows.find(|row| row["address"] == address).unwrap_or_else(|| panic!("no {address} in {status:#}"))
}

#[track_caller]
fn says(output: &Output, parts: &[&str]) {
    let flat = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(flat.contains(part), "`{part}` is not in\n{}", output.stdout);
    }
}

/// Looks until it holds; a machine that is busy takes its time.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_service_that_crashes_in_a_loop_is_told_with_its_code_and_restarts() -> anyhow::Result<()> {
    let user = Host::get()?.user("start-loop")?;
    let stack = "\
version: 1
stack: s
services:
  start-loop-a: { exec: [/bin/sh, -c, \"echo cannot go on; exit 7\"], restart: always }
  start-loop-b: { exec: [/bin/sleep, infinity], depends_on: { start-loop-a: { condition: service_started } } }
  start-loop-c: { exec: [/bin/sleep, infinity] }
";
    user.write("stack.yaml", stack)?;
    let run = user.stackctl(&["apply", "-y", "--format", "json"]).code(3).json();
    let looping = change(&run, "service.start-loop-a");
    let message = looping["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("exit code 7") && message.contains("restarts"), "{message}");
    assert!(looping["log"].as_array().is_some_and(|log| log.contains(&"cannot go on".into())), "{looping:#}");
    assert_eq!(change(&run, "service.start-loop-b")["fate"], "skipped");
    assert_eq!(change(&run, "service.start-loop-c")["fate"], "done");
    Ok(())
}

#[test]
fn what_comes_up_at_the_second_try_is_up() -> anyhow::Result<()> {
    let user = Host::get()?.user("start-second")?;
    let script = "test -e tried || { touch tried; exit 1; }; exec sleep infinity";
    user.write(
        "stack.yaml",
        format!("version: 1\nstack: s\nservices:\n  start-second: {{ exec: [/bin/sh, -c, \"{script}\"] }}\n"),
    )?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.unit("start-second.service", "ActiveState"), "active");
    let status = user.stackctl(&["status", "--format", "json"]).ok().json();
    assert_eq!(row(&status, "service.start-second")["restarts"], 1, "{status:#}");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

/// A restart keeps the container, for its writable layer is data.
#[test]
fn a_container_that_crashes_once_is_back_without_stackctl() -> anyhow::Result<()> {
    let user = Host::get()?.user("crash-once")?;
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", "version: 1\nstack: s\ncontainers: { app: { image: \"localhost/app:1\" } }\n")?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();
    user.run("podman kill --signal KILL s-app").ok();
    until("systemd has restarted it", || {
        user.unit("podman-s-app.service", "NRestarts") == "1"
            && user.unit("podman-s-app.service", "SubState") == "running"
    });
    assert_eq!(user.ids()["s-app"].0, before["s-app"].0, "the same container");
    let status = user.stackctl(&["status", "--format", "json"]).ok().json();
    let app = row(&status, "container.app");
    assert_eq!((&app["state"], &app["restarts"]), (&"running".into(), &1.into()), "{app:#}");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

/// The words must name the timeout: `failed` alone sends its reader to look for a crash that was none.
#[test]
fn a_start_that_takes_longer_than_its_timeout_is_told_as_that() -> anyhow::Result<()> {
    let user = Host::get()?.user("start-late")?;
    let stack = "\
version: 1
stack: s
services:
  start-late: { exec: [/bin/sleep, infinity], type: notify, timeout_start: 1s, restart: \"no\" }
";
    user.write("stack.yaml", stack)?;
    let told = user.stackctl(&["apply", "-y"]).code(3);
    says(
        &told,
        &["start-late.service did not come up", "start timeout", "what to do: journalctl --user -u start-late.service"],
    );
    assert_eq!(user.unit("start-late.service", "Result"), "timeout");
    Ok(())
}

/// A unit of which nothing is there to start must neither fail nor loop at boot, and stackctl must not believe that it runs.
#[test]
fn without_its_container_a_unit_is_skipped_and_plan_makes_it_anew() -> anyhow::Result<()> {
    let user = Host::get()?.user("start-skip")?;
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", "version: 1\nstack: s\ncontainers: { app: { image: \"localhost/app:1\" } }\n")?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run("systemctl --user stop podman-s-app.service && podman rm s-app").ok();
    user.run("systemctl --user start podman-s-app.service").ok();
    let show = |property: &str| user.unit("podman-s-app.service", property);
    assert_eq!(
        (show("ActiveState"), show("Result"), show("NRestarts")),
        ("inactive".into(), "exec-condition".into(), "0".into())
    );
    let plan = user.stackctl(&["plan", "--detailed-exitcode"]).code(2);
    says(&plan, &["+ container.app", "Plan: 1 to add, 0 to change, 0 to replace, 0 to destroy."]);
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["status"]).ok();
    Ok(())
}

/// `gate` ends only when the file `open` is there, so that between the plan and the start of `app` the port can be taken.
fn port_stack(user: &User) -> anyhow::Result<()> {
    user.import_image("localhost/app:1", &["CMD [\"ollama\"]"]);
    let stack = format!(
        "version: 1\nstack: s\nservices:\n  port-gate-{}:\n    exec: [/bin/sh, -c, \"until test -e open; do sleep 0.1; done\"]\n    \
         type: oneshot\n    working_dir: \"~\"\ncontainers:\n  app:\n    image: localhost/app:1\n    ports: [\"127.0.0.1:{}:11434\"]\n    \
         depends_on: {{ port-gate-{}: {{ condition: service_started }} }}\n",
        user.uid(),
        user.port(0),
        user.uid()
    );
    user.write("stack.yaml", stack)
}

fn listener(user: &User) -> anyhow::Result<crate::host::process::Running> {
    let script = format!(
        "import socket, time; s = socket.create_server(('127.0.0.1', {})); print('listening', flush=True); time.sleep(1000)",
        user.port(0)
    );
    let running = user.spawn(&["python3", "-c", &script])?;
    running.says("listening", Duration::from_secs(20))?;
    Ok(running)
}

#[test]
fn a_port_that_comes_free_late_is_waited_for() -> anyhow::Result<()> {
    let user = Host::get()?.user("port-late")?;
    port_stack(&user)?;
    let apply = user.spawn(&["stackctl", "apply", "-y"])?;
    apply.says(&format!("service.port-gate-{}: creating", user.uid()), Duration::from_secs(30))?;
    let holder = listener(&user)?;
    user.run("touch open").ok();
    // Systemd tries again by itself, and stackctl after it.
    let restarts = || user.unit("podman-s-app.service", "NRestarts").parse::<u32>().unwrap_or(0);
    until("the first try has failed", || restarts() > 0);
    holder.kill();
    apply.wait().ok();
    user.run(&format!("curl -fsS --retry 20 --retry-all-errors --retry-delay 1 127.0.0.1:{}/api/tags", user.port(0)))
        .ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn a_port_that_never_comes_free_is_told() -> anyhow::Result<()> {
    let user = Host::get()?.user("port-never")?;
    port_stack(&user)?;
    let apply = user.spawn(&["stackctl", "apply", "-y"])?;
    apply.says(&format!("service.port-gate-{}: creating", user.uid()), Duration::from_secs(30))?;
    let holder = listener(&user)?;
    user.run("touch open").ok();
    let told = apply.wait().code(3);
    let port = user.port(0).to_string();
    says(&told, &["container.app", &port, "in use", "what to do: stackctl plan names who holds the port"]);
    // Once more, and it is known before anything is done, with its holder.
    let refused = user.stackctl(&["apply", "-y"]).code(6);
    says(&refused, &["PORT_TAKEN", &port, &holder.pid_inside()?.to_string()]);
    holder.kill();
    user.stackctl(&["apply", "-y"]).ok();
    Ok(())
}

/// Between SIGTERM and SIGKILL lies the grace period that the file says, when a person stops the unit and when apply does.
#[test]
fn a_stop_that_is_ignored_is_forced_after_the_grace_period() -> anyhow::Result<()> {
    let user = Host::get()?.user("stop-stubborn")?;
    user.import_image("localhost/stubborn:1", &["CMD [\"sleep\"]", "ENV STAND_IN_STOP_AFTER=never"]);
    let stack = |value: &str| {
        format!(
            "version: 1\nstack: s\ncontainers:\n  app: {{ image: localhost/stubborn:1, stop_grace_period: 2s, environment: {{ A: \"{value}\" }} }}\n\
             services:\n  stop-stubborn:\n    exec: [/bin/sh, -c, \"trap '' TERM; echo deaf; while :; do sleep 1; done\"]\n    timeout_stop: 1s\n    \
             environment: {{ A: \"{value}\" }}\n"
        )
    };
    user.write("stack.yaml", stack("1"))?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run("systemctl --user stop podman-s-app.service").ok();
    let told_at = user.run("podman logs s-app 2>&1 | sed -n 's/ sleep: SIGTERM$//p' | head -n 1").ok();
    let told_at: f64 = told_at.line().parse().expect("the time of SIGTERM");
    let ended_at =
        user.run("date -d \"$(podman inspect -f '{{.State.FinishedAt}}' s-app | sed 's/ [A-Z]*$//')\" +%s.%N").ok();
    let ended_at: f64 = ended_at.line().parse().expect("the time of the end");
    let grace = ended_at - told_at;
    assert!((1.5..8.0).contains(&grace), "{grace} s between SIGTERM and the end");
    assert_eq!(user.run("podman inspect -f '{{.State.ExitCode}}' s-app").ok().line(), "137");

    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();
    user.write("stack.yaml", stack("2"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let after = user.ids();
    assert_eq!(after.len(), 1, "{after:?}");
    assert_ne!(before["s-app"].0, after["s-app"].0);
    assert_eq!(user.unit("stop-stubborn.service", "ActiveState"), "active");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    user.stackctl(&["destroy", "-y"]).ok();
    assert!(user.ids().is_empty());
    Ok(())
}
