//! Services that systemd listens for. What would break: a port that nobody answers on, a service that is started before anybody
//! asks, sockets that stay when the file has none any more, and a change that systemd refuses because the service runs.

use crate::host::{Host, Output, User};

/// systemd's own program that takes what was listened on; what it hands on to keeps running beside it.
const STACK: &str = "\
version: 1
stack: s
services:
  sock-back: { exec: [/usr/local/bin/stand-in, ollama], environment: { STAND_IN_PORT: BACK, STAND_IN_DATA: /tmp } }
  sock-front:
    exec: [/usr/lib/systemd/systemd-socket-proxyd, \"127.0.0.1:BACK\"]
    type: notify
    sockets: [FRONT, ~/run/front.sock]
    depends_on: [sock-back]
    healthcheck: { http: \"http://127.0.0.1:FRONT/api/tags\", interval: 200ms }
";

fn stack(user: &User, front: &str) -> String {
    STACK.replace("BACK", &user.port(0).to_string()).replace("FRONT", front)
}

fn asked(user: &User, port: &str) -> Output {
    user.run(&format!("curl -fsS -m 5 http://127.0.0.1:{port}/api/tags"))
}

#[test]
fn systemd_listens_for_a_service_and_starts_it() -> anyhow::Result<()> {
    let user = Host::get()?.user("sockets")?;
    let [front, other] = [1, 2].map(|n| user.port(n).to_string());
    let with = |front: &str| stack(&user, front);
    let without_check = |text: String| -> String {
        text.lines().filter(|line| !line.contains("healthcheck")).map(|line| format!("{line}\n")).collect()
    };
    let asked = |port: &str| asked(&user, port);
    let empty = || drop(user.stackctl(&["plan", "--detailed-exitcode"]).ok());

    // Without a check nobody asks, so that nothing runs.
    user.write("stack.yaml", without_check(with(&front)))?;
    user.stackctl(&["apply", "-y"]).ok();
    empty();
    assert_eq!(user.unit("sock-front.socket", "ActiveState"), "active");
    assert_eq!(user.unit("sock-front.socket", "UnitFileState"), "enabled");
    assert_eq!(user.unit("sock-front.service", "ActiveState"), "inactive");
    assert_eq!(user.run("stat -c %a run/front.sock").ok().stdout, "600\n");
    asked(&front).ok();
    assert_eq!(user.unit("sock-front.service", "ActiveState"), "active");
    user.run("curl -fsS -m 5 --unix-socket run/front.sock http://localhost/api/tags").ok();
    empty();

    let planned = |action: &str, attributes: &[(&str, &str)]| {
        let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).code(2).json();
        let changes = plan["changes"].as_array().cloned().unwrap_or_default();
        assert_eq!(changes.len(), 1, "{plan:#}");
        let change = &changes[0];
        assert_eq!((&change["address"], &change["action"]), (&"service.sock-front".into(), &action.into()), "{plan:#}");
        let rows = change["attributes"].as_array().into_iter().flatten();
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let found: Vec<(String, String)> = rows.map(|row| (word(&row["path"]), word(&row["cause"]))).collect();
        let wanted: Vec<(String, String)> =
            attributes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, wanted);
        user.stackctl(&["apply", "-y"]).ok();
        empty();
    };
    // It runs, and systemd starts no socket whose service does.
    user.write("stack.yaml", without_check(with(&other)))?;
    planned("restart", &[("sockets", "file")]);
    asked(&other).ok();
    asked(&front).code(7);
    user.write("stack.yaml", with(&other))?;
    planned(
        "reload",
        &[
            ("healthcheck.expect", "file"),
            ("healthcheck.http", "file"),
            ("healthcheck.interval", "file"),
            ("healthcheck.retries", "file"),
            ("healthcheck.start_period", "file"),
            ("healthcheck.timeout", "file"),
        ],
    );

    user.run("systemctl --user stop sock-front.socket").ok();
    planned("start", &[("listening", "machine")]);
    asked(&other).ok();
    user.run("systemctl --user disable sock-front.socket").ok();
    planned("update", &[("enabled", "machine")]);
    user.run("sed -i s/0600/0666/ .config/systemd/user/sock-front.socket; systemctl --user daemon-reload").ok();
    planned("restart", &[("socket_unit", "machine")]);
    asked(&other).ok();
    assert_eq!(user.run("stat -c %a run/front.sock").ok().stdout, "600\n");

    user.stackctl(&["destroy", "-y"]).ok();
    assert_eq!(user.run("ls .config/systemd/user | grep sock-").stdout, "");
    asked(&other).code(7);
    assert_eq!(user.unit("sock-front.socket", "ActiveState"), "inactive");
    Ok(())
}

#[test]
fn a_service_loses_its_sockets_and_gets_them_back() -> anyhow::Result<()> {
    let user = Host::get()?.user("sockets-off")?;
    let [back, front] = [0, 1].map(|n| user.port(n).to_string());
    let empty = || drop(user.stackctl(&["plan", "--detailed-exitcode"]).ok());
    user.write("stack.yaml", stack(&user, &front))?;
    user.stackctl(&["apply", "-y"]).ok();
    asked(&user, &front).ok();
    // A program of its own, without sockets.
    let alone = format!(
        "version: 1\nstack: s\nservices:\n  sock-back: {{ exec: [/usr/local/bin/stand-in, ollama], environment: {{ STAND_IN_PORT: {back}, STAND_IN_DATA: /tmp }} }}\n  \
         sock-front: {{ exec: [/bin/sleep, inf] }}\n"
    );
    user.write("stack.yaml", &alone)?;
    user.stackctl(&["apply", "-y"]).ok();
    empty();
    assert_eq!(user.unit("sock-front.service", "ActiveState"), "active");
    assert_eq!(user.unit("sock-front.service", "UnitFileState"), "enabled");
    assert!(!user.exists(".config/systemd/user/sock-front.socket")?);
    asked(&user, &front).code(7);
    // And back, while it runs.
    user.write("stack.yaml", stack(&user, &front))?;
    user.stackctl(&["apply", "-y"]).ok();
    empty();
    asked(&user, &front).ok();
    assert_eq!(user.unit("sock-front.service", "UnitFileState"), "static");

    Ok(())
}

#[test]
fn a_port_that_somebody_has_is_told_before_anything_is_done() -> anyhow::Result<()> {
    let user = Host::get()?.user("sockets-taken")?;
    let port = user.port(0);
    let stack = |more: &str| {
        format!("version: 1\nstack: s\nservices:\n  sock-mine: {{ exec: [/bin/sleep, inf], sockets: {port} }}\n{more}")
    };
    let listens =
        format!("systemd-run --user --unit sock-theirs --socket-property=ListenStream=127.0.0.1:{port} /bin/true");
    user.run(&listens).ok();
    user.write("stack.yaml", stack(""))?;
    let told = user.stackctl(&["apply", "-y", "--format", "json"]).code(6).stdout;
    assert!(told.contains("PORT_TAKEN") && told.contains(&format!("127.0.0.1:{port}/tcp")), "{told}");
    assert!(!user.exists(".config/systemd/user/sock-mine.socket")?);
    user.run("systemctl --user stop sock-theirs.socket").ok();
    // One file claims a port once.
    user.write("stack.yaml", stack(&format!("  sock-too: {{ exec: [/bin/sleep, inf], sockets: \"{port}\" }}\n")))?;
    let told = user.stackctl(&["validate"]).code(65).stderr;
    assert!(told.contains(&port.to_string()), "{told}");
    user.write("stack.yaml", stack(""))?;
    user.stackctl(&["apply", "-y"]).ok();
    Ok(())
}
