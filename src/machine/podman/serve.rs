//! An API service of our own, for machines where nothing listens at podman's socket.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a service is started here, and waited for")]

use std::env;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Podman;
use crate::machine::{Failure, FailureKind};

/// It ends by itself after so long without a connection; an apply that waits for a container keeps connections coming.
const IDLE_SECONDS: &str = "30";
/// Podman starts in 60 ms, its first start for a user (new storage, a user namespace) in a few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts `podman system service` at `socket`, unless one answers there, and waits until it answers. It outlives this
/// process and ends when it is idle. The socket's directory is made, for this user alone.
///
/// # Errors
/// There is no podman, or it ended or kept silent instead of answering; its own words are in the message.
pub async fn serve(socket: &Path) -> Result<(), Failure> {
    let podman = Podman::new(&socket.display().to_string())?;
    if podman.engine().await.is_ok() {
        return Ok(());
    }
    let failed = |what: &str, error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(FailureKind::NotFound, format!("{what}: there is no such program"))
            .hint("install podman (5.0 or later) and what it needs for rootless use:\nsudo apt install podman uidmap"),
        _ => Failure::new(FailureKind::Refused, format!("{what}: {error}")),
    };
    if let Some(directory) = socket.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| Failure::new(FailureKind::Refused, format!("{}: {error}", directory.display())))?;
    }
    // A file, not a pipe: a pipe that nobody reads any more would end the service at its first warning.
    let log = socket.with_extension("log");
    let stderr = File::create(&log)
        .map_err(|error| Failure::new(FailureKind::Refused, format!("{}: {error}", log.display())))?;
    let mut command = Command::new("podman");
    // Without it podman makes an empty ~/.config at every start (containers/storage, pkg/homedir), and looking may leave
    // nothing behind outside podman's own storage.
    if let (None, Some(home)) = (env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME")) {
        command.env("XDG_CONFIG_HOME", Path::new(&home).join(".config"));
    }
    let mut child = command
        .args(["system", "service", "--time", IDLE_SECONDS])
        .arg(format!("unix://{}", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        // Not ended by a Ctrl-C that is meant for us: the step in hand is finished first.
        .process_group(0)
        .spawn()
        .map_err(|error| failed("podman system service", &error))?;

    let answers = async {
        let mut pause = Duration::from_millis(10);
        while podman.engine().await.is_err() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    };
    tokio::select! {
        () = answers => Ok(()),
        status = child.wait() => {
            let words = last_words(&log);
            let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(Failure::new(FailureKind::Refused, format!("podman system service ended: {ended}: {words}")))
        }
        () = tokio::time::sleep(PATIENCE) => Err(Failure::new(
            FailureKind::Timeout,
            format!("podman system service did not answer at {} within {} s", socket.display(), PATIENCE.as_secs()),
        )),
    }
}

/// The last line that the service wrote before it ended.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| format!("{}: {error}", log.display()));
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given").to_owned()
}
