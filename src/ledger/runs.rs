//! Runs: one row for each, with its changes, and a row for every state of every step. Rows are only added, so that what
//! happened when can be told from them afterwards.

use std::rc::Rc;

use rusqlite::{Connection, params};

use super::origins::{self, Origin};
use super::{Ledger, LedgerError, now_us};
use crate::address::Address;
use crate::change::Change;
use crate::execute::journal::JournalError;
use crate::execute::{Fate, Journal, StepState};

/// What a run begins with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    pub verb: &'a str,
    /// The command line, which holds no secrets: variables are given by name.
    pub command: &'a str,
    pub changes: &'a [Change],
    /// Of a run that can be taken back.
    pub origin: Option<&'a Origin>,
}

/// The journal of one run.
#[derive(Debug)]
pub struct RunJournal {
    ledger: Rc<Ledger>,
    run: i64,
}

impl Ledger {
    /// Opens a run, with every change that it is about to make.
    ///
    /// # Errors
    /// It cannot be written; nothing may be done then.
    pub fn begin(self: &Rc<Self>, start: &Start<'_>) -> Result<RunJournal, LedgerError> {
        let Start { verb, command, changes, origin } = start;
        let write = |connection: &Connection| -> rusqlite::Result<i64> {
            let transaction = connection.unchecked_transaction()?;
            let pid = std::process::id();
            let version = env!("CARGO_PKG_VERSION");
            transaction.execute(
                "INSERT INTO runs (verb, command, pid, version, started_us) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![verb, command, pid, version, now_us()],
            )?;
            let run = transaction.last_insert_rowid();
            for change in *changes {
                let action = format!("{:?}", change.action).to_lowercase();
                transaction.execute(
                    "INSERT INTO changes (run, address, action, reasons) VALUES (?1, ?2, ?3, ?4)",
                    params![run, change.address.to_string(), action, change.reasons.join("\n")],
                )?;
            }
            if let Some(origin) = origin {
                origins::write(&transaction, run, origin)?;
            }
            transaction.commit()?;
            Ok(run)
        };
        let run = write(self.connection()).map_err(|error| self.failed(error))?;
        Ok(RunJournal { ledger: Rc::clone(self), run })
    }
}

impl RunJournal {
    /// Closes the run.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(self, exit_code: u8) -> Result<(), LedgerError> {
        let update = "UPDATE runs SET ended_us = ?2, exit_code = ?3 WHERE id = ?1";
        let written = self.ledger.connection().execute(update, params![self.run, now_us(), exit_code]);
        written.map(drop).map_err(|error| self.ledger.failed(error))
    }

    fn write(&self, statement: &str, values: impl rusqlite::Params) -> Result<(), JournalError> {
        let written = self.ledger.connection().prepare_cached(statement).and_then(|mut row| row.execute(values));
        written.map(drop).map_err(|error| JournalError(Box::new(self.ledger.failed(error))))
    }
}

fn word(state: StepState) -> &'static str {
    match state {
        StepState::Intended => "intended",
        StepState::Done => "done",
        StepState::Failed => "failed",
        StepState::Undoing => "undoing",
        StepState::Undone => "undone",
        StepState::UndoFailed => "undo failed",
    }
}

impl Journal for RunJournal {
    fn step(&self, address: &Address, ordinal: usize, state: StepState, text: &str) -> Result<(), JournalError> {
        let ordinal = i64::try_from(ordinal).unwrap_or(i64::MAX);
        self.write(
            "INSERT INTO steps (run, address, ordinal, text, state, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![self.run, address.to_string(), ordinal, text, word(state), now_us()],
        )
    }

    fn fate(&self, address: &Address, fate: &Fate) -> Result<(), JournalError> {
        let (word, failure) = match fate {
            Fate::Done => ("done", None),
            Fate::Undone { step, failure } => ("undone", Some(format!("{step}: {failure}"))),
            Fate::Failed { step, failure, undo_failure } => {
                let undo = undo_failure.as_ref().map(|undo| format!("; taking it back: {undo}")).unwrap_or_default();
                ("failed", Some(format!("{step}: {failure}{undo}")))
            }
            Fate::Skipped { because } => ("skipped", Some(because.to_string())),
            Fate::Interrupted => ("interrupted", None),
        };
        self.write(
            "UPDATE changes SET fate = ?3, failure = ?4 WHERE run = ?1 AND address = ?2",
            params![self.run, address.to_string(), word, failure],
        )
    }
}
