//! What stands in the way is found before anything is done, all of it at once, each with what to do about it: exit code 6
//! in plan and in apply.

#![expect(clippy::disallowed_types, reason = "an old podman is played behind a socket")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::looking::home;
use crate::host::Host;
use crate::host::process::Output;
use crate::host::user::User;

const CLASH: &str = "\
version: 1
stack: clash
directories: { ~/closed/data: {} }
networks: { theirs: { name: theirs } }
volumes: { notes: { name: notes } }
containers:
  linked: { image: \"localhost/x:1\", networks: [theirs] }
  absent: { image: \"localhost/absent:1\", pull: never, network_mode: none }
  named: { image: \"localhost/x:1\", volumes: [\"notes:/data\"], network_mode: none }
  port: { image: \"localhost/x:1\", ports: [\"127.0.0.1:PORT:80\"], networks: [theirs] }
services:
  elsewhere: { exec: [/bin/sleep, inf] }
";

/// One container that does nothing.
const SMALL: &str = "\
version: 1
stack: small
containers:
  one: { image: \"localhost/x:1\" }
";

fn small(host: &Host, name: &str) -> anyhow::Result<User> {
    let user = host.user(name)?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", SMALL)?;
    Ok(user)
}

/// All risks of a plan: those of its changes, and those of none.
fn risks(plan: &Value) -> Vec<&Value> {
    let changes = plan["changes"].as_array().into_iter().flatten();
    let of_changes = changes.filter_map(|change| change["risks"].as_array()).flatten();
    of_changes.chain(plan["risks"].as_array().into_iter().flatten()).collect()
}

/// Insists on a critical risk of this code that says these words, and on a way out.
#[track_caller]
fn has(plan: &Value, code: &str, words: &str) {
    let matching = |risk: &&Value| {
        let message = risk["message"].as_str().unwrap_or_default();
        risk["code"] == code && risk["severity"] == "critical" && message.contains(words)
    };
    let Some(risk) = risks(plan).into_iter().find(matching) else { panic!("no {code} with `{words}` in {plan:#}") };
    assert!(risk["remedies"].as_array().is_some_and(|remedies| !remedies.is_empty()), "{risk:#}");
}

/// That plan and apply stop with 6 over a risk of this code, for people and for programs.
#[track_caller]
fn stops(code: &str, words: &str, run: impl Fn(&[&str]) -> Output) {
    has(&run(&["plan", "--format", "json"]).code(6).json(), code, words);
    let told = run(&["apply", "-y"]).code(6);
    assert!(told.stdout.contains(code), "{}", told.stdout);
    assert!(told.stderr.contains("nothing was done"), "{}", told.stderr);
}

fn inventory(user: &User) -> String {
    // Their own tables count seconds.
    let list = "podman ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'; podman network ls; podman volume ls; \
                podman images --no-trunc --format '{{.ID}} {{.Names}}'";
    user.run(list).ok().stdout
}

/// What would break: one conflict at a time, each found after the half of an apply.
#[test]
fn all_conflicts_are_told_at_once_and_nothing_is_done() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("conflicts-all")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    let port = user.port(0);
    user.write("stack.yaml", CLASH.replace("PORT", &port.to_string()))?;
    user.run("mkdir closed && chmod 500 closed").ok();
    // As home-manager does it.
    user.write("store/podman-clash-linked.service", "[Service]\nExecStart=/bin/true\n")?;
    user.run("mkdir -p .config/systemd/user && ln -s ~/store/podman-clash-linked.service .config/systemd/user/").ok();
    user.write(".local/share/systemd/user/elsewhere.service", "[Service]\nExecStart=/bin/true\n")?;
    user.run("podman network create theirs && podman volume create notes").ok();
    user.run("podman create --name clash-named localhost/x:1").ok();
    let holder = user.spawn(&["env", &format!("AIDB_PORT={port}"), "stand-in", "aidb"])?;
    holder.says("listening", Duration::from_secs(10))?;
    let (podman, bus) = (user.tap_podman(None)?, user.tap_bus(None)?);
    let environment = [
        format!("CONTAINER_HOST=unix://{}", podman.socket()),
        format!("DBUS_SESSION_BUS_ADDRESS=unix:path={}", bus.socket()),
    ];
    // A refused apply may have made its state directory, which is an entry of the one above.
    user.run("mkdir -p .local/state/stackctl").ok();
    let before = (home(&host, &user), inventory(&user));

    let run = |words: &[&str]| user.stackctl_with(&environment.each_ref().map(String::as_str), words);
    let plan = run(&["plan", "--format", "json"]).code(6).json();
    let pid = holder.pid_inside()?.to_string();
    let all = [
        ("IMAGE_MISSING", "localhost/absent:1"),
        ("NAME_OWNED_BY_OTHER", "podman-clash-linked.service"),
        ("NAME_OWNED_BY_OTHER", ".local/share/systemd/user/elsewhere.service"),
        ("NAME_OWNED_BY_OTHER", "network `theirs`"),
        ("NAME_OWNED_BY_OTHER", "volume `notes`"),
        ("NAME_OWNED_BY_OTHER", "container `clash-named`"),
        ("PATH_NOT_WRITABLE", "closed"),
        ("PORT_TAKEN", &pid),
    ];
    for (code, words) in all {
        has(&plan, code, words);
    }
    let critical = risks(&plan).into_iter().filter(|risk| risk["severity"] == "critical").count();
    assert_eq!(critical, all.len(), "{plan:#}");

    let told = run(&["apply", "-y"]).code(6);
    for (code, words) in all {
        assert!(told.stdout.contains(code) && told.stdout.contains(words), "{code}, {words}:\n{}", told.stdout);
    }
    assert!(told.stderr.contains("nothing was done"), "{}", told.stderr);
    let json = run(&["apply", "-y", "--format", "json"]).code(6).json();
    assert_eq!(json["error"]["exit_code"], 6, "{json:#}");

    assert_eq!((podman.mutations()?, bus.mutations()?), (Vec::new(), Vec::new()));
    assert_eq!((home(&host, &user), inventory(&user)), before);
    assert!(holder.is_running()?);
    Ok(())
}

/// Paths that are closed in other ways than the plain one: where units go, above what cannot even be looked at, and one
/// whose mode another owns.
#[test]
fn closed_paths_are_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-paths")?;
    let directories = "directories: { ~/closed/below/it: {}, ~/other: { mode: \"0700\" } }\n";
    user.write("stack.yaml", format!("{SMALL}{directories}"))?;
    user.run("mkdir -p .config/systemd/user closed && chmod 500 .config/systemd/user && chmod 0 closed").ok();
    host.root(&format!("mkdir {}/other", user.home())).ok();

    for words in ["podman-small-one.service", "below/it", "other"] {
        stops("PATH_NOT_WRITABLE", words, |words| user.stackctl(words));
    }
    assert!(user.ids().is_empty());
    user.run("chmod 700 .config/systemd/user closed").ok();
    host.root(&format!("rmdir {}/other", user.home())).ok();
    user.stackctl(&["apply", "-y"]).ok();

    // What is written and enabled already needs no right to write.
    user.run("chmod 500 .config/systemd/user").ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    user.run("chmod 700 .config/systemd/user").ok();
    Ok(())
}

/// Podman's service is started on demand, so its socket need not be there.
#[test]
fn without_a_podman_socket_it_works_all_the_same() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-socket")?;
    user.run("systemctl --user stop podman.socket podman.service && systemctl --user disable podman.socket").code(0);
    let socket = format!("/run/user/{}/podman/podman.sock", user.uid());
    user.run(&format!("rm -f {socket}")).ok();

    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert!(user.ids().contains_key("small-one"));
    assert_eq!(user.run(&format!("test -S {socket}")).code, 1);
    Ok(())
}

#[test]
fn a_missing_podman_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-podman")?;
    let program = user.run("command -v stackctl").ok().line().to_owned();
    user.run("systemctl --user stop podman.socket podman.service; rm -rf $XDG_RUNTIME_DIR/podman; mkdir empty").ok();

    stops("PODMAN_UNREACHABLE", "not installed", |words| {
        let path = format!("PATH={}/empty", user.home());
        crate::host::process::output(user.command(&[&["env", &path, &program], words].concat()))
    });
    Ok(())
}

#[test]
fn lingering_that_is_off_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-linger")?;
    // The mark alone: through logind the user's manager would end under the test.
    host.root(&format!("rm /var/lib/systemd/linger/{}", user.name())).ok();
    stops("LINGER_OFF", user.name(), |words| user.stackctl(words));
    let plan = user.stackctl(&["plan"]).code(6);
    assert!(plan.stdout.contains(&format!("loginctl enable-linger {}", user.name())), "{}", plan.stdout);
    host.root(&format!("touch /var/lib/systemd/linger/{}", user.name())).ok();
    user.stackctl(&["apply", "-y"]).ok();
    Ok(())
}

/// Systemd runs, so a bus that cannot be reached is no reason to go on without units.
#[test]
fn a_bus_that_cannot_be_reached_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-bus")?;
    stops("NO_USER_MANAGER", "", |words| {
        user.stackctl_with(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere/bus"], words)
    });
    assert!(user.ids().is_empty());
    // Cron has none of these, and everything can be derived.
    let bare = ["-u", "DBUS_SESSION_BUS_ADDRESS", "-u", "XDG_RUNTIME_DIR"];
    user.stackctl_with(&bare, &["apply", "-y"]).ok();
    Ok(())
}

/// A newuidmap without its privilege is what a unit's PATH finds first on a NixOS that is set up wrongly.
#[test]
fn a_powerless_newuidmap_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-newuidmap")?;
    // Podman is served from outside of the namespace that follows.
    user.run("systemctl --user start podman.socket").ok();
    let program = user.run("command -v stackctl").ok().line().to_owned();
    let (uid, home) = (user.uid(), user.home());
    stops("NEWUIDMAP_UNUSABLE", "/usr/bin/newuidmap", |words| {
        host.root(&format!(
            "exec unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt && cp /usr/bin/newuidmap /mnt/ && \
             chmod 755 /mnt/newuidmap && mount --bind /mnt/newuidmap /usr/bin/newuidmap && cd {home} && \
             exec setpriv --reuid {uid} --regid {uid} --init-groups env HOME={home} XDG_RUNTIME_DIR=/run/user/{uid} {program} {}'",
            words.join(" ")
        ))
    });
    user.stackctl(&["plan"]).ok();
    Ok(())
}

#[test]
fn another_storage_driver_than_the_one_of_the_containers_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-storage")?;
    user.stackctl(&["apply", "-y"]).ok();
    let driver = user.run("podman info -f '{{.Store.GraphDriverName}}'").ok().line().to_owned();
    user.run("mkdir -p .config/containers && test ! -e .config/containers/storage.conf").ok();
    let set = |driver: &str| {
        user.write(".config/containers/storage.conf", format!("[storage]\ndriver = \"{driver}\"\n"))?;
        user.run("systemctl --user stop podman.service").ok();
        anyhow::Ok(())
    };
    set(&driver)?;
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    // Podman goes on with what its database says.
    let other = if driver == "overlay" { "vfs" } else { "overlay" };
    set(other)?;
    let told = user.stackctl(&["plan"]).ok().stdout;
    assert!(told.contains("STORAGE_DRIVER_MISMATCH (warning)"), "{told}");
    set(&driver)?;
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    Ok(())
}

/// Answers as podman 4.3.1 does, for as long as it is asked.
fn old_podman(listener: &UnixListener) {
    for stream in listener.incoming().map_while(Result::ok) {
        std::thread::spawn(move || answer(&stream));
    }
}

fn answer(stream: &UnixStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let mut stream = stream;
    loop {
        let first = lines.next()?;
        let path = first.split(' ').nth(1)?.to_owned();
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let (status, body) = match path.rsplit('/').next()? {
            "_ping" => ("200 OK", "OK".to_owned()),
            "version" => ("200 OK", json!({ "Version": "4.3.1", "ApiVersion": "1.41" }).to_string()),
            "json" if !path.contains("/images/") => ("200 OK", "[]".to_owned()),
            _ => ("404 Not Found", json!({ "message": "no such thing", "response": 404 }).to_string()),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\nServer: Libpod/4.3.1 (linux)\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
    }
}

#[test]
fn a_podman_that_is_too_old_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-old")?;
    let inside = format!("/run/user/{}/old.sock", user.uid());
    let socket = host.path(&inside)?;
    let listener = UnixListener::bind(&socket)?;
    std::os::unix::fs::chown(&socket, Some(user.uid()), None)?;
    std::thread::spawn(move || old_podman(&listener));

    let url = format!("unix://{inside}");
    stops("PODMAN_TOO_OLD", "4.3.1", |words| user.stackctl(&[words, &["--podman", &url]].concat()));
    assert!(user.ids().is_empty());
    Ok(())
}

/// Two runs at once would undo each other's work.
#[test]
fn a_second_apply_is_told_who_holds_the_stack() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("conflicts-lock")?;
    user.import_image(
        "localhost/x:1",
        &["CMD [\"ollama\"]", "ENV OLLAMA_HOST=0.0.0.0:80", "ENV STAND_IN_HEALTHY_AFTER=never"],
    );
    let port = user.port(0);
    let stack = SMALL.replace(
        "\"localhost/x:1\"",
        &format!("\"localhost/x:1\", ports: [\"127.0.0.1:{port}:80\"], healthcheck: {{ http: \"http://127.0.0.1:{port}/\", start_period: 5m }}"),
    );
    user.write("stack.yaml", stack)?;
    let first = user.spawn(&["stackctl", "apply", "-y"])?;
    // It asks again and again, and holds the stack meanwhile.
    first.says("left", Duration::from_secs(20))?;

    for words in [&["apply", "-y"][..], &["destroy", "-y"]] {
        let second = user.stackctl(words).code(5);
        assert!(second.stderr.contains(&format!("pid {}", first.pid_inside()?)), "{}", second.stderr);
        assert!(second.stderr.contains("stackctl apply -y"), "{}", second.stderr);
    }
    // Looking is free.
    user.stackctl(&["plan"]);
    assert_eq!(user.stackctl(&["status"]).code, 3);

    first.signal(Signal::INT)?;
    first.wait().code(130);
    user.stackctl(&["destroy", "-y"]).ok();
    Ok(())
}

/// Who asks wrongly gets no effect: nobody to confirm, a file that is wrong in three places, root by way of sudo.
#[test]
fn what_cannot_be_meant_is_refused() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = small(&host, "conflicts-refused")?;
    user.write("bad.yaml", "version: 1\nstack: bad\ncontainers:\n  a: { imagee: x }\n  b: { image: x, ports: [\"0:99999\"] }\nvolums: {}\n")?;
    user.run("mkdir -p .local/state/stackctl").ok();
    let before = (home(&host, &user), inventory(&user));

    let unconfirmed = user.stackctl(&["apply"]).code(64);
    assert!(unconfirmed.stderr.contains("--yes"), "{}", unconfirmed.stderr);
    user.stackctl(&["apply", "--no-such-option"]).code(64);

    for verb in ["validate", "plan", "apply", "destroy", "status"] {
        let words = if verb == "apply" { vec![verb, "-f", "bad.yaml", "-y"] } else { vec![verb, "-f", "bad.yaml"] };
        let told = user.stackctl(&words).code(65);
        for place in ["bad.yaml:4:8", "bad.yaml:5:", "bad.yaml:6:1"] {
            assert!(told.stderr.contains(place), "{verb}: {place} is not in\n{}", told.stderr);
        }
    }
    assert_eq!((home(&host, &user), inventory(&user)), before);

    let program = user.run("command -v stackctl").ok().line().to_owned();
    let file = format!("{}/stack.yaml", user.home());
    let sudo = host.root(&format!("SUDO_UID={} HOME=/root {program} plan -f {file}", user.uid()));
    assert_ne!(sudo.code, 0);
    assert!(sudo.stderr.contains("sudo"), "{}", sudo.stderr);
    Ok(())
}
