//! Waiting for what was started: healthy by its probe, completed, or running; and giving up early where it cannot come
//! any more. Changes nothing.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Real;
use super::explain::restarts_in_words;
use super::look::look_data;
use crate::effect::Wait;
use crate::machine::{Failure, FailureKind, Progress, clock, data, http, systemd};
use crate::observed::data::{Engine, Requirement};
use crate::observed::{ContainerState, ProbeReading, Unit};
use crate::probe::{Probe, Readiness};

/// Pauses between probes while a server starts: quick at first, for most are up in a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const START_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Between two looks at something that is to run.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Without a unit podman's own restart policy may bring a container up again; after so long it did not.
const DOWN_FOR_GOOD: Duration = Duration::from_secs(2);

/// With systemd's default pause between restarts (100 ms) one that ends at once has ended again by then.
const NEXT_END: Duration = Duration::from_secs(2);

/// A program may answer, and crash the moment after: what has just begun to answer counts as healthy when it still does.
const CALM: Duration = Duration::from_millis(150);
/// One that crashes again and again may answer each time.
const CALM_AFTER_RESTARTS: Duration = Duration::from_secs(2);

/// What is waited for, and whose log and state explain its failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) container: Option<&'a str>,
    pub(super) unit: Option<&'a str>,
}

/// What became of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running {
        /// None where that is not told.
        since_us: Option<u64>,
    },
    /// Not yet, or not at the moment; with how it ended last, where it was restarted after a failure.
    Between {
        exit_code: Option<i32>,
    },
    Down {
        exit_code: Option<i32>,
    },
    Unknown,
}

/// It is down and stays down.
#[derive(Clone, Copy, Debug)]
struct Ended {
    exit_code: Option<i32>,
}

impl Real {
    pub(super) async fn wait(&self, wait: &Wait, progress: &Progress<'_>) -> Result<(), Failure> {
        match wait {
            Wait::Healthy { subject, readiness, container, unit } => {
                let subject = Subject { name: subject, container: container.as_deref(), unit: unit.as_deref() };
                self.wait_healthy(subject, readiness, progress).await
            }
            Wait::Running { subject, container, unit, timeout } => {
                let subject = Subject { name: subject, container: container.as_deref(), unit: unit.as_deref() };
                self.wait_running(subject, *timeout, progress).await
            }
            Wait::Holds { subject, path, wanted, within } => {
                wait_until_it_holds(subject, path, wanted, *within, progress).await
            }
            Wait::Completed { container, timeout } => {
                let subject = Subject { name: container, container: Some(container), unit: None };
                self.wait_completed(subject, *timeout, progress).await
            }
        }
    }

    /// As Compose counts: a failed probe in the start period is none, and after it `retries` failures in a row end the
    /// wait. The first interval after the start period is part of the patience, since the first check comes at its end.
    async fn wait_healthy(
        &self,
        subject: Subject<'_>,
        readiness: &Readiness,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let deadline = readiness.deadline();
        let counts_from = readiness.start_period + readiness.interval;
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        let mut down_since = None;
        let mut failed_last = None;
        loop {
            let at = started.elapsed();
            let (reading, life) = tokio::join!(self.probe(&readiness.probe, readiness.timeout), self.life(subject));
            if let Life::Between { exit_code: Some(code) } = life {
                failed_last = Some(code);
            }
            // A probe that another program answers on the same port is no sign of life.
            let podman_counts = matches!(readiness.probe, Probe::Container { .. });
            let is_young = !podman_counts && self.is_young(subject, life).await;
            if reading.passed && !is_young && !matches!(life, Life::Down { .. }) {
                return Ok(());
            }
            if let Some(Ended { exit_code }) = self.down_for_good(subject, life, &mut down_since) {
                let ended = exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
                let message = format!("{} ended{ended} before it was healthy", subject.name);
                return Err(self.not_up(subject, message, Some(&reading), None).await);
            }
            // Podman counts its own checks; here only their outcome is read.
            if at >= counts_from && !podman_counts && !reading.passed {
                failures += 1;
            }
            let gave_up = podman_counts && reading.answer.starts_with("unhealthy");
            if failures >= readiness.retries.max(1) || gave_up || started.elapsed() >= deadline {
                let after = http::in_words(started.elapsed());
                let message = format!("{} did not become healthy in {after}", subject.name);
                let failed_last = match failed_last {
                    None => self.next_end(subject).await,
                    seen => seen,
                };
                return Err(self.not_up(subject, message, Some(&reading), failed_last).await);
            }
            let left = deadline.saturating_sub(started.elapsed());
            self.tell_wait(subject, Some(&reading), left, progress).await;
            let next = if reading.passed {
                CALM
            } else if at < counts_from || podman_counts {
                let quick = pause.min(START_PAUSE_MAX);
                pause = quick.mul_f32(1.5);
                quick
            } else {
                readiness.interval.saturating_sub(started.elapsed().saturating_sub(at))
            };
            sleep_until((Instant::now() + next).min(started + deadline)).await;
        }
    }

    async fn wait_running(
        &self,
        subject: Subject<'_>,
        timeout: Duration,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let mut down_since = None;
        loop {
            let life = self.life(subject).await;
            if matches!(life, Life::Running { .. }) {
                return Ok(());
            }
            if let Some(Ended { exit_code }) = self.down_for_good(subject, life, &mut down_since) {
                let ended = exit_code.map_or_else(String::new, |code| format!(": exit code {code}"));
                return Err(self.not_up(subject, format!("{} does not run{ended}", subject.name), None, None).await);
            }
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                let message = format!("{} does not run after {}", subject.name, http::in_words(timeout));
                return Err(self.not_up(subject, message, None, None).await);
            }
            self.tell_wait(subject, None, left, progress).await;
            sleep(LOOK_EVERY.min(left)).await;
        }
    }

    async fn wait_completed(
        &self,
        subject: Subject<'_>,
        timeout: Duration,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let podman = self.podman().await?;
        let code = tokio::select! {
            code = tokio::time::timeout(timeout, podman.wait_exit(subject.name)) => code,
            never = self.tell_completing(subject, timeout, progress) => match never {},
        };
        let message = match code {
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(code)) => format!("{} ended with exit code {code}", subject.name),
            Ok(Err(failure)) => return Err(failure),
            Err(_) => format!("{} has not completed in {}", subject.name, http::in_words(timeout)),
        };
        Err(self.not_up(subject, message, None, None).await)
    }

    /// Ends only with the wait.
    async fn tell_completing(&self, subject: Subject<'_>, timeout: Duration, progress: &Progress<'_>) -> Infallible {
        let started = Instant::now();
        loop {
            sleep(START_PAUSE_MAX).await;
            self.tell_wait(subject, None, timeout.saturating_sub(started.elapsed()), progress).await;
        }
    }

    /// The unit's state where there is one, for systemd restarts it; else the container's.
    async fn life(&self, subject: Subject<'_>) -> Life {
        if let Some(unit) = subject.unit
            && let Ok(systemd) = self.systemd().await
        {
            return match systemd.detailed(&[unit.to_owned()].into()).await {
                Ok(units) => match units.first() {
                    Some(unit) if unit.is_active() => {
                        Life::Running { since_us: unit.details.as_ref().map(|details| details.active_since_us) }
                    }
                    Some(unit) if !systemd::is_down(unit) => Life::Between { exit_code: failed_with(unit) },
                    Some(unit) => Life::Down { exit_code: unit.details.as_ref().map(|details| details.exit_status) },
                    None => Life::Down { exit_code: None },
                },
                Err(_) => Life::Unknown,
            };
        }
        let (Some(container), Ok(podman)) = (subject.container, self.podman().await) else { return Life::Unknown };
        match podman.inspect(container).await {
            Ok(Some(container)) if container.is_running() => Life::Running { since_us: None },
            Ok(Some(container)) if container.state == ContainerState::Exited => {
                Life::Down { exit_code: Some(container.exit_code) }
            }
            Ok(Some(_)) => Life::Between { exit_code: None },
            Ok(None) => Life::Down { exit_code: None },
            Err(_) => Life::Unknown,
        }
    }

    /// It answers, but may be about to crash, as it did before if it was restarted; or has crashed since.
    async fn is_young(&self, subject: Subject<'_>, life: Life) -> bool {
        let since_us = match life {
            Life::Running { since_us: Some(since_us) } => since_us,
            Life::Between { .. } => return true,
            Life::Running { since_us: None } | Life::Down { .. } | Life::Unknown => return false,
        };
        let up_for = Duration::from_micros(clock::now_us().saturating_sub(since_us));
        up_for < CALM || (up_for < CALM_AFTER_RESTARTS && self.restarts(subject).await.is_some())
    }

    /// With a unit at once; a bare container may be restarted by podman a moment later.
    fn down_for_good(&self, subject: Subject<'_>, life: Life, since: &mut Option<Instant>) -> Option<Ended> {
        let Life::Down { exit_code } = life else {
            *since = None;
            return None;
        };
        let since = *since.get_or_insert_with(Instant::now);
        (subject.unit.is_some() || since.elapsed() >= DOWN_FOR_GOOD).then_some(Ended { exit_code })
    }

    /// How one that is restarted again and again ends: that is seen only between an end and the next start.
    async fn next_end(&self, subject: Subject<'_>) -> Option<i32> {
        self.restarts(subject).await?;
        let until = Instant::now() + NEXT_END;
        while Instant::now() < until {
            match self.life(subject).await {
                Life::Between { exit_code: Some(code) } | Life::Down { exit_code: Some(code) } => return Some(code),
                Life::Running { .. }
                | Life::Between { exit_code: None }
                | Life::Down { exit_code: None }
                | Life::Unknown => {}
            }
            sleep(FIRST_PAUSE / 2).await;
        }
        None
    }

    async fn restarts(&self, subject: Subject<'_>) -> Option<u32> {
        let restarts = self.systemd().await.ok()?.restarts(subject.unit?).await?;
        (restarts > 0).then_some(restarts)
    }

    async fn tell_wait(
        &self,
        subject: Subject<'_>,
        reading: Option<&ProbeReading>,
        left: Duration,
        progress: &Progress<'_>,
    ) {
        let answer = reading.map(|reading| reading.answer.clone());
        let restarts = self.restarts(subject).await.map(restarts_in_words);
        let left = format!("{} left", http::in_words(Duration::from_secs(left.as_secs())));
        let words: Vec<String> = answer.into_iter().chain(restarts).chain([left]).collect();
        progress(&words.join(", "));
    }

    /// `exit_code` is how it ended last before systemd restarted it, where that is not in the message.
    pub(super) async fn not_up(
        &self,
        subject: Subject<'_>,
        mut message: String,
        reading: Option<&ProbeReading>,
        exit_code: Option<i32>,
    ) -> Failure {
        if let Some(reading) = reading {
            message.push_str(": last answer: ");
            message.push_str(&reading.answer);
        }
        if let Some(restarts) = self.restarts(subject).await {
            if let Some(code) = exit_code {
                message.push_str(", exit code ");
                message.push_str(&code.to_string());
            }
            message.push_str(", ");
            message.push_str(&restarts_in_words(restarts));
        }
        let log = self.log_of(subject.unit, subject.container, None, exit_code).await;
        Failure::new(FailureKind::NotUp, message).log(log)
    }
}

/// How a unit that systemd is about to restart has ended.
fn failed_with(unit: &Unit) -> Option<i32> {
    unit.details.as_ref().map(|details| details.exit_status).filter(|status| *status != 0)
}
/// A program may make its tables some time after it is healthy.
async fn wait_until_it_holds(
    subject: &str,
    path: &Path,
    wanted: &Requirement,
    within: Duration,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let questions: data::Questions = [(path.to_owned(), Engine::Sqlite)].into();
    let started = Instant::now();
    loop {
        let reading = look_data(&questions).await.remove(path).unwrap_or_default();
        let Some(unmet) = wanted.unmet(&reading) else { return Ok(()) };
        if started.elapsed() >= within {
            let words = format!("{} is not what the contract of {subject} says: {unmet}", path.display());
            return Err(Failure::new(FailureKind::NotUp, words));
        }
        progress(&unmet);
        sleep(LOOK_EVERY).await;
    }
}
