//! Names and ports that belong to somebody else: each owner is named, with what to do, and nothing of theirs is touched.

use std::time::Duration;

use serde_json::Value;

use crate::host::Host;
use crate::host::user::User;

/// One container that publishes a port.
const STACK: &str = "\
version: 1
stack: owners
containers:
  web:
    image: \"localhost/x:1\"
    ports: [\"127.0.0.1:PORT:8091\"]
";

fn prepared(host: &Host, name: &str) -> anyhow::Result<User> {
    let user = host.user(name)?;
    user.import_image("localhost/x:1", &["CMD [\"aidb\"]", "ENV AIDB_PORT=8091"]);
    user.write("stack.yaml", STACK.replace("PORT", &user.port(0).to_string()))?;
    Ok(user)
}

fn risks(plan: &Value) -> Vec<&Value> {
    let changes = plan["changes"].as_array().into_iter().flatten();
    let of_changes = changes.filter_map(|change| change["risks"].as_array()).flatten();
    of_changes.chain(plan["risks"].as_array().into_iter().flatten()).collect()
}

/// Plan and apply end with 6 over exactly one critical risk, which has this code, says all these words, and offers a command
/// with the last of them; nothing of ours is made.
#[track_caller]
fn refused(user: &User, code: &str, words: &[&str], command: &str) {
    let plan = user.stackctl(&["plan", "--format", "json"]).code(6).json();
    let critical: Vec<&Value> = risks(&plan).into_iter().filter(|risk| risk["severity"] == "critical").collect();
    assert_eq!(critical.len(), 1, "{plan:#}");
    assert_eq!(critical[0]["code"], code, "{plan:#}");
    let message = critical[0]["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    let remedies = critical[0]["remedies"].to_string();
    assert!(remedies.contains(command), "`{command}` is not in {remedies}");
    let before = user.ids();
    let told = user.stackctl(&["apply", "-y"]).code(6);
    assert!(told.stdout.contains(code), "{}", told.stdout);
    assert!(told.stderr.contains("nothing was done"), "{}", told.stderr);
    assert_eq!(user.ids(), before);
}

/// Compose's own tool, over the user's podman.
fn compose(user: &User, words: &str) -> String {
    format!("DOCKER_HOST=unix:///run/user/{}/podman/podman.sock docker-compose --progress quiet {words}", user.uid())
}

/// What would break: a project's container taken for ours, and replaced.
#[test]
fn a_container_of_a_compose_project() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "owners-compose")?;
    user.run("systemctl --user start podman.socket").ok();
    let project =
        "services:\n  front:\n    image: localhost/x:1\n    container_name: owners-web\n    pull_policy: never\n";
    user.write("shop/compose.yaml", project)?;
    user.run(&compose(&user, "-f shop/compose.yaml up -d")).ok();
    let before = user.ids();

    let place = format!("{}/shop", user.home());
    refused(
        &user,
        "NAME_OWNED_BY_OTHER",
        &["owners-web", "compose project shop", "front", &place],
        "compose -p shop down",
    );
    assert_eq!(user.ids(), before);

    // Stopped it is theirs as well.
    user.run(&compose(&user, "-f shop/compose.yaml stop -t 1")).ok();
    refused(&user, "NAME_OWNED_BY_OTHER", &["owners-web", "compose project shop"], "compose -p shop down");

    // What is advised works, and frees the name.
    let plan = user.stackctl(&["plan", "--format", "json"]).code(6).json();
    let remedies = risks(&plan)[0]["remedies"].as_array().cloned().unwrap_or_default();
    let command = remedies.iter().filter_map(Value::as_str).find(|remedy| remedy.starts_with(' ')).expect("a command");
    user.run(command).ok();
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

/// podman-compose names its projects by labels of its own; what bears none was made by hand.
#[test]
fn containers_of_other_makers() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "owners-makers")?;
    let cases = [
        (
            "--label io.podman.compose.project=attic --label io.podman.compose.service=db",
            "compose project attic (service db)",
            "compose -p attic down",
        ),
        ("--label nix.home-manager.managed=true", "home-manager", "podman rm --ignore owners-web"),
        (
            "--label PODMAN_SYSTEMD_UNIT=old.service",
            "the systemd unit old.service",
            "systemctl --user disable --now old.service",
        ),
        ("--label io.stackctl.stack=other", "stack other of stackctl", "another name"),
        ("", "made by hand", "owners-web"),
    ];
    for (labels, owner, command) in cases {
        user.run(&format!("podman create --name owners-web {labels} localhost/x:1")).ok();
        refused(&user, "NAME_OWNED_BY_OTHER", &["owners-web", owner], command);
        user.run("podman rm owners-web").ok();
    }
    Ok(())
}

/// A program that holds a port and does nothing else.
fn listener(family: &str, address: &str, port: &str) -> String {
    let address = address.trim_matches(['[', ']']);
    let program = format!(
        "import os, socket, time; s = socket.socket(socket.AF_INET{family}); s.bind((\"{address}\", {port})); s.listen(); \
         time.sleep(600)"
    );
    format!("/usr/bin/python3 -c '{program}'")
}

/// What would break: 35 restarts against a port that a root service holds, and nobody saw why.
#[test]
fn a_system_service_on_the_port() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "owners-root")?;
    let port = user.port(0);
    let unit = "stackctl-test-owners-root.service";
    for (address, family) in [("127.0.0.1", ""), ("0.0.0.0", ""), ("[::]", "6")] {
        // The port is not among its arguments, as it is not among Qdrant's.
        let listen = listener(family, address, "int(os.environ[\"ON\"])");
        host.root(&format!("systemd-run --quiet --unit {unit} --service-type=exec --setenv ON={port} {listen}")).ok();
        let listens = format!(
            "for try in $(seq 600); do ss -ltnH 'sport = :{port}' | grep -q . && exit 0; sleep 0.05; done; exit 1"
        );
        host.root(&listens).ok();
        let pid = host.root(&format!("systemctl show --value -p MainPID {unit}")).ok();

        let at = format!("127.0.0.1:{port}/tcp");
        let pid_word = format!("pid {}", pid.line());
        let words = [at.as_str(), "python3", &pid_word, unit, "system scope", "uid 0"];
        refused(&user, "PORT_TAKEN", &words, &format!("sudo systemctl disable --now {unit}"));
        if address != "127.0.0.1" {
            refused(&user, "PORT_TAKEN", &[&format!("{address}:{port}")], "");
        }
        assert_eq!(host.root(&format!("systemctl show --value -p MainPID {unit}")).ok().line(), pid.line());
        host.root(&format!("systemctl stop {unit}")).ok();
    }
    user.stackctl(&["apply", "-y"]).ok();
    Ok(())
}

/// Another container, a program, a unit of the user's: each is named by what leads to it.
#[test]
fn others_of_the_user_on_the_port() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "owners-user")?;
    let port = user.port(0);
    let at = format!("127.0.0.1:{port}/tcp");

    for ip in ["127.0.0.1:", ""] {
        user.run(&format!("podman run -d --name elsewhere -p {ip}{port}:8091 localhost/x:1")).ok();
        refused(
            &user,
            "PORT_TAKEN",
            &[&at, "the container elsewhere", "made by hand"],
            "podman stop --ignore elsewhere",
        );
        user.run("podman rm -f -t 0 elsewhere").ok();
    }

    let serve = listener("", "127.0.0.1", &port.to_string());
    let program = user.spawn(&["bash", "-c", &format!("exec {serve}")])?;
    until_listening(&user, port);
    let pid = format!("pid {}", program.pid_inside()?);
    refused(&user, "PORT_TAKEN", &[&at, "python3 -c", &pid, &format!("uid {}", user.uid())], "ss -lptn");
    assert!(program.is_running()?);
    program.kill();

    user.run(&format!("systemd-run --user --quiet --unit mine --service-type=exec {serve}")).ok();
    until_listening(&user, port);
    let pid = format!("pid {}", user.unit("mine.service", "MainPID"));
    refused(
        &user,
        "PORT_TAKEN",
        &[&at, &pid, "unit mine.service", "user scope"],
        "systemctl --user disable --now mine.service",
    );
    assert_eq!(user.unit("mine.service", "ActiveState"), "active");
    user.run("systemctl --user stop mine.service").ok();

    user.stackctl(&["apply", "-y"]).ok();
    // Our own container is no conflict with itself, neither in a plan that is empty nor in one that replaces it.
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    let stack = STACK.replace("PORT", &port.to_string());
    user.write("stack.yaml", format!("{stack}    environment: {{ NEW: value }}\n"))?;
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[track_caller]
fn until_listening(user: &User, port: u16) {
    let asked =
        format!("for try in $(seq 600); do ss -ltnH 'sport = :{port}' | grep -q . && exit 0; sleep 0.05; done; exit 1");
    user.run(&asked).ok();
}

/// Two or three containers, each on one port.
fn on_ports(user: &User, ports: &[(&str, u16)]) -> anyhow::Result<()> {
    let containers = ports.iter().map(|(name, port)| {
        let probe = format!("http: \"http://127.0.0.1:{port}/health\", interval: 200ms, start_period: 20s");
        format!("  {name}: {{ image: \"localhost/x:1\", ports: [\"127.0.0.1:{port}:8091\"], environment: {{ WHO: {name} }}, healthcheck: {{ {probe} }} }}\n")
    });
    let containers: String = containers.collect();
    user.write("stack.yaml", format!("version: 1\nstack: moving\ncontainers:\n{containers}"))
}

/// A port that moves from one of our containers to another is a conflict of neither: who lets go comes first, and of two that
/// want each other's one is stopped early.
#[test]
fn ports_move_between_our_own() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("owners-moving")?;
    user.import_image(
        "localhost/x:1",
        &["CMD [\"qdrant\"]", "ENV STAND_IN_PORT=8091", "ENV STAND_IN_STOP_AFTER=500ms"],
    );
    let [p, q, r] = [user.port(0), user.port(1), user.port(2)];
    on_ports(&user, &[("a", p), ("b", q)])?;
    let file = user.read("stack.yaml")?.replace("/health", "/readyz");
    user.write("stack.yaml", file)?;
    user.stackctl(&["apply", "-y"]).ok();

    let converge = |ports: &[(&str, u16)]| -> anyhow::Result<Value> {
        on_ports(&user, ports)?;
        let file = user.read("stack.yaml")?.replace("/health", "/readyz");
        user.write("stack.yaml", file)?;
        let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
        user.stackctl(&["apply", "-y"]).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        for (name, port) in ports {
            let shown = user.run(&format!("podman port moving-{name}")).ok();
            assert!(shown.line().ends_with(&format!("127.0.0.1:{port}")), "{name}: {}", shown.line());
        }
        assert_eq!(user.ids().len(), ports.len(), "nothing is left parked");
        Ok(plan)
    };
    let order = |plan: &Value| -> Vec<String> {
        let changes = plan["changes"].as_array().into_iter().flatten();
        changes.filter_map(|change| Some(change["address"].as_str()?.to_owned())).collect()
    };

    // A chain: b lets go of q before a takes it.
    let plan = converge(&[("a", q), ("b", r)])?;
    assert_eq!(order(&plan), ["container.b", "container.a"]);
    // To one that is new.
    let plan = converge(&[("a", p), ("b", r), ("c", q)])?;
    assert_eq!(order(&plan), ["container.a", "container.c"]);
    // A swap cannot be ordered: one is stopped early, and the plan says which.
    let plan = converge(&[("a", r), ("b", p), ("c", q)])?;
    let said = plan["changes"].to_string();
    assert!(said.contains("stopped early"), "{said}");
    Ok(())
}

/// What left the file keeps its port until somebody decides: told as what it is.
#[test]
fn an_orphan_on_the_port() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "owners-orphan")?;
    user.stackctl(&["apply", "-y"]).ok();
    let renamed = STACK.replace("PORT", &user.port(0).to_string()).replace("  web:", "  site:");
    user.write("stack.yaml", renamed)?;
    refused(
        &user,
        "PORT_TAKEN",
        &["the container owners-web", "stack owners"],
        "systemctl --user stop podman-owners-web.service",
    );
    Ok(())
}

/// A listener that goes away in time is no obstacle: nothing of a refusal is remembered.
#[test]
fn a_refusal_leaves_nothing_behind() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "owners-again")?;
    let port = user.port(0);
    let holder = user.spawn(&["env", &format!("AIDB_PORT={port}"), "/usr/local/bin/stand-in", "aidb"])?;
    holder.says("listening", Duration::from_secs(10))?;
    refused(&user, "PORT_TAKEN", &["stand-in aidb"], "ss -lptn");
    holder.kill();
    user.stackctl(&["apply", "-y"]).ok();
    Ok(())
}
