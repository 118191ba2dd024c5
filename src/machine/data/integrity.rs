//! What SQLite itself says of a database. It is asked about a copy: it would lock the file against its owner, and write to it where a
//! crash left a log. A copy of what is written to meanwhile is half of two; then it is made again.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a copy is made and removed")]

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::aside::with_ending;
use super::sqlite::stamp;
use crate::observed::data::{Check, Integrity};

/// While its owner writes.
const TRIES: usize = 3;

pub fn check_all(wanted: &BTreeMap<PathBuf, (Check, PathBuf)>) -> BTreeMap<PathBuf, Integrity> {
    wanted.iter().map(|(path, (check, scratch))| (path.clone(), of(path, *check, scratch))).collect()
}

fn of(path: &Path, check: Check, scratch: &Path) -> Integrity {
    let place = scratch.join(format!(".check-{}", std::process::id()));
    let checked = in_copy(path, check, &place);
    drop(fs::remove_dir_all(&place));
    checked.unwrap_or_else(|error| Integrity::Unknown(error.to_string()))
}

fn in_copy(path: &Path, check: Check, place: &Path) -> io::Result<Integrity> {
    for _ in 0..TRIES {
        drop(fs::remove_dir_all(place));
        // As private as what is copied.
        DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        let before = stamp(path)?;
        let copy = place.join("copy.db");
        for ending in ["", "-wal", "-journal"] {
            // The kernel shares the blocks of a copy where the file system can (copy_file_range(2)).
            match fs::copy(with_ending(path, ending), with_ending(&copy, ending)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !ending.is_empty() => {}
                copied => drop(copied?),
            }
        }
        if stamp(path)? == before {
            return Ok(asked(&copy, check).unwrap_or_else(|error| Integrity::Damaged(error.to_string())));
        }
    }
    Ok(Integrity::Unknown("its owner wrote to it all the while".to_owned()))
}

fn asked(copy: &Path, check: Check) -> rusqlite::Result<Integrity> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let pragma = match check {
        Check::Quick => "PRAGMA quick_check(1)",
        Check::Full => "PRAGMA integrity_check(1)",
    };
    let verdict: String = connection.query_row(pragma, [], |row| row.get(0))?;
    Ok(if verdict == "ok" { Integrity::Whole } else { Integrity::Damaged(verdict) })
}
