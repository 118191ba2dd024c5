//! Taking back what a change has done, in reverse order. Never called for what is committed: that only rolls forward.

use crate::address::Address;
use crate::change::Step;
use crate::effect::Effect;
use crate::execute::work::{ATTEMPTS_MAX, Work};
use crate::execute::{Event, Journal, StepState};
use crate::machine::{Failure, FailureKind, Perform};

impl<M: Perform, J: Journal> Work<'_, M, J> {
    /// Takes the steps back, the last one first; `first` is the ordinal of the first of them. It ends at the first undo
    /// that fails: those before it rest on it (a name must be free again before the old container can have it), and
    /// what stays half done is found by the next plan. A failing journal does not end it.
    pub(super) async fn undo(&self, address: &Address, first: usize, steps: &[Step]) -> Result<(), Failure> {
        let undoable = steps.iter().enumerate().rev();
        let undoable: Vec<_> =
            undoable.flat_map(|(index, step)| step.undo.iter().map(move |effect| (first + index, effect))).collect();
        if !undoable.is_empty() {
            self.tell(Event::Undoing { address: address.clone() });
        }
        for (ordinal, effect) in undoable {
            let text = effect.to_string();
            self.write(address, ordinal, StepState::Undoing, &text);
            self.tell(Event::StepStarted { address: address.clone(), text: text.clone() });
            let ended = self.perform_again(address, effect).await;
            let state = if ended.is_ok() { StepState::Undone } else { StepState::UndoFailed };
            self.write(address, ordinal, state, &text);
            self.tell(Event::StepEnded { address: address.clone(), text, failed: ended.is_err() });
            ended?;
        }
        Ok(())
    }

    /// A lost reply must not leave a container down: the undo is made again, which does no harm where it had happened.
    async fn perform_again(&self, address: &Address, effect: &Effect) -> Result<(), Failure> {
        let mut attempts = 1;
        loop {
            match self.perform(address, effect).await {
                Err(failure) if is_transient(failure.kind) && attempts < ATTEMPTS_MAX => attempts += 1,
                ended => return ended,
            }
        }
    }
}

fn is_transient(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Timeout | FailureKind::LostReply | FailureKind::Unreachable => true,
        FailureKind::Refused | FailureKind::NotFound | FailureKind::Conflict | FailureKind::NotUp => false,
    }
}
