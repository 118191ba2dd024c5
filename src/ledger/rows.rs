//! What is read back: plain rows, as history and the story of a crash show them. Times are microseconds since 1970 in UTC.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use serde::Serialize;

use super::{Ledger, LedgerError};
use crate::address::Address;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunRow {
    pub id: i64,
    pub verb: String,
    pub command: String,
    pub pid: u32,
    /// Of the tool.
    pub version: String,
    pub started_us: i64,
    /// None: it is at work, or it died.
    pub ended_us: Option<i64>,
    pub exit_code: Option<u8>,
    /// How many it set out to make.
    pub changes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeRow {
    pub address: Address,
    pub action: String,
    /// One a line.
    pub reasons: String,
    /// `done`, `undone`, `failed`, `skipped` or `interrupted`; None where the run died first.
    pub fate: Option<String>,
    pub failure: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRow {
    pub address: Address,
    pub ordinal: usize,
    pub text: String,
    /// `intended`, `done`, `failed`, `undoing`, `undone` or `undo failed`.
    pub state: String,
    pub at_us: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunDetail {
    pub run: RunRow,
    /// In the plan's order.
    pub changes: Vec<ChangeRow>,
    /// In the order in which they were written.
    pub steps: Vec<StepRow>,
}

/// A run that was cut off by a crash, a kill or a power cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    pub run: RunRow,
    /// Steps, or their undoing, that were begun and of whose end nothing is known.
    pub steps: Vec<StepRow>,
}

pub(super) const RUN: &str = "SELECT id, verb, command, pid, version, started_us, ended_us, exit_code,
    (SELECT count(*) FROM changes WHERE run = runs.id) FROM runs";
const CHANGES: &str = "SELECT address, action, reasons, fate, failure FROM changes WHERE run = ?1 ORDER BY rowid";
const STEPS: &str = "SELECT address, ordinal, text, state, at_us FROM steps WHERE run = ?1 ORDER BY id";

impl Ledger {
    /// The latest runs, the last one first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunRow>, LedgerError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = format!("{RUN} ORDER BY id DESC LIMIT ?1");
        self.read(|connection| all(connection, &query, params![limit], run_row))
    }

    /// # Errors
    /// The ledger cannot be read.
    pub fn run(&self, id: i64) -> Result<Option<RunDetail>, LedgerError> {
        self.read(|connection| {
            let run = connection.query_row(&format!("{RUN} WHERE id = ?1"), [id], run_row).optional()?;
            run.map(|run| {
                let changes = all(connection, CHANGES, params![id], change_row)?;
                Ok(RunDetail { run, changes, steps: all(connection, STEPS, params![id], step_row)? })
            })
            .transpose()
        })
    }

    /// The last run, where it never came to its end. To be asked under the lock and before the next run begins: one that is
    /// still at work looks the same.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn unfinished(&self) -> Result<Option<Unfinished>, LedgerError> {
        let Some(run) = self.runs(1)?.pop().filter(|run| run.ended_us.is_none()) else { return Ok(None) };
        let last_of_each = "SELECT address, ordinal, text, state, at_us FROM steps
            WHERE id IN (SELECT max(id) FROM steps WHERE run = ?1 GROUP BY address, ordinal)
            AND state IN ('intended', 'undoing') ORDER BY id";
        let steps = self.read(|connection| all(connection, last_of_each, params![run.id], step_row))?;
        Ok(Some(Unfinished { run, steps }))
    }

    /// Nothing where there is no ledger.
    pub(super) fn read<T: Default>(
        &self,
        query: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        match &self.connection {
            Some(connection) => query(connection).map_err(|error| self.failed(error)),
            None => Ok(T::default()),
        }
    }
}

pub(super) fn all<T>(
    connection: &Connection,
    query: &str,
    parameters: impl Params,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(query)?.query_map(parameters, row)?.collect()
}

pub(super) fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: row.get(0)?,
        verb: row.get(1)?,
        command: row.get(2)?,
        pid: row.get(3)?,
        version: row.get(4)?,
        started_us: row.get(5)?,
        ended_us: row.get(6)?,
        exit_code: row.get(7)?,
        changes: row.get::<_, u32>(8)? as usize,
    })
}

fn change_row(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
    Ok(ChangeRow {
        address: address(row)?,
        action: row.get(1)?,
        reasons: row.get(2)?,
        fate: row.get(3)?,
        failure: row.get(4)?,
    })
}

fn step_row(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    let ordinal: i64 = row.get(1)?;
    Ok(StepRow {
        address: address(row)?,
        ordinal: usize::try_from(ordinal).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(1, ordinal))?,
        text: row.get(2)?,
        state: row.get(3)?,
        at_us: row.get(4)?,
    })
}

fn address(row: &Row<'_>) -> rusqlite::Result<Address> {
    let text: String = row.get(0)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
