//! Directories that a program keeps its databases in, told by what it lays out in them. None of its files is opened: they are its own,
//! and change while it runs.

#![expect(clippy::disallowed_methods, reason = "directories are listed here")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::observed::data::{Reading, State};

/// Relations of users have no lower number; those of the system have (`FirstNormalObjectId` in access/transam.h).
const FIRST_OF_USERS: u64 = 16_384;

/// `PG_VERSION` and `global/pg_control` are in each data directory, and `base` has a directory for each database, with a file for each
/// relation, called by its number (postgresql.org/docs, "Database File Layout"). Tables, indexes and what is too long for a row alike;
/// the second gigabyte of one (`16385.1`) and its maps (`16385_vm`) are none.
pub(super) fn postgres(path: &Path) -> io::Result<Reading> {
    let is_one = is_there(&path.join("PG_VERSION"))? && is_there(&path.join("global/pg_control"))?;
    if !is_one {
        return nothing_of_it(path);
    }
    let mut databases = BTreeMap::new();
    for database in names(&path.join("base"))? {
        let is_of_a_user = |name: &String| name.parse::<u64>().is_ok_and(|number| number >= FIRST_OF_USERS);
        let relations = match names(&path.join("base").join(&database)) {
            // Dropped a moment ago; or a file.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            relations => relations?.iter().filter(|name| is_of_a_user(name)).count(),
        };
        // What only sorts are written to is no database.
        if database.parse::<u64>().is_ok() {
            databases.insert(format!("base/{database}"), u64::try_from(relations).ok());
        }
    }
    let state = if databases.values().all(|count| *count == Some(0)) { State::Unused } else { State::Populated };
    Ok(Reading { state, size: count(databases.len()), tables: databases, ..Reading::default() })
}

/// A Qdrant makes `collections` and `raft_state.json` when it first starts, and keeps each collection in a directory of its name with
/// a `config.json` (qdrant/qdrant, lib/storage/src/content_manager/toc and lib/collection/src/config.rs).
pub(super) fn qdrant(path: &Path) -> io::Result<Reading> {
    let collections = path.join("collections");
    if !is_there(&collections)? {
        return nothing_of_it(path);
    }
    let mut found = BTreeMap::new();
    for name in names(&collections)? {
        if is_there(&collections.join(&name).join("config.json"))? {
            found.insert(name, None);
        }
    }
    let state = if found.is_empty() { State::Unused } else { State::Populated };
    Ok(Reading { state, size: count(found.len()), tables: found, ..Reading::default() })
}

fn nothing_of_it(path: &Path) -> io::Result<Reading> {
    let entries = names(path)?.len();
    let state = if entries == 0 { State::NoTables } else { State::NotSqlite };
    Ok(Reading { state, size: count(entries), ..Reading::default() })
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        found => found.map(|_| true),
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
