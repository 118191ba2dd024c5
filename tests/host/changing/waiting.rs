//! What is waited for: a dependent waits for what its condition says, also at boot.

use std::time::Duration;

use crate::host::Host;

#[test]
fn a_one_shot_that_ends_well_is_done_once_and_for_all() -> anyhow::Result<()> {
    let user = Host::get()?.user("one-shot")?;
    let end = |code: u8| ["CMD [\"sleep\"]".to_owned(), format!("ENV STAND_IN_EXIT={code}")];
    let import = |name: &str, code: u8| {
        let [command, exit] = end(code);
        user.import_image(name, &[&command, &exit]);
    };
    import("localhost/good:1", 0);
    import("localhost/bad:1", 1);
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    let stack = |image: &str| {
        format!(
            "version: 1\nstack: s\ncontainers:\n  seed: {{ image: \"{image}\", restart: \"no\", one_shot: true }}\n  app:\n    \
             image: localhost/app:1\n    depends_on: {{ seed: {{ condition: service_completed_successfully }} }}\n"
        )
    };
    user.write("stack.yaml", stack("localhost/bad:1"))?;
    let failed = user.stackctl(&["apply", "-y", "--format", "json"]).code(3).json();
    let fates: Vec<_> =
        failed["changes"].as_array().expect("changes").iter().map(|one| (&one["address"], &one["fate"])).collect();
    assert!(fates.iter().any(|(address, fate)| *address == "container.app" && *fate == "skipped"), "{fates:?}");

    user.write("stack.yaml", stack("localhost/good:1"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let first = user.ids();
    assert_eq!(user.unit("podman-s-seed.service", "UnitFileState"), "static", "nothing starts it at boot");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.ids(), first, "it is not run again");

    // A second is not enough to tell one start from the next.
    let invocation = || user.unit("podman-s-app.service", "InvocationID");
    let before = invocation();
    // To the user's units the end of the manager and its next start are a boot.
    Host::get()?.root(&format!("systemctl restart user@{}.service", user.uid())).ok();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while user.unit("podman-s-app.service", "SubState") != "running" {
        assert!(std::time::Instant::now() < deadline, "what runs for ever is not up after a boot");
        std::thread::sleep(Duration::from_millis(100));
    }
    let booted = user.ids();
    assert_ne!(invocation(), before, "it was no boot");
    assert_eq!(booted["s-seed"], first["s-seed"], "it is not run again at boot");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn units_keep_the_order_and_the_condition_without_stackctl_running() -> anyhow::Result<()> {
    let user = Host::get()?.user("unit-order")?;
    user.import_image("localhost/slow:1", &["CMD [\"ollama\"]", "ENV STAND_IN_HEALTHY_AFTER=2s"]);
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    let port = user.port(0);
    let own = "test: [CMD, /stand-in, healthcheck, \"http://127.0.0.1:11434/api/tags\"], interval: 1s, timeout: 1s, start_period: 20s";
    user.write(
        "stack.yaml",
        format!(
            "version: 1\nstack: s\ncontainers:\n  http:\n    image: localhost/slow:1\n    ports: [\"{port}:11434\"]\n    \
             healthcheck: {{ http: \"http://127.0.0.1:{port}/api/tags\", interval: 1s, timeout: 1s, start_period: 20s }}\n  \
             own: {{ image: localhost/slow:1, healthcheck: {{ {own} }} }}\n  app:\n    image: localhost/app:1\n    depends_on: \
             {{ http: {{ condition: service_healthy }}, own: {{ condition: service_healthy }} }}\n"
        ),
    )?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run("systemctl --user stop 'podman-s-*.service'").ok();
    let seconds = |unit: &str| -> f64 {
        let stamp = user.unit(unit, "ActiveEnterTimestampMonotonic");
        stamp.parse::<f64>().unwrap_or_else(|_| panic!("{unit}: {stamp}")) / 1e6
    };
    // Nothing but the dependent is asked for: what it needs is pulled in, and waited for.
    user.run("systemctl --user start podman-s-app.service").ok();
    let (http, own, app) =
        (seconds("podman-s-http.service"), seconds("podman-s-own.service"), seconds("podman-s-app.service"));
    assert!(app >= http + 1.5, "http was up at {http}, app at {app}: it did not wait for health");
    assert!(app >= own, "own was healthy at {own}, app at {app}");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn a_dependent_is_restarted_only_where_the_edge_says_so() -> anyhow::Result<()> {
    let user = Host::get()?.user("edge-restart")?;
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    let stack = |value: &str| {
        format!(
            "version: 1\nstack: s\ncontainers:\n  base: {{ image: localhost/app:1, environment: {{ A: \"{value}\" }} }}\n  with:\n    \
             image: localhost/app:1\n    depends_on: {{ base: {{ condition: service_started, restart: true }} }}\n  without: {{ image: \
             localhost/app:1, depends_on: [base] }}\n"
        )
    };
    user.write("stack.yaml", stack("1"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();
    user.write("stack.yaml", stack("2"))?;
    let plan = user.stackctl(&["plan"]).ok().stdout;
    assert!(plan.contains("-/+ container.base") && plan.contains("~ container.with"), "{plan}");
    assert!(!plan.contains("container.without"), "{plan}");
    user.stackctl(&["apply", "-y"]).ok();
    let after = user.ids();
    assert_ne!(before["s-base"].0, after["s-base"].0);
    assert_eq!(before["s-with"].0, after["s-with"].0, "a restart keeps the container");
    assert!(after["s-with"].1 >= before["s-with"].1);
    assert_eq!(before["s-without"], after["s-without"]);
    Ok(())
}

/// Each condition by what the dependency itself says: its own log has the time at which it was ready, podman that of the start.
#[test]
fn apply_starts_a_dependent_when_its_condition_holds() -> anyhow::Result<()> {
    let user = Host::get()?.user("conditions")?;
    user.import_image("localhost/slow:1", &["CMD [\"ollama\"]", "ENV STAND_IN_HEALTHY_AFTER=3s"]);
    user.import_image("localhost/job:1", &["CMD [\"sleep\"]", "ENV STAND_IN_EXIT=0", "ENV STAND_IN_EXIT_AFTER=3s"]);
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    let (http, tcp) = (user.port(0), user.port(1));
    let times = "interval: 1s, timeout: 1s, start_period: 60s";
    let own = "test: [CMD, /stand-in, healthcheck, \"http://127.0.0.1:11434/api/tags\"]";
    let late = format!(
        "import socket, time; time.sleep(3); s = socket.create_server(('127.0.0.1', {tcp})); open('listens', 'w'); time.sleep(1000)"
    );
    let on = |name: &str, condition: &str| {
        format!(
            "  on-{name}: {{ image: \"localhost/app:1\", depends_on: {{ {name}: {{ condition: {condition} }} }} }}\n"
        )
    };
    user.write(
        "stack.yaml",
        format!(
            "version: 1\nstack: s\nservices:\n  conditions-tcp:\n    exec: [/usr/bin/python3, -c, \"{late}\"]\n    working_dir: \"~\"\n    \
             healthcheck: {{ tcp: \"127.0.0.1:{tcp}\", {times} }}\ncontainers:\n  http:\n    image: localhost/slow:1\n    ports: \
             [\"{http}:11434\"]\n    healthcheck: {{ http: \"http://127.0.0.1:{http}/api/tags\", {times} }}\n  own: {{ image: \
             localhost/slow:1, healthcheck: {{ {own}, {times} }} }}\n  job: {{ image: localhost/job:1, restart: \"no\", one_shot: true }}\n{}{}{}{}{}",
            on("http", "service_healthy"),
            on("own", "service_healthy"),
            on("conditions-tcp", "service_healthy"),
            on("job", "service_completed_successfully"),
            "  http-runs: { image: \"localhost/app:1\", depends_on: { http: { condition: service_started } } }\n  \
             own-runs: { image: \"localhost/app:1\", depends_on: { own: { condition: service_started } } }\n",
        ),
    )?;
    user.stackctl(&["apply", "-y"]).ok();
    let time = |what: &str| -> f64 {
        let text = user.run(&format!("date -d \"$({what} | sed 's/ [A-Z]*$//')\" +%s.%N")).ok();
        text.line().parse().unwrap_or_else(|_| panic!("{what}: {}", text.line()))
    };
    let started = |name: &str| time(&format!("podman inspect -f '{{{{.State.StartedAt}}}}' s-{name}"));
    // Its own first line, and three seconds of its own clock after it.
    for name in ["http", "own"] {
        let first = user.run(&format!("podman logs s-{name} 2>&1 | head -n 1 | cut -d' ' -f1")).ok();
        let first: f64 = first.line().parse()?;
        assert!(started(&format!("on-{name}")) >= first + 2.9, "on-{name} did not wait for {name}");
        let runs = started(&format!("{name}-runs"));
        assert!(runs >= started(name), "a start was not waited for");
        // Systemd itself holds back what comes after a unit whose container is checked by podman.
        assert_eq!(runs < first + 2.9, name == "http", "{name}-runs and the check of {name}");
    }
    assert!(started("on-conditions-tcp") >= time("stat -c %y listens"), "a listener was not waited for");
    assert!(started("on-job") >= time("podman inspect -f '{{.State.FinishedAt}}' s-job"), "an end was not waited for");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}
