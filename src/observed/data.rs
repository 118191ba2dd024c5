//! What lies where data is to survive: asked by path on the host, read without opening, locking or changing anything of its owner's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How something that holds data is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A SQLite database, with its `-wal` and `-journal`.
    Sqlite,
    /// A directory, by what lies in it.
    Dir,
}

/// What a reading comes to. Nothing is told by size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    #[default]
    Absent,
    ZeroLength,
    NotSqlite,
    /// A database without a table, or a directory without an entry.
    NoTables,
    /// Tables without a row.
    Unused,
    Populated,
    /// Its owner holds it for itself at this moment.
    Locked,
    /// It could not be told; [`Reading::why`].
    Undetermined,
}

/// One reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub state: State,
    /// Of the file, or entries of a directory.
    pub size: u64,
    /// Rows of each table; None where counting them would take too long.
    pub tables: BTreeMap<String, Option<u64>>,
    /// Only the `-wal` holds part of it.
    pub wal_pending: bool,
    pub why: String,
    /// This user may not read it.
    #[serde(skip)]
    pub is_denied: bool,
}

impl Reading {
    /// Of all tables that were counted.
    pub fn rows(&self) -> u64 {
        self.tables.values().flatten().sum()
    }
}
