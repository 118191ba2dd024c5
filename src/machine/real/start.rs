//! Calls of the user manager, with what podman knows of the container behind a unit: progress while it comes up, its log
//! when it does not, and another try where the port of the one before was not free yet.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Real;
use super::explain::{port_is_taken, restarts_in_words};
use super::wait::{LOOK_EVERY, Subject};
use crate::effect::{Files, Systemd as Call, there};
use crate::machine::systemd::{Error, Systemd};
use crate::machine::{Failure, Progress, clock, files, http};
use crate::observed::{self, Health};
use crate::probe::Probe;

/// A port stays taken for some 20 ms after a container of it was stopped (3 of 6 immediate cycles with pasta).
const PORT_RETRIES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// A port that is not free after this long belongs to somebody who keeps it; systemd's own restarts count.
const PORT_PATIENCE: Duration = Duration::from_secs(3);

/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Real {
    pub(super) async fn perform_systemd(&self, call: &Call, progress: &Progress<'_>) -> Result<(), Failure> {
        let systemd = self.systemd().await?;
        let word = self.word_that_it_is_there(call).await;
        let result = self.perform_with_retries(&systemd, call, progress).await;
        // The unit took it, unless it ran already.
        drop(word.map(|path| files::perform(&Files::Remove { path })));
        result
    }

    /// Spares the unit to ask podman itself. Without it all goes the same way, and takes longer.
    async fn word_that_it_is_there(&self, call: &Call) -> Option<PathBuf> {
        let Call::Start { container: Some(name), .. } = call else { return None };
        self.podman().await.ok()?.exists(name).await.ok().filter(|exists| *exists)?;
        let path = self.options.runtime_dir.join(there(name));
        files::perform(&Files::Write { path: path.clone(), content: String::new(), mode: 0o600 }).ok()?;
        Some(path)
    }

    async fn perform_with_retries(
        &self,
        systemd: &Systemd,
        call: &Call,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let mut pauses = PORT_RETRIES.into_iter();
        let started = Instant::now();
        loop {
            let since_us = clock::now_us();
            let result = tokio::select! {
                result = systemd.perform(call, async || self.runs(call).await) => result,
                failure = self.given_up(call) => return Err(failure),
                never = self.tell(systemd, call, progress) => match never {},
            };
            let error = match result {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let exit_status = match &error {
                Error::NotUp { verdict, .. } => verdict.exit_status,
                _ => return Err(error.into()),
            };
            let (Call::Start { unit, container, .. } | Call::Restart { unit, container, .. }) = call else {
                return Err(error.into());
            };
            let log = self.log_of(Some(unit), container.as_deref(), Some(since_us), Some(exit_status)).await;
            let taken = port_is_taken(&log).map(str::to_owned);
            match (taken, pauses.next()) {
                (Some(_), Some(pause)) if started.elapsed() < PORT_PATIENCE => {
                    progress("its port is not free yet; trying again");
                    sleep(pause).await;
                }
                (taken, _) => {
                    let mut failure = Failure::from(error).log(log);
                    if let Some(words) = taken {
                        failure.message.push_str(": ");
                        failure.message.push_str(words.trim());
                        failure.hint = Some("stackctl plan names who holds the port".to_owned());
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// Is there still a process in the container that was started? What cannot be told counts as yes.
    async fn runs(&self, call: &Call) -> bool {
        let (Call::Start { container: Some(name), .. } | Call::Restart { container: Some(name), .. }) = call else {
            return true;
        };
        let Ok(podman) = self.podman().await else { return true };
        match podman.inspect(name).await {
            Ok(Some(container)) => container.is_running(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Ends only where the unit's start would go on waiting for a check that has failed for good: podman says nothing to
    /// systemd then, which waits for its own timeout.
    async fn given_up(&self, call: &Call) -> Failure {
        let (Call::Start { unit, container, healthy_within, .. }
        | Call::Restart { unit, container, healthy_within, .. }) = call
        else {
            return std::future::pending().await;
        };
        let (Some(name), Some(healthy_within)) = (container, healthy_within) else {
            return std::future::pending().await;
        };
        let mut runs_since = None;
        loop {
            sleep(LOOK_EVERY).await;
            let Ok(podman) = self.podman().await else { continue };
            let Ok(found) = podman.inspect(name).await else { continue };
            let Some(found) = found.filter(observed::Container::is_running) else {
                runs_since = None;
                continue;
            };
            let runs_for = runs_since.get_or_insert_with(Instant::now).elapsed();
            if found.health == Some(Health::Unhealthy) || runs_for >= *healthy_within {
                let reading = self.probe(&Probe::Container { name: name.clone() }, *healthy_within).await;
                let message = format!("{name} did not become healthy in {}", http::in_words(runs_for));
                let subject = Subject { name, container: Some(name), unit: Some(unit) };
                return self.not_up(subject, message, Some(&reading), None).await;
            }
        }
    }

    /// Tells once a second how a start goes; ends only with the call.
    async fn tell(&self, systemd: &Systemd, call: &Call, progress: &Progress<'_>) -> Infallible {
        let (unit, container, timeout) = match call {
            Call::Start { unit, container, timeout, .. } | Call::Restart { unit, container, timeout, .. } => {
                (unit, container.as_deref(), *timeout)
            }
            Call::Stop { unit, timeout } => (unit, None, *timeout),
            Call::Reload | Call::Enable { .. } | Call::Disable { .. } => return std::future::pending().await,
        };
        let started = Instant::now();
        loop {
            sleep(TELL_EVERY).await;
            let mut words = Vec::new();
            if let Some(health) = self.health_in_words(container).await {
                words.push(health);
            }
            if let Some(restarts) = systemd.restarts(unit).await.filter(|restarts| *restarts > 0) {
                words.push(restarts_in_words(restarts));
            }
            let left = timeout.saturating_sub(started.elapsed());
            words.push(format!("{} left", http::in_words(Duration::from_secs(left.as_secs()))));
            progress(&words.join(", "));
        }
    }

    async fn health_in_words(&self, container: Option<&str>) -> Option<String> {
        let log = self.podman().await.ok()?.health_log(container?).await.ok()??;
        let word = match log.health? {
            Health::Starting => "health check starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        };
        Some(match log.output.as_str() {
            "" => word.to_owned(),
            output => format!("{word}: {output}"),
        })
    }
}
