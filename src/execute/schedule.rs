//! The walk: unit files first, the changes in parallel, unit files last, with at most one reload of systemd on each side.
//! The first reload goes on beside what needs no systemd (to create a container takes as long); what does waits for it.
//! Everything runs on one thread, so that no row of the journal and no event can overtake another.
//!
//! ## Why
//! A change is settled, which means that its fate is written and told, once: where unit files of it are still to be
//! removed or taken back, only after the walk. From a change's commit on nothing of it is undone (`work.rs`).

use std::cell::OnceCell;

use futures_util::future::{join, ready};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;

use crate::change::Change;
use crate::execute::ready::Ready;
use crate::execute::work::{Reload, Work, failed, reload};
use crate::execute::{Cancel, Event, Fate, Journal, Options, Run};
use crate::machine::{Failure, Perform};
use crate::plan::Plan;

/// Carries the plan out. Every change of the plan has a fate in the answer, unless the plan itself is refused.
pub async fn execute(
    plan: &Plan,
    machine: &impl Perform,
    journal: &impl Journal,
    events: &dyn Fn(Event),
    options: Options,
    cancel: &Cancel,
) -> Run {
    let ready = match Ready::new(&plan.changes) {
        Ok(ready) => ready,
        Err(failure) => return Run { failure: Some(failure), ..Run::default() },
    };
    let slots = Semaphore::new(options.parallelism.max(1));
    let work = Work { machine, journal, events, cancel, halted: None.into(), reloaded: OnceCell::new(), slots };
    let count = plan.changes.len();
    let mut schedule = Schedule {
        work: &work,
        changes: &plan.changes,
        ready,
        prepared: vec![0; count],
        fates: vec![None; count],
        settled: vec![false; count],
        run: Run::default(),
    };
    schedule.prepare().await;
    let reload = schedule.reload_before(plan.reload_due);
    let (reloaded, ()) = join(reload, schedule.walk()).await;
    schedule.run.failure = reloaded.err();
    schedule.finish().await;
    schedule.end()
}

struct Schedule<'s, 'a, M, J> {
    work: &'s Work<'a, M, J>,
    changes: &'s [Change],
    ready: Ready,
    /// How many `prepare` steps of each change have, or may have, happened.
    prepared: Vec<usize>,
    fates: Vec<Option<Fate>>,
    settled: Vec<bool>,
    run: Run,
}

impl<'a, M: Perform, J: Journal> Schedule<'_, 'a, M, J> {
    /// Writes unit files, before systemd is reloaded once for all of them.
    async fn prepare(&mut self) {
        for (index, change) in self.changes.iter().enumerate() {
            for (ordinal, step) in change.steps.prepare.iter().enumerate() {
                if self.work.stops() || self.ready.is_withdrawn(index) {
                    break;
                }
                let ended = self.work.step(&change.address, ordinal, &step.effect).await;
                let happened = ended.as_ref().err().is_none_or(|halt| halt.happened);
                self.prepared[index] += usize::from(happened);
                if let Err(halt) = ended {
                    let fate = match halt.failure {
                        Some(failure) => Fate::Undone { step: step.effect.to_string(), failure },
                        None => Fate::Interrupted,
                    };
                    self.ended(index, fate);
                }
            }
        }
    }

    /// Where systemd cannot be reloaded nothing is started or stopped: units would be started as they were before.
    fn reload_before(&self, reload_due: bool) -> Reload<'a> {
        let written = self.prepared.iter().any(|count| *count > 0);
        if self.work.stops() || !(written || reload_due) {
            return ready(Ok(())).boxed_local().shared();
        }
        let reload = reload(self.work.machine, self.work.events).boxed_local().shared();
        self.work.reloaded.get_or_init(|| reload).clone()
    }

    async fn walk(&mut self) {
        let (work, changes) = (self.work, self.changes);
        let mut working = FuturesUnordered::new();
        let (tell, mut started) = unbounded_channel();
        loop {
            while !work.stops() {
                let Some(index) = self.ready.next() else { break };
                let runs = tell.clone();
                let runs = move || runs.send(index).unwrap_or_default();
                working.push(async move { (index, work.change(&changes[index], &runs).await) });
            }
            tokio::select! {
                biased;
                Some(index) = started.recv() => self.ready.started(index),
                ended = working.next() => match ended {
                    Some((index, fate)) => self.ended(index, fate),
                    None => break,
                },
            }
        }
        self.end_all_others(&Fate::Interrupted);
    }

    /// Takes back the unit files of what did not come about, removes those of what is gone, and reloads once.
    async fn finish(&mut self) {
        let unit_files_before = self.taken_back().await;
        let unit_files_after = self.finished().await;
        if (unit_files_before || unit_files_after)
            && let Err(failure) = reload(self.work.machine, self.work.events).await
        {
            self.run.failure.get_or_insert(failure);
        }
        for index in 0..self.changes.len() {
            self.settle(index);
        }
    }

    /// Whether anything was taken back.
    async fn taken_back(&mut self) -> bool {
        let mut any = false;
        for (index, change) in self.changes.iter().enumerate().rev() {
            if !self.takes_back(index) {
                continue;
            }
            any = true;
            let written = &change.steps.prepare[..self.prepared[index]];
            if let Err(undo_failure) = self.work.undo(&change.address, 0, written).await {
                self.fates[index] = Some(stays(self.fates[index].take(), undo_failure));
            }
        }
        any
    }

    /// Whether anything was to be removed.
    async fn finished(&mut self) -> bool {
        let mut any = false;
        for (index, change) in self.changes.iter().enumerate() {
            if !self.finishes(index) {
                continue;
            }
            any = true;
            let first = change.steps.prepare.len() + change.steps.main.len();
            for (ordinal, step) in change.steps.finish.iter().enumerate() {
                if let Err(halt) = self.work.step(&change.address, first + ordinal, &step.effect).await {
                    self.fates[index] = Some(failed(&step.effect, halt.failure, None));
                    break;
                }
            }
        }
        any
    }

    /// Whether unit files of the change are to be taken back: nothing of a change that did not come about may stay. What
    /// failed beyond its commit, or could not be undone, keeps its unit files: something of it runs by them.
    fn takes_back(&self, index: usize) -> bool {
        let gone = match &self.fates[index] {
            Some(Fate::Undone { .. } | Fate::Skipped { .. } | Fate::Interrupted) => true,
            Some(Fate::Done | Fate::Failed { .. }) | None => false,
        };
        gone && self.prepared[index] > 0
    }

    fn finishes(&self, index: usize) -> bool {
        self.fates[index] == Some(Fate::Done) && !self.changes[index].steps.finish.is_empty()
    }

    /// The change has ended, but for its unit files; what waits for one that did not end well is not begun.
    fn ended(&mut self, index: usize, fate: Fate) {
        if fate == Fate::Done {
            self.ready.done(index);
        } else {
            let address = &self.changes[index].address;
            for dependent in self.ready.withdraw(index) {
                self.fates[dependent] = Some(match fate {
                    Fate::Interrupted => Fate::Interrupted,
                    _ => Fate::Skipped { because: address.clone() },
                });
                self.settle_early(dependent);
            }
        }
        self.fates[index] = Some(fate);
        self.settle_early(index);
    }

    fn end_all_others(&mut self, fate: &Fate) {
        for index in 0..self.changes.len() {
            if self.fates[index].is_none() {
                self.ready.withdraw(index);
                self.fates[index] = Some(fate.clone());
                self.settle_early(index);
            }
        }
    }

    /// Settles what has no unit files left to see to.
    fn settle_early(&mut self, index: usize) {
        if !self.takes_back(index) && !self.finishes(index) {
            self.settle(index);
        }
    }

    fn settle(&mut self, index: usize) {
        let Change { address, action, .. } = &self.changes[index];
        let Some(fate) = self.fates[index].clone().filter(|_| !self.settled[index]) else { return };
        self.settled[index] = true;
        self.work.written(self.work.journal.fate(address, &fate));
        self.work.tell(Event::ChangeEnded { address: address.clone(), action: *action, fate });
    }

    fn end(mut self) -> Run {
        if let Some(failure) = self.work.halted.borrow_mut().take() {
            self.run.failure.get_or_insert(failure);
        }
        let fates = self.changes.iter().map(|change| change.address.clone()).zip(self.fates.into_iter().flatten());
        self.run.fates = fates.collect();
        assert_eq!(self.run.fates.len(), self.changes.len(), "every change has a fate");
        let cut_short = self.run.fates.values().any(|fate| *fate != Fate::Done);
        self.run.interrupted = self.work.cancel.is_cancelled() && cut_short;
        self.run
    }
}

/// The fate of a change whose unit files could not be taken back.
fn stays(fate: Option<Fate>, undo_failure: Failure) -> Fate {
    match fate {
        Some(Fate::Undone { step, failure }) => Fate::Failed { step, failure, undo_failure: Some(undo_failure) },
        _ => Fate::Failed { step: "take back unit files".to_owned(), failure: undo_failure, undo_failure: None },
    }
}
