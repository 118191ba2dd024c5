//! Inside the user namespace of this user's containers, where the files of their own users can be read and given to them: by this very
//! program, through `podman unshare`. Each call is one entry, which takes some 50 ms.

#![expect(clippy::disallowed_methods, reason = "the program finds itself")]

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// For an answer: to enter takes 50 ms, to read far less.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Where terabytes are copied or removed.
pub const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Runs a hidden verb of this program there, which takes its question on stdin, in one line, and prints its answer. Stdin stays open
/// until then, so that who is asked can tell whether somebody still waits.
///
/// # Errors
/// It did not come to an answer; why, in words.
pub async fn ask<T: DeserializeOwned>(verb: &str, question: &impl Serialize, patience: Duration) -> Result<T, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new("podman")
        .arg("unshare")
        .arg(program)
        .arg(verb)
        // With a socket named there, podman takes itself for a client of another machine and enters nothing.
        .env_remove("CONTAINER_HOST")
        .env_remove("CONTAINER_CONNECTION")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("podman unshare: {error}"))?;
    let mut text = serde_json::to_vec(question).map_err(|error| error.to_string())?;
    text.push(b'\n');
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin.write_all(&text).await.map_err(|error| error.to_string())?;
    }
    let output = tokio::time::timeout(patience, child.wait_with_output()).await;
    drop(stdin);
    let output = output.map_err(|_| format!("no answer within {} s", patience.as_secs()))?;
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// For who is asked: ends when whoever asked does not wait for an answer any more.
pub async fn asker_is_gone() {
    let mut more = [0; 1];
    while tokio::io::stdin().read(&mut more).await.is_ok_and(|count| count > 0) {}
}
