//! Tests against real podman and real systemd, on the test host that `tests/host/host` builds and boots, and what they
//! are written with: [`Host`], [`User`](user::User), [`Output`](process::Output), [`Running`](process::Running).
//!
//! A test begins with `let host = Host::get()?; let user = host.user("drift-env")?;` and has a Linux user to itself:
//! an untouched home, a user manager, podman with an empty storage, and a block of ports (all users share the host's
//! loopback addresses). The user is removed at the end; when the test panics, and with KEEP=1, it is kept for a look:
//! `sh tests/host/host exec -u drift-env -- bash`.
//!
//! - `readonly/` may change nothing outside the test's own home, and goes first.
//! - `changing/` may do what it likes to its user, a few tests at a time.
//! - `rebooting/` may end the host, one test at a time.
//! - `recorded.rs` looks at what all of them asked of podman and systemd, and goes last.
//!
//! The kernel of the host gives no cgroup controllers: limits of memory, processors and processes can be set and read
//! back, but a container that has one does not start.

#![expect(clippy::disallowed_methods, reason = "tests are run on a machine, by its programs")]

mod ai_stack;
mod changing;
mod mounted;
pub(crate) mod planned;
mod process;
mod readonly;
mod rebooting;
mod recorded;
mod registry;
mod replacing;
mod tap;
mod user;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use process::{Output, output};
use user::User;

/// The test host, up.
#[derive(Debug)]
pub(crate) struct Host {
    script: PathBuf,
}

impl Host {
    /// The host that is up; its absence is an error that says how to get one.
    pub(crate) fn get() -> anyhow::Result<Host> {
        let host = Host { script: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/host") };
        host.leader().context("the test host is not up; run these tests with `sh tests/run`")?;
        Ok(host)
    }

    /// A fresh user of this name (small letters, digits, `-`), whatever was there before. Give it the test's name: two
    /// tests with one name would take each other's user away.
    pub(crate) fn user(&self, name: &str) -> anyhow::Result<User> {
        self.script(&["user", name])?;
        let root = PathBuf::from(self.script(&["root"])?.trim_end());
        User::find(&self.script, root.parent().context("the root is in the state folder")?, name)
    }

    /// Runs a line of shell as root.
    #[track_caller]
    pub(crate) fn root(&self, line: &str) -> Output {
        output(self.command(&["exec", "-u", "root", "--", "sh", "-c", line]))
    }

    /// Ends the host as `poweroff` does and boots it; returns when every user's bus is there, which is before the
    /// units that are enabled have started.
    pub(crate) fn reboot(&self) -> anyhow::Result<()> {
        self.script(&["reboot"]).map(drop)
    }

    /// Kills everything at once and boots. What was written is kept even if it was not synced: the machine's page cache
    /// lives on, as it would not through a power cut.
    pub(crate) fn crash(&self) -> anyhow::Result<()> {
        self.script(&["crash"]).map(drop)
    }

    /// The PID of the host's init, as seen from this machine.
    pub(crate) fn leader(&self) -> anyhow::Result<u32> {
        Ok(self.script(&["leader"])?.trim().parse()?)
    }

    /// A path of the host, as reached from this machine; also below its own mounts, such as /run.
    pub(crate) fn path(&self, inside: &str) -> anyhow::Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root", self.leader()?)).join(inside.trim_start_matches('/')))
    }

    fn script(&self, words: &[&str]) -> anyhow::Result<String> {
        let output = output(self.command(words));
        ensure!(output.code == 0, "`host {}` ended with {}: {}", words.join(" "), output.code, output.stderr);
        Ok(output.stdout)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.script);
        command.args(words);
        command
    }
}
