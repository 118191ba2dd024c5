//! Starting and stopping units: a job of systemd, and what became of the unit when the job had ended.
//!
//! The signals are subscribed before a job is asked for, so that none is missed. That a job ended as `done` does not
//! mean that the unit is up (a `Type=simple` service may be dead by then), and that it failed does not mean that the unit
//! stays down: `Restart=` may bring it up a moment later. So the unit is watched until it stays up or stays down.

use std::time::Duration;

use futures_util::stream::Stream;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};
use zbus::OwnedObjectPath;
use zbus::fdo::PropertiesProxy;
use zbus::proxy::CacheProperties;

use super::error::{Error, Verdict};
use super::{Handle, Systemd, call};

/// How long systemd's own restarts are waited for, from the moment the unit was first seen down. With the defaults
/// (`RestartSec=100ms`, 5 starts in 10 s) the start limit ends them in far less.
const RECOVERY_MAX: Duration = Duration::from_secs(15);

/// What a job may take beyond the timeout that its unit says: systemd itself ends it then, with SIGTERM and, after another
/// 90 s by default (`DefaultTimeoutStopSec=`), with SIGKILL; only its own end tells what became of the unit.
const END_MARGIN: Duration = Duration::from_secs(95);

/// Looks between two signals, should one get lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Restart,
    Stop,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Restart => "restart",
            Verb::Stop => "stop",
        }
    }
}

/// Where a unit is, as far as waiting for it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Up,
    /// On its way up or down, or waiting for its next restart.
    Between,
    Down,
}

pub(super) fn phase(active: &str, sub: &str) -> Phase {
    match (active, sub) {
        ("active" | "reloading" | "refreshing", _) => Phase::Up,
        // systemd 254 and later pass through these on the way to `auto-restart`.
        (_, "failed-before-auto-restart" | "dead-before-auto-restart") => Phase::Between,
        ("inactive" | "failed", _) => Phase::Down,
        _ => Phase::Between,
    }
}

/// A start or restart as it was asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    unit: &'a str,
    verb: Verb,
    /// How long it must stay up to count as started.
    settle: Duration,
    deadline: Instant,
    timeout: Duration,
}

impl Systemd {
    /// Returns at once where the unit is active already and is to be started.
    pub(super) async fn start(
        &self,
        unit: &str,
        verb: Verb,
        settle: Duration,
        timeout: Duration,
        alive: impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let what = format!("{} {unit}", verb.word());
        let deadline = Instant::now() + timeout + END_MARGIN;
        let handle = call(what.clone(), self.handle(unit)).await?;
        let load = call(what.clone(), handle.unit.load_state()).await?;
        match load.as_str() {
            "loaded" => {}
            "not-found" => return Err(Error::NoSuchUnit { unit: unit.to_owned() }),
            _ => return Err(Error::Unusable { unit: unit.to_owned(), load }),
        }
        let (active, sub) =
            call(what.clone(), async { tokio::try_join!(handle.unit.active_state(), handle.unit.sub_state()) }).await?;
        let before = phase(&active, &sub);
        if verb == Verb::Start && before == Phase::Up {
            return Ok(());
        }
        // systemd forgets an inactive unit that nothing refers to, and with it how it ended. The reference ends with the
        // connection at the latest, so that giving it back may fail.
        call(what.clone(), self.manager.ref_unit(unit)).await?;
        self.forget_failures(unit, &what).await?;
        let asked = Asked { unit, verb, settle, deadline, timeout };
        let mut result = self.start_and_watch(&asked, &handle, &alive).await;
        // An activation that was under way already may have begun before what it needs was there (its container, made a
        // moment ago), so that its end says nothing about a start that is asked for now.
        if before == Phase::Between && matches!(result, Err(Error::NotUp { .. })) {
            self.forget_failures(unit, &what).await?;
            result = self.start_and_watch(&asked, &handle, &alive).await;
        }
        drop(self.manager.unref_unit(unit).await);
        result
    }

    /// Forgets that the unit has failed, and with it how often it was started lately: a start that somebody asks for is not
    /// one of a crash loop, and must not end at the start limit. It may have been unloaded meanwhile.
    async fn forget_failures(&self, unit: &str, what: &str) -> Result<(), Error> {
        match self.manager.reset_failed_unit(unit).await {
            Err(source) if !super::error::is_missing(&source) => Err(Error::Call { what: what.to_owned(), source }),
            _ => Ok(()),
        }
    }

    async fn start_and_watch(
        &self,
        asked: &Asked<'_>,
        handle: &Handle,
        alive: &impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let Asked { unit, verb, settle: _, deadline, timeout } = *asked;
        let what = format!("{} {unit}", verb.word());
        call(what.clone(), self.subscribe()).await?;
        let mut changes = Box::pin(call(what.clone(), self.changes(handle)).await?);
        let job = self.job(unit, verb, &what, deadline, timeout).await?;
        self.settled(asked, handle, &job, &mut changes, alive).await
    }

    /// Returns at once where the unit does not run.
    pub(super) async fn stop(&self, unit: &str, timeout: Duration) -> Result<(), Error> {
        let what = format!("stop {unit}");
        let deadline = Instant::now() + timeout + END_MARGIN;
        let handle = call(what.clone(), self.handle(unit)).await?;
        let (active, sub) =
            call(what.clone(), async { tokio::try_join!(handle.unit.active_state(), handle.unit.sub_state()) }).await?;
        if phase(&active, &sub) == Phase::Down {
            return Ok(());
        }
        let result = self.job(unit, Verb::Stop, &what, deadline, timeout).await?;
        let (active, sub) =
            call(what, async { tokio::try_join!(handle.unit.active_state(), handle.unit.sub_state()) }).await?;
        match phase(&active, &sub) {
            // Killed after its stop timeout, the job has failed and the unit is down all the same.
            Phase::Down => Ok(()),
            Phase::Up | Phase::Between => Err(Error::NotStopped { unit: unit.to_owned(), result }),
        }
    }

    /// Asks for a job and waits for its end; the answer is its result.
    async fn job(
        &self,
        unit: &str,
        verb: Verb,
        what: &str,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<String, Error> {
        call(what.to_owned(), self.subscribe()).await?;
        let mut removed = call(what.to_owned(), self.manager.receive_job_removed()).await?;
        let job: OwnedObjectPath = call(what.to_owned(), async {
            match verb {
                Verb::Start => self.manager.start_unit(unit, "replace").await,
                Verb::Restart => self.manager.restart_unit(unit, "replace").await,
                Verb::Stop => self.manager.stop_unit(unit, "replace").await,
            }
        })
        .await?;
        loop {
            let signal = match timeout_at(deadline, removed.next()).await {
                Ok(Some(signal)) => signal,
                Ok(None) => return Err(Error::Broken { what: what.to_owned() }),
                Err(_) => return Err(Error::Slow { what: what.to_owned(), after: timeout + END_MARGIN }),
            };
            let ended = call(what.to_owned(), async { signal.args() }).await?;
            if ended.job == job {
                return Ok(ended.result);
            }
        }
    }

    async fn changes(&self, handle: &Handle) -> zbus::Result<impl Stream<Item = ()> + use<>> {
        let properties = PropertiesProxy::builder(self.manager.inner().connection())
            .destination("org.freedesktop.systemd1")
            .path(handle.unit.inner().path().to_owned())
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(properties.receive_properties_changed().await?.map(|_| ()))
    }

    /// Watches until the unit has been up for `settle` without a restart, or is down for good.
    async fn settled(
        &self,
        asked: &Asked<'_>,
        handle: &Handle,
        job: &str,
        changes: &mut (impl Stream<Item = ()> + Unpin),
        alive: &impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let Asked { unit, verb: _, settle, deadline, timeout: _ } = *asked;
        let what = format!("start {unit}");
        let not_up = |verdict| Err(Error::NotUp { unit: unit.to_owned(), verdict: Box::new(verdict) });
        let mut up_since: Option<(Instant, u32)> = None;
        let mut give_up_at: Option<Instant> = None;
        let mut exit_status = 0;
        loop {
            // One look answers all changes that were told by now; a start tells of a dozen.
            while let Some(Some(())) = changes.next().now_or_never() {}
            let mut verdict = call(what.clone(), handle.verdict(job)).await?;
            // Each restart clears it; how the last one ended is what explains a unit that keeps restarting.
            match verdict.exit_status {
                0 if verdict.restarts > 0 => verdict.exit_status = exit_status,
                status => exit_status = status,
            }
            let now = Instant::now();
            let mut next = now + LOOK_EVERY;
            match phase(&verdict.active, &verdict.sub) {
                Phase::Up => {
                    let since = match up_since {
                        Some((since, restarts)) if restarts == verdict.restarts => since,
                        _ => now,
                    };
                    up_since = Some((since, verdict.restarts));
                    let is_over = since + settle <= now;
                    // What has ended is cleaned up before systemd hears of it, which takes podman up to half a second.
                    if is_over && (settle.is_zero() || since + RECOVERY_MAX <= now || alive().await) {
                        return Ok(());
                    }
                    if !is_over {
                        next = next.min(since + settle);
                    }
                }
                Phase::Down if handle.has_done_its_work(&verdict).await => return Ok(()),
                Phase::Down => return not_up(verdict),
                Phase::Between => up_since = None,
            }
            // A unit that goes up and down without end is not up, however long it holds out in between.
            if up_since.is_none() || verdict.restarts > 0 {
                let give_up_at = *give_up_at.get_or_insert(now + RECOVERY_MAX + settle);
                if now >= give_up_at.min(deadline) {
                    return not_up(verdict);
                }
            }
            // Both a change and none in this time mean another look.
            if let Ok(None) = timeout_at(next, changes.next()).await {
                return Err(Error::Broken { what });
            }
        }
    }
}

impl Handle {
    async fn verdict(&self, job: &str) -> zbus::Result<Verdict> {
        let unit = &self.unit;
        let (active, sub, condition) =
            tokio::try_join!(unit.active_state(), unit.sub_state(), unit.condition_result())?;
        let mut verdict = Verdict { job: job.to_owned(), active, sub, condition, ..Verdict::default() };
        if let Some(service) = &self.service {
            (verdict.result, verdict.exit_status, verdict.restarts) =
                tokio::try_join!(service.result(), service.exec_main_status(), service.restarts())?;
        }
        Ok(verdict)
    }

    /// A `Type=oneshot` service without `RemainAfterExit=` is inactive once it has succeeded.
    async fn has_done_its_work(&self, verdict: &Verdict) -> bool {
        let ended_well =
            verdict.job == "done" && verdict.active == "inactive" && verdict.result == "success" && verdict.condition;
        match &self.service {
            Some(service) if ended_well => service.service_type().await.is_ok_and(|kind| kind == "oneshot"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, phase};

    #[test]
    fn a_unit_that_will_be_restarted_is_not_down() {
        for (active, sub, expected) in [
            ("active", "running", Phase::Up),
            ("reloading", "reload", Phase::Up),
            ("activating", "start", Phase::Between),
            ("activating", "auto-restart", Phase::Between),
            ("failed", "failed-before-auto-restart", Phase::Between),
            ("inactive", "dead-before-auto-restart", Phase::Between),
            ("deactivating", "stop-sigterm", Phase::Between),
            ("failed", "failed", Phase::Down),
            ("inactive", "dead", Phase::Down),
        ] {
            assert_eq!(phase(active, sub), expected, "{active} ({sub})");
        }
    }
}
