//! Why something did not come up: the last lines of its own log. Reads only.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Real;
use crate::machine::LOG_LINES;
use crate::machine::podman::Tail;

/// A journal of several GB on a slow disk is not worth waiting for.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(3);

/// What podman itself exits with when it could not run the container's program (podman-run(1), "Exit Status").
const PODMAN_FAILED: std::ops::RangeInclusive<i32> = 125..=127;

impl Real {
    /// Of what failed, the journal since `since_us` where that is known. A container's own log tells nothing of a start that podman refused; podman's
    /// words are in the unit's journal then.
    pub(super) async fn log_of(
        &self,
        unit: Option<&str>,
        container: Option<&str>,
        since_us: Option<u64>,
        exit_status: Option<i32>,
    ) -> Vec<String> {
        let tail = if exit_status.is_some() { Tail::UpToItsEnd } else { Tail::UpToNow };
        let mut log = Vec::new();
        if let Some(container) =
            container.filter(|_| !exit_status.is_some_and(|status| PODMAN_FAILED.contains(&status)))
            && let Ok(podman) = self.podman().await
        {
            // A log that cannot be read explains nothing; the failure itself is told all the same.
            log = podman.logs_tail(container, tail).await.unwrap_or_default();
        }
        match unit {
            Some(unit) if log.is_empty() => journal(unit, since_us).await,
            _ => log,
        }
    }
}

/// The last lines of a user unit's journal, empty where it cannot be read.
async fn journal(unit: &str, since_us: Option<u64>) -> Vec<String> {
    let since_us = since_us.unwrap_or(0);
    let since = format!("@{}.{:06}", since_us / 1_000_000, since_us % 1_000_000);
    let lines = LOG_LINES.to_string();
    let reading = Command::new("journalctl")
        .args(["--user", "--quiet", "--no-pager", "--output=cat", "--lines", &lines, "--since", &since, "--unit", unit])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(JOURNAL_TIMEOUT, reading).await {
        Ok(Ok(output)) => {
            String::from_utf8_lossy(&output.stdout).lines().map(|line| line.replace(char::is_control, " ")).collect()
        }
        // No journalctl, or no answer in time.
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// The line with podman's and the kernel's words for a port that somebody holds.
pub(super) fn port_is_taken(log: &[String]) -> Option<&str> {
    log.iter().map(String::as_str).find(|line| line.to_ascii_lowercase().contains("address already in use"))
}

pub(super) fn restarts_in_words(restarts: u32) -> String {
    match restarts {
        1 => "1 restart".to_owned(),
        restarts => format!("{restarts} restarts"),
    }
}
