//! What a run was made from: the texts of the stack's files, and the images that its containers had before. Secrets stand in none of it:
//! environment files and the values of variables are left out, and are taken as they are when it is loaded again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::rows::{RUN, all, run_row};
use super::{Ledger, LedgerError, RunRow, version};
use crate::address::Address;

/// Before it, there were none.
const SINCE_VERSION: i64 = 2;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// As they were named, absolute.
    pub files: Vec<PathBuf>,
    pub env_files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    /// Names of the variables that were given with `--var`.
    pub vars: BTreeSet<String>,
    /// Of every file that was read, by its absolute path.
    pub texts: BTreeMap<PathBuf, String>,
    /// What each container was made from when the run began.
    pub images: BTreeMap<Address, ImageBefore>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBefore {
    pub reference: String,
    pub id: String,
}

impl Ledger {
    /// Runs that can be taken back or gone back to, the latest first; with whether something of it stays, so that there is something
    /// to take back.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn runs_with_origin(&self) -> Result<Vec<(RunRow, bool)>, LedgerError> {
        let query = format!("{RUN} WHERE id IN (SELECT run FROM origins) ORDER BY id DESC");
        let stays = "SELECT DISTINCT run FROM changes WHERE fate IS NULL OR fate IN ('done', 'failed')";
        self.read(|connection| {
            if version(connection)? < SINCE_VERSION {
                return Ok(Vec::new());
            }
            let stays: BTreeSet<i64> = all(connection, stays, [], |row| row.get(0))?.into_iter().collect();
            let runs = all(connection, &query, [], run_row)?;
            let told = |run: RunRow| {
                let stays = stays.contains(&run.id);
                (run, stays)
            };
            Ok(runs.into_iter().map(told).collect())
        })
    }

    /// # Errors
    /// The ledger cannot be read.
    pub fn origin(&self, run: i64) -> Result<Option<Origin>, LedgerError> {
        self.read(|connection| {
            let query = "SELECT document FROM origins WHERE run = ?1";
            let text: Option<String> = connection.query_row(query, [run], |row| row.get(0)).optional()?;
            Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
        })
    }
}

pub(super) fn write(connection: &Connection, run: i64, origin: &Origin) -> rusqlite::Result<()> {
    let text = serde_json::to_string(origin).unwrap_or_default();
    connection.execute("INSERT INTO origins (run, document) VALUES (?1, ?2)", params![run, text]).map(drop)
}
