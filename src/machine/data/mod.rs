//! Reads data that must survive. Its owner runs meanwhile and must not notice: nothing is opened for writing, no lock is taken or
//! waited for, and nothing is made, not even what SQLite itself makes where it only reads (`-shm`, an empty file).

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "data is read where it lies")]

pub mod aside;
mod extent;
mod integrity;
mod programs;
mod search;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::host::ids;
use super::inside;
use crate::observed::data::{Engine, Reading, State};
pub use extent::extents;
pub use integrity::check_all;
pub use search::search;

/// Of a file that says something in a word.
const TEXT_BYTES_MAX: u64 = 256;

/// What is asked.
pub type Questions = BTreeSet<(PathBuf, Engine)>;

/// As this process may read.
pub fn read_all(questions: &Questions) -> BTreeMap<PathBuf, Reading> {
    questions.iter().map(|(path, engine)| (path.clone(), read(path, *engine))).collect()
}

/// Of these, what this user was not let read.
pub fn denied(questions: &Questions, readings: &BTreeMap<PathBuf, Reading>) -> Questions {
    let is_denied = |path: &PathBuf| readings.get(path).is_some_and(|reading| reading.is_denied);
    questions.iter().filter(|(path, _)| is_denied(path)).cloned().collect()
}

/// The same from inside the user namespace of this user's containers: by this very program, through `podman unshare`.
///
/// # Errors
/// It did not come to an answer; why, in words.
pub async fn read_inside(questions: &Questions) -> Result<BTreeMap<PathBuf, Reading>, String> {
    inside::ask("read-data", questions, inside::PATIENCE).await
}

fn read(path: &Path, engine: Engine) -> Reading {
    let reading = match engine {
        Engine::Sqlite => sqlite::read(path),
        Engine::Dir => directory(path),
        Engine::Postgres => programs::postgres(path),
        Engine::Qdrant => programs::qdrant(path),
        Engine::Text => text(path),
    };
    let root = if engine.is_directory() { Some(path) } else { path.parent() };
    let root = root.map(identity).unwrap_or_default();
    let reading = reading.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Reading::default(),
        kind => {
            let is_denied = kind == ErrorKind::PermissionDenied;
            Reading { state: State::Undetermined, why: error.to_string(), is_denied, ..Reading::default() }
        }
    });
    let is_set_aside = engine == Engine::Sqlite && aside::open(path).is_ok_and(|open| !open.is_empty());
    let found = std::fs::metadata(path).ok();
    let owner = found.as_ref().map(|found| ids::of_file(found.uid(), found.gid()));
    let mode = found.map(|found| found.mode() & 0o7777);
    Reading { root, is_set_aside, owner, mode, ..reading }
}

fn identity(directory: &Path) -> String {
    let Ok(found) = std::fs::metadata(directory) else { return String::new() };
    let born = found.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    format!("{}:{}", found.ino(), born.map(|born| born.as_nanos()).unwrap_or_default())
}

fn directory(path: &Path) -> std::io::Result<Reading> {
    let entries = std::fs::read_dir(path)?.count();
    let state = if entries == 0 { State::NoTables } else { State::Populated };
    Ok(Reading { state, size: u64::try_from(entries).unwrap_or(u64::MAX), ..Reading::default() })
}

fn text(path: &Path) -> std::io::Result<Reading> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    let why = String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok(Reading { state: State::Populated, size: bytes.len() as u64, why, ..Reading::default() })
}

#[cfg(test)]
mod tests;
