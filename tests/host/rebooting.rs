//! Tests that end the host; they run one at a time, after all others.

mod ai_stack;
mod contract;
mod replace;

use super::Host;
use super::user::User;

/// What is enabled comes back after a clean end and after a sudden one, and what is not does not.
#[test]
fn an_enabled_unit_comes_back() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("rebooting-unit")?;
    let unit =
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=default.target\n";
    user.write(".config/systemd/user/enabled.service", unit)?;
    user.write(".config/systemd/user/disabled.service", unit)?;
    user.run("systemctl --user daemon-reload && systemctl --user enable enabled.service").ok();
    user.run("systemctl --user start enabled.service disabled.service").ok();
    assert_eq!(active(&user), ["active", "active"]);

    let before = boot(&user);
    host.reboot()?;
    assert_ne!(boot(&user), before);
    assert_eq!(active(&user), ["active", "inactive"]);

    let before = boot(&user);
    host.crash()?;
    assert_ne!(boot(&user), before);
    assert_eq!(active(&user), ["active", "inactive"]);
    Ok(())
}

/// Waits for the boot to settle first.
fn active(user: &User) -> [String; 2] {
    user.run("systemctl --user is-system-running --wait").ok();
    [user.unit("enabled.service", "ActiveState"), user.unit("disabled.service", "ActiveState")]
}

/// Names one life of the host: when its init started.
fn boot(user: &User) -> String {
    user.run("stat -c %.9Y /proc/1").ok().line().to_owned()
}
