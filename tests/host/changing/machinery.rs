//! What the tests beside this one stand on: containers that run, a registry, and the proxies.

use std::time::Duration;

use rustix::process::Signal;

use crate::host::Host;
use crate::host::tap::Hold;
use crate::host::user::User;

const SOON: Duration = Duration::from_secs(20);

/// The whole way of a container: image, start, published port, and what the harness says of it.
#[test]
fn a_container_runs_and_its_port_answers() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("machinery-run")?;
    let (image, port) = (user.import_image("localhost/stand-in:1", &["CMD [\"ollama\"]"]), user.port(0));
    assert!(image.starts_with("sha256:"), "{image}");

    user.run(&format!(
        "podman run -d --name ollama -p 127.0.0.1:{port}:11434 -e OLLAMA_HOST=0.0.0.0 localhost/stand-in:1"
    ))
    .ok();
    let tags =
        user.run(&format!("curl -fsS --retry 20 --retry-all-errors --retry-delay 1 http://127.0.0.1:{port}/api/tags"));
    assert!(tags.ok().json()["models"].is_array());

    let ids = user.ids();
    let (id, started) = &ids["ollama"];
    assert_eq!((id.len(), ids.len()), (64, 1));
    assert!(*started > 1_600_000_000, "{started}");
    user.run("podman rm -f -t 0 ollama").ok();
    assert_eq!(user.ids().len(), 0);
    Ok(())
}

/// An image of nothing but the links that make the host's /usr, mounted into it, a system with a shell.
fn import_usr(user: &User) -> String {
    user.run("mkdir -p empty/usr empty/www && ln -sf usr/bin usr/lib usr/lib64 empty/").ok();
    user.run("tar -C empty -cf - . | podman import --quiet - localhost/usr:1").ok();
    "localhost/usr:1".to_owned()
}

/// A kill must fall before an effect: a held request may not reach podman.
#[test]
fn a_held_request_has_no_effect() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("machinery-request")?;
    let tap = user.tap_podman(Some(Hold::Request(2).into()))?;
    let podman = format!("unix://{}", tap.socket());

    user.run(&format!("podman --url {podman} volume create one")).ok();
    let client = user.spawn(&["podman", "--url", &podman, "volume", "create", "two"])?;
    tap.held(SOON)?;
    assert_eq!(user.run("podman volume ls -q").ok().stdout, "one\n");
    assert_eq!(client.kill().code, 128 + 9);

    // What comes after the held one passes.
    user.run(&format!("podman --url {podman} volume create three")).ok();
    assert_eq!(user.run("podman volume ls -q").ok().stdout, "one\nthree\n");
    let created = "POST /v5.4.2/libpod/volumes/create".to_owned();
    assert_eq!(tap.mutations()?, [created.clone(), created.clone(), created]);
    Ok(())
}

/// A kill must fall after an effect: of a held reply the effect is there, and the program has heard nothing.
#[test]
fn a_held_reply_has_its_effect() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("machinery-reply")?;
    let tap = user.tap_podman(Some(Hold::Reply(1).into()))?;

    let client = user.spawn(&["podman", "--url", &format!("unix://{}", tap.socket()), "volume", "create", "one"])?;
    tap.held(SOON)?;
    assert_eq!(user.run("podman volume ls -q").ok().stdout, "one\n");
    let killed = client.kill();
    assert_eq!((killed.code, killed.stdout.as_str()), (128 + 9, ""));
    Ok(())
}

/// Streams and hijacked connections must pass, or a test through the proxy fails for the proxy's sake.
#[test]
fn the_podman_proxy_passes_streams() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("machinery-streams")?;
    let image = import_usr(&user);
    let tap = user.tap_podman(None)?;
    let podman = format!("podman --url unix://{}", tap.socket());

    // Build and import send a body in chunks; run attaches; logs and events stream.
    let run = format!("echo in | {podman} run -i --name cat -v /usr:/usr:ro {image} sh -c 'cat; echo out; exit 7'");
    assert_eq!(user.run(&run).code(7).stdout, "in\nout\n");
    assert_eq!(user.run(&format!("{podman} logs cat")).ok().stdout, "in\nout\n");
    user.run(&format!("head -c 3000000 /dev/zero > zero; tar -cf - zero | {podman} import --quiet - localhost/zero:1"))
        .ok();
    user.run(&format!("{podman} image exists localhost/zero:1")).ok();
    assert!(!user.run(&format!("{podman} events --stream=false --since 1h")).ok().stdout.is_empty());
    assert_eq!(tap.mutations()?.iter().filter(|call| call.ends_with("/start")).count(), 1);
    Ok(())
}

/// The bus is counted and held like podman's socket; the handshake of another client than ours must pass too.
#[test]
fn the_bus_proxy_counts_and_holds() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("machinery-bus")?;
    user.write(".config/systemd/user/one.service", "[Service]\nExecStart=/bin/sleep 1000\n")?;
    user.run("systemctl --user daemon-reload").ok();
    let tap = user.tap_bus(Some(Hold::Reply(2).into()))?;
    let manager = "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager";
    let busctl = format!("env DBUS_SESSION_BUS_ADDRESS=unix:path={} busctl --user", tap.socket());

    user.run(&format!("{busctl} call {manager} GetUnit s one.service")).code(1);
    user.run(&format!("{busctl} call {manager} SetEnvironment as 1 A=B")).ok();
    assert!(user.run(&format!("{busctl} tree org.freedesktop.systemd1")).ok().stdout.contains("/unit"));
    let start = format!("{busctl} call {manager} StartUnit ss one.service replace");
    let client = user.spawn(&start.split(' ').collect::<Vec<_>>())?;
    tap.held(SOON)?;
    assert!(client.is_running()?);
    client.signal(Signal::KILL)?;
    assert_eq!(client.wait().stdout, "");

    // The reply comes when the job is queued; the job ends on its own.
    user.run("systemctl --user start one.service").ok();
    assert_eq!(user.unit("one.service", "ActiveState"), "active");
    assert_eq!(tap.mutations()?, ["SetEnvironment A=B", "StartUnit one.service"]);
    Ok(())
}

/// Pulls need a registry that is real, on loopback, and that a rootless user may talk to.
#[test]
fn a_registry_serves_pulls_and_asks_for_a_login() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("machinery-pull")?;
    let image = import_usr(&user);
    let registry = user.registry()?;
    let reference = format!("{}/usr:1", registry.address());

    user.run(&format!("podman push --quiet {image} {reference} && podman rmi {image}")).ok();
    user.run(&format!("podman pull --quiet {reference}")).ok();
    user.run(&format!("podman rmi {reference}")).ok();
    assert!(registry.process().is_running()?);
    drop(registry);
    assert_ne!(user.run(&format!("podman pull --quiet {reference}")).code, 0);

    user.run("htpasswd -Bbn name word > registry/htpasswd").ok();
    let registry = user.registry_with("auth: { htpasswd: { realm: test, path: registry/htpasswd } }")?;
    assert_ne!(user.run(&format!("podman pull --quiet {reference}")).code, 0);
    user.run(&format!("podman login -u name -p word {}", registry.address())).ok();
    user.run(&format!("podman pull --quiet {reference}")).ok();
    Ok(())
}
