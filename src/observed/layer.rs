//! What containers wrote outside their mounts: it goes with them, and nothing else of a container tells that it is there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is wanted of one container's writable layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Globs of paths that are passed over.
    pub ignored: Vec<String>,
    /// Globs of paths where only what is a database counts.
    pub scratch: Vec<String>,
}

/// What one container wrote outside its mounts, but for what was not wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// The container, by its id.
    pub id: String,
    /// By the path in the container.
    pub files: BTreeMap<String, Written>,
    /// So many more were written, and not looked at.
    pub more: usize,
}

/// A file that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub size: u64,
    /// Seconds since 1970.
    pub modified_s: u64,
    /// Of its first bytes, in which the counter of changes of a database stands.
    pub head: String,
    /// What it is told to be by its first bytes, such as `SQLite database`; None where they tell nothing.
    pub database: Option<String>,
    /// A process of the container holds it open for writing.
    pub is_open: bool,
    /// It got larger while it was looked at.
    pub grew: bool,
    /// It has no name any more: only through this descriptor of the process that holds it open it is reached.
    pub held_at: Option<PathBuf>,
    pub is_scratch: bool,
}

impl Written {
    /// Is it still what was copied?
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.size, modified_s: self.modified_s, head: self.head.clone() }
    }
}

/// Tells whether a file was written to since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub size: u64,
    pub modified_s: u64,
    pub head: String,
}
