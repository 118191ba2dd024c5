//! Where a run writes down what it is about to do and what it did. The ledger implements it; the executor owns it, so
//! that it needs no database to be tested.

use crate::address::Address;
use crate::execute::Fate;

/// A step's place in its own life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Written before the effect: after a crash it may or may not have happened.
    Intended,
    Done,
    Failed,
    /// Written before the undo of a done step.
    Undoing,
    Undone,
    UndoFailed,
}

/// The journal could not be written. Nothing goes forward any more: no change begins, none takes its next step. What is
/// not committed is still taken back, for a stopped container must not stay down because a disk is full.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be written")]
pub struct JournalError(#[source] pub Box<dyn std::error::Error>);

pub trait Journal {
    /// `ordinal` counts the steps of one change from 0; `text` is the effect's line, which never holds a secret.
    ///
    /// # Errors
    /// The row could not be written durably.
    fn step(&self, address: &Address, ordinal: usize, state: StepState, text: &str) -> Result<(), JournalError>;

    /// # Errors
    /// The row could not be written durably.
    fn fate(&self, address: &Address, fate: &Fate) -> Result<(), JournalError>;
}
