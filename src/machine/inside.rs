//! Inside the user namespace of this user's containers, where the files of their own users can be read and given to them: by this very
//! program, through `podman unshare`. Each call is one entry, which takes some 50 ms.

#![expect(clippy::disallowed_methods, reason = "the program finds itself")]

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// For an answer: to enter takes 50 ms, to read far less.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a hidden verb of this program there, which takes its question on stdin and prints its answer.
///
/// # Errors
/// It did not come to an answer; why, in words.
pub async fn ask<T: DeserializeOwned>(verb: &str, question: &impl Serialize) -> Result<T, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new("podman")
        .arg("unshare")
        .arg(program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("podman unshare: {error}"))?;
    let text = serde_json::to_vec(question).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).await.map_err(|error| error.to_string())?;
    }
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
