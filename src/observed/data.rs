//! What lies where data is to survive: asked by path on the host, read without opening, locking or changing anything of its owner's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How something that holds data is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A SQLite database, with its `-wal` and `-journal`.
    Sqlite,
    /// A directory, by what lies in it.
    Dir,
    /// The data directory of a PostgreSQL: its databases, and how many files of relations each has.
    Postgres,
    /// The storage of a Qdrant: its collections.
    Qdrant,
    /// A small file; what it says is in [`Reading::why`].
    Text,
}

impl Engine {
    /// What is kept is a directory and all that lies in it.
    pub fn is_directory(self) -> bool {
        matches!(self, Self::Dir | Self::Postgres | Self::Qdrant)
    }
}

/// What a reading comes to. Nothing is told by size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    #[default]
    Absent,
    ZeroLength,
    /// Nor what else its engine keeps.
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
    /// Rows of each table, relations of each database of a PostgreSQL; None where counting them would take too long, or a
    /// collection of a Qdrant would have to be asked.
    pub tables: BTreeMap<String, Option<u64>>,
    /// Only the `-wal` holds part of it.
    pub wal_pending: bool,
    /// Why it could not be told, or what a text says.
    pub why: String,
    /// User and group, as the user namespace of this user's containers has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Which directory it lies in: inode and time of birth, since a number is given again. Empty where it is not known.
    #[serde(default)]
    pub root: String,
    /// One was set aside from there, and nobody has said yet that it stays there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_set_aside: bool,
    /// This user may not read it.
    #[serde(skip)]
    pub is_denied: bool,
}

/// How closely SQLite itself looks at a database, on a copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Its pages.
    Quick,
    /// Its indexes too.
    Full,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    Whole,
    /// The first thing that SQLite says is wrong.
    Damaged(String),
    Unknown(String),
}

/// How much lies below a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Device and inode; None where there is nothing.
    pub identity: Option<(u64, u64)>,
    pub files: u64,
    pub bytes: u64,
    /// It was counted to its end.
    pub is_whole: bool,
}

impl Extent {
    /// There is certainly nothing in it.
    pub fn is_empty(&self) -> bool {
        self.is_whole && self.files == 0
    }

    pub fn is_same_as(&self, other: &Extent) -> bool {
        self.identity.is_some() && self.identity == other.identity
    }
}

/// A process that has a file open to write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    pub pid: i32,
    pub command: String,
    /// As `/proc/PID/cgroup` has it.
    pub cgroup: String,
}

/// What may be a copy of a database that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub path: PathBuf,
    pub tables: usize,
    pub rows: u64,
    /// Seconds since 1970.
    pub modified_s: u64,
}

/// What a database must be to count as whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    pub min_tables: u64,
    pub tables: Vec<String>,
    pub min_rows: u64,
}

impl Requirement {
    /// What is missing; None where it holds.
    pub fn unmet(&self, reading: &Reading) -> Option<String> {
        if !matches!(reading.state, State::Unused | State::Populated) {
            return Some(match reading.state {
                State::Absent => "it is not there".to_owned(),
                State::ZeroLength | State::NoTables => "it has no table".to_owned(),
                State::NotSqlite => "it is no SQLite database".to_owned(),
                _ => format!("it cannot be read: {}", reading.why),
            });
        }
        let missing: Vec<&str> =
            self.tables.iter().filter(|name| !reading.tables.contains_key(*name)).map(String::as_str).collect();
        let count = u64::try_from(reading.tables.len()).unwrap_or(u64::MAX);
        if !missing.is_empty() {
            return Some(format!("it has no table {}", missing.join(", ")));
        }
        if count < self.min_tables {
            return Some(format!("it has {count} tables of {}", self.min_tables));
        }
        (reading.rows() < self.min_rows).then(|| format!("it has {} rows of {}", reading.rows(), self.min_rows))
    }
}

/// What a running container has on a bind mount, against what lies at its source by now.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveMount {
    Same,
    /// The directory was removed under it.
    Deleted {
        /// Its path in its file system.
        was: String,
        /// Files that its first process still holds open: name in the container -> descriptor.
        held: BTreeMap<String, PathBuf>,
    },
    /// Another one lies there by now, or none.
    Replaced {
        /// Where that which the container has lies in its file system.
        lies_at: String,
    },
    /// Of a path below a mount: something else was mounted over it.
    Covered {
        /// In the container.
        by: String,
    },
    /// The same, and its program may not write to it; why, in words.
    NotWritable(String),
    Unknown(String),
}

impl Reading {
    /// Of all tables that were counted.
    pub fn rows(&self) -> u64 {
        self.tables.values().flatten().sum()
    }
}
