//! Tests that change nothing but files in their own user's home.

use super::Host;

/// Without these nothing else on the host can be trusted to mean what it says.
#[test]
fn podman_and_systemd_answer() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("readonly-answer")?;

    let podman =
        user.run("podman info --format '{{.Version.Version}} {{.Store.GraphDriverName}} {{.Host.Security.Rootless}}'");
    let podman = podman.ok();
    let words: Vec<&str> = podman.line().split(' ').collect();
    assert!(words[0].starts_with("5."), "{}", podman.line());
    assert_eq!(words[1..], ["overlay", "true"]);
    assert_eq!(user.run("systemctl --user is-system-running").ok().line(), "running");
    assert_eq!(user.run("loginctl show-user --property=Linger --value $USER").ok().line(), "yes");
    assert_eq!(user.run("cat /proc/1/comm").ok().line(), "systemd");
    Ok(())
}

/// A user is worth nothing as isolation if it can see or reach another's things.
#[test]
fn users_are_apart_and_fresh() -> anyhow::Result<()> {
    let host = Host::get()?;
    let one = host.user("readonly-one")?;
    let other = host.user("readonly-other")?;

    one.write("notes/deep/file", "text\n")?;
    assert_eq!(one.read("notes/deep/file")?, "text\n");
    assert_eq!(one.run("stat -c %U notes notes/deep notes/deep/file").ok().stdout, "readonly-one\n".repeat(3));
    assert_ne!(other.run("ls /home/readonly-one").code, 0);
    assert!((0..20).all(|n| (0..20).all(|m| one.port(n) != other.port(m))));

    let again = host.user("readonly-one")?;
    assert!(!again.exists("notes")?);
    Ok(())
}

/// What the harness says about a command must be what the host knows of it: kills are aimed by it.
#[test]
fn commands_are_seen_from_both_sides() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("readonly-commands")?;

    assert_eq!(std::fs::read_to_string(host.path("/etc/hostname")?)?, "test-host\n");
    assert_eq!(host.root("id -u; exit 3").code(3).stdout, "0\n");

    let sleep = user.spawn(&["sleep", "1000"])?;
    let pid = format!("{}", sleep.pid_inside()?);
    assert_eq!(user.run(&format!("pgrep -x -u {} sleep", user.name())).ok().line(), pid);
    assert_ne!(sleep.pid(), sleep.pid_inside()?);
    assert_eq!(sleep.kill().code, 128 + 9);
    assert_eq!(user.run(&format!("test -e /proc/{pid}")).code, 1);

    let cat = user.spawn(&["sh", "-c", "echo said; echo also >&2; exit 5"])?;
    cat.says("said", std::time::Duration::from_secs(5))?;
    let cat = cat.wait().code(5);
    assert_eq!((cat.stdout.as_str(), cat.stderr.as_str()), ("said\n", "also\n"));

    user.write("secret", "word")?;
    user.set_mode("secret", 0o600)?;
    assert_eq!(user.run("stat -c %a secret").ok().line(), "600");
    Ok(())
}

/// The installed program is the one under test, and runs as it would from a login.
#[test]
fn the_program_is_installed() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("readonly-program")?;

    assert!(user.stackctl(&["--version"]).ok().line().starts_with("stackctl "));
    assert!(user.stackctl_with(&["NO_COLOR=1"], &["--help"]).ok().stdout.contains("plan"));
    Ok(())
}
