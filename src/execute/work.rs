//! One step, and one change's own steps: written down, performed, written down again. Knows no other change; what may
//! begin when is `schedule`'s, how something is taken back is `unwind`'s.

use std::cell::{OnceCell, RefCell};
use std::pin::pin;

use futures_util::future::{Either, LocalBoxFuture, Shared, select};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::address::Address;
use crate::change::{Change, Step};
use crate::effect::{Effect, Systemd};
use crate::execute::journal::JournalError;
use crate::execute::{Cancel, Event, Fate, Journal, StepState};
use crate::machine::{Failure, FailureKind, Perform};

/// A call whose reply was lost is made at most this often where making it again does no harm.
pub(super) const ATTEMPTS_MAX: usize = 2;

/// What all changes of a run work with.
pub(super) struct Work<'a, M, J> {
    pub(super) machine: &'a M,
    pub(super) journal: &'a J,
    pub(super) events: &'a dyn Fn(Event),
    pub(super) cancel: &'a Cancel,
    /// The journal failed: nothing goes forward any more.
    pub(super) halted: RefCell<Option<Failure>>,
    /// The reload after unit files were written; nothing where none is due.
    pub(super) reloaded: OnceCell<Reload<'a>>,
    /// One for each change at work; who only waits for something gives its own up meanwhile.
    pub(super) slots: Semaphore,
}

/// Awaited by each step that rests on it.
pub(super) type Reload<'a> = Shared<LocalBoxFuture<'a, Result<(), Failure>>>;

/// Why a change does not go on.
pub(super) struct Halt {
    /// None: the run was interrupted.
    pub(super) failure: Option<Failure>,
    /// The step at which it halted may have changed the machine, so that its own undo is due.
    pub(super) happened: bool,
}

impl<M: Perform, J: Journal> Work<'_, M, J> {
    /// Whether no change may begin any more.
    pub(super) fn stops(&self) -> bool {
        self.cancel.is_cancelled() || self.halted.borrow().is_some()
    }

    pub(super) fn tell(&self, event: Event) {
        (self.events)(event);
    }

    /// Performs the main steps; what is not committed when one of them fails is taken back. Tells when what the change
    /// starts `runs`.
    pub(super) async fn change(&self, change: &Change, runs: &impl Fn()) -> Fate {
        let Change { address, action, steps, .. } = change;
        let mut slot = Some(self.slot().await);
        if self.stops() {
            return Fate::Interrupted;
        }
        self.tell(Event::ChangeStarted { address: address.clone(), action: *action });
        let first = steps.prepare.len();
        let start = steps.main.iter().rposition(|step| step.effect.is_a_start());
        let mut committed = false;
        for (index, step) in steps.main.iter().enumerate() {
            // A journal that failed at an earlier step keeps this one from being tried at all.
            let is_tried = self.halted.borrow().is_none();
            if matches!(step.effect, Effect::Wait(_)) {
                slot = None;
            } else if slot.is_none() {
                slot = Some(self.slot().await);
            }
            let ended = match committed {
                false if self.cancel.is_cancelled() => Err(Halt { failure: None, happened: false }),
                _ => self.step(address, first + index, &step.effect).await,
            };
            let Err(halt) = ended else {
                committed |= step.commit;
                if start == Some(index) {
                    runs();
                }
                continue;
            };
            // A commit that failed: where its reply was lost it may have happened, and undoing would then take away
            // both the old and the new. Where it did not happen, the newcomer is up and healthy. Either way nothing
            // is undone from here on; the next plan finishes what is left.
            committed |= step.commit && halt.failure.is_some() && is_tried;
            if committed {
                return failed(&step.effect, halt.failure, None);
            }
            let reached = &steps.main[..index + usize::from(halt.happened)];
            return self.take_back(address, first, reached, &step.effect, halt.failure).await;
        }
        Fate::Done
    }

    async fn slot(&self) -> SemaphorePermit<'_> {
        self.slots.acquire().await.expect("it is never closed")
    }

    async fn take_back(
        &self,
        address: &Address,
        first: usize,
        reached: &[Step],
        at: &Effect,
        failure: Option<Failure>,
    ) -> Fate {
        match (self.undo(address, first, reached).await, failure) {
            (Err(undo_failure), failure) => failed(at, failure, Some(undo_failure)),
            (Ok(()), Some(failure)) => Fate::Undone { step: at.to_string(), failure },
            (Ok(()), None) => Fate::Interrupted,
        }
    }

    /// One step, between two rows of the journal.
    pub(super) async fn step(&self, address: &Address, ordinal: usize, effect: &Effect) -> Result<(), Halt> {
        let text = effect.to_string();
        if let (Effect::Systemd(_), Some(reloaded)) = (effect, self.reloaded.get()) {
            let unready = |failure| Halt { failure: Some(failure), happened: false };
            reloaded.clone().await.map_err(unready)?;
        }
        if self.halted.borrow().is_none() {
            self.write(address, ordinal, StepState::Intended, &text);
        }
        if let Some(failure) = self.halted.borrow().clone() {
            return Err(Halt { failure: Some(failure), happened: false });
        }
        self.tell(Event::StepStarted { address: address.clone(), text: text.clone() });
        let ended = match self.perform_unless_cancelled(address, effect).await {
            Some(Ok(())) => Ok(()),
            Some(Err(failure)) => {
                let happened = may_have_happened(effect, failure.kind);
                Err(Halt { failure: Some(failure), happened })
            }
            // A unit that was waited for may have begun to start; a wait and a pull leave nothing that is taken back.
            None => Err(Halt { failure: None, happened: true }),
        };
        let state = if ended.is_ok() { StepState::Done } else { StepState::Failed };
        // Where this row cannot be written, the effect has happened all the same; the next step is not taken.
        self.write(address, ordinal, state, &text);
        self.tell(Event::StepEnded { address: address.clone(), text, failed: ended.is_err() });
        ended
    }

    /// None: the run was cancelled meanwhile, and the effect, one that can be dropped without harm, was dropped.
    async fn perform_unless_cancelled(&self, address: &Address, effect: &Effect) -> Option<Result<(), Failure>> {
        let performed = self.perform(address, effect);
        if !effect.is_a_wait() {
            return Some(performed.await);
        }
        match select(pin!(performed), pin!(self.cancel.cancelled())).await {
            Either::Left((performed, _)) => Some(performed),
            Either::Right(((), _)) => None,
        }
    }

    pub(super) async fn perform(&self, address: &Address, effect: &Effect) -> Result<(), Failure> {
        let progress = |text: &str| self.tell(Event::Progress { address: address.clone(), text: text.to_owned() });
        self.machine.perform(effect, &progress).await
    }

    pub(super) fn write(&self, address: &Address, ordinal: usize, state: StepState, text: &str) {
        self.written(self.journal.step(address, ordinal, state, text));
    }

    pub(super) fn written(&self, row: Result<(), JournalError>) {
        if let Err(error) = row {
            self.halted.borrow_mut().get_or_insert_with(|| journal_failure(&error));
        }
    }
}

/// Not in the journal: it belongs to no change, and unit files newer than systemd's last load show where it lacks.
pub(super) async fn reload(machine: &impl Perform, events: &dyn Fn(Event)) -> Result<(), Failure> {
    events(Event::Reloading);
    let reload = Effect::Systemd(Systemd::Reload);
    let mut attempts = 1;
    loop {
        match machine.perform(&reload, &|_| {}).await {
            Err(failure) if failure.kind == FailureKind::LostReply && attempts < ATTEMPTS_MAX => attempts += 1,
            ended => return ended,
        }
    }
}

/// Whether the machine may differ because of an effect that failed, so that its undo is due. An undo that finds nothing to
/// do is done by the contract of `Perform`. It is not called for where the machine said no: the undo of a create that
/// was refused because the name is another's would remove that other's object.
fn may_have_happened(effect: &Effect, kind: FailureKind) -> bool {
    match kind {
        FailureKind::Timeout | FailureKind::LostReply | FailureKind::NotUp => true,
        FailureKind::NotFound | FailureKind::Unreachable => false,
        // A unit whose start failed may be about to be started again by systemd.
        FailureKind::Refused | FailureKind::Conflict => effect.is_a_start(),
    }
}

/// Something of the change stays.
pub(super) fn failed(at: &Effect, failure: Option<Failure>, undo_failure: Option<Failure>) -> Fate {
    let failure = failure.unwrap_or_else(|| Failure::new(FailureKind::Refused, "the run was interrupted"));
    Fate::Failed { step: at.to_string(), failure, undo_failure }
}

fn journal_failure(error: &JournalError) -> Failure {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message = format!("{message}: {source}");
        cause = source.source();
    }
    Failure::new(FailureKind::Refused, message)
}
