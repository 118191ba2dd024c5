//! The ledger of a stack: runs with their changes and steps, facts that only it can keep, and the key for hashing secrets;
//! all in `$XDG_STATE_HOME/stackctl/<stack>/`, for this user alone.
//!
//! It holds history and facts, never "done": the live machine is the truth, and a lost ledger is rebuilt from the mirror
//! (`facts.json`) without replacing anything. No secret is ever written: effects name them, and values are keyed hashes.
//!
//! ## Why
//! WAL with `synchronous=NORMAL`: a killed process loses nothing, a power cut may lose the last rows but never corrupts.
//! What must survive a power cut, the facts, is synced before the mirror is: where the two differ the database is right.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the ledger is a database and three files of its own; its rows carry the time of writing"
)]

mod facts;
mod files;
mod key;
mod origins;
mod rows;
mod runs;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::attributes::Secrets;
use crate::observed::Facts;

pub use origins::{ImageBefore, Origin};
pub use rows::{ChangeRow, RunDetail, RunRow, StepRow, Unfinished};
pub use runs::{RunJournal, Start};

/// Each brings a ledger of the version before to its own.
const SCHEMAS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];
const SCHEMA_VERSION: i64 = 2;
/// Another process writes for milliseconds at most.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What went wrong with the ledger; its path is in the text.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger {0} cannot be used")]
    Database(PathBuf, #[source] rusqlite::Error),
    #[error("{0} cannot be used")]
    File(PathBuf, #[source] std::io::Error),
    #[error("{0} was written by a newer stackctl (version {1} of its form)")]
    Newer(PathBuf, i64),
    #[error("{0} is no hash key of 32 bytes; move it away to get a new one (secrets are then compared anew)")]
    Key(PathBuf),
}

/// A stack's own ledger.
#[derive(Debug)]
pub struct Ledger {
    directory: PathBuf,
    /// None: there is none yet, and nobody may make one (a verb that only looks).
    connection: Option<Connection>,
}

impl Ledger {
    /// Opens it for writing; makes it, or rebuilds it from the mirror where the database is gone or unreadable (which is
    /// set aside, never deleted).
    ///
    /// # Errors
    /// It cannot be made, or a newer version wrote it.
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        files::private_directory(directory)?;
        let path = directory.join("ledger.db");
        let connection = match connect(directory, &path) {
            Err(LedgerError::Database(_, error)) if is_broken(&error) => {
                files::set_aside(&path, now_us())?;
                connect(directory, &path)?
            }
            opened => opened?,
        };
        let ledger = Self { directory: directory.to_owned(), connection: Some(connection) };
        ledger.mend_mirror()?;
        Ok(ledger)
    }

    /// Opens it for reading alone. Where there is none, or a broken one, it knows what the mirror says.
    ///
    /// # Errors
    /// It is there and cannot be read, or a newer version wrote it.
    pub fn open_to_look(directory: &Path) -> Result<Self, LedgerError> {
        let path = directory.join("ledger.db");
        let directory = directory.to_owned();
        if !path.exists() {
            return Ok(Self { directory, connection: None });
        }
        let opened = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok((version(&connection)?, connection))
        });
        let connection = match opened {
            Ok((1..=SCHEMA_VERSION, connection)) => Some(connection),
            // A run was killed before it had made the tables.
            Ok((0, _)) => None,
            Ok((newer, _)) => return Err(LedgerError::Newer(path, newer)),
            Err(error) if is_broken(&error) => None,
            Err(error) => return Err(LedgerError::Database(path, error)),
        };
        Ok(Self { directory, connection })
    }

    /// The facts; those of the mirror where the database is gone or broken.
    ///
    /// # Errors
    /// Neither can be read.
    pub fn facts(&self) -> Result<Facts, LedgerError> {
        match self.connection.as_ref().map(|connection| self.facts_of(connection)) {
            Some(Err(LedgerError::Database(_, error))) if is_broken(&error) => self.mirror(),
            Some(facts) => facts,
            None => self.mirror(),
        }
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("only a ledger opened for writing is written")
    }

    fn path(&self) -> PathBuf {
        self.directory.join("ledger.db")
    }

    fn failed(&self, error: rusqlite::Error) -> LedgerError {
        LedgerError::Database(self.path(), error)
    }
}

/// The key for hashing secrets, made once.
///
/// # Errors
/// It cannot be read or made.
pub fn secrets(directory: &Path) -> Result<Secrets, LedgerError> {
    files::private_directory(directory)?;
    key::load(&directory.join("key"))
}

/// The key for looking alone, which makes no file: where there is none yet nothing was ever compared with it, and one for
/// this process will do.
///
/// # Errors
/// It cannot be read.
pub fn secrets_to_look(directory: &Path) -> Result<Secrets, LedgerError> {
    let path = directory.join("key");
    match key::read(&path)? {
        Some(secrets) => Ok(secrets),
        None => key::random().map(Secrets::new).map_err(|error| LedgerError::File(path, error)),
    }
}

fn connect(directory: &Path, path: &Path) -> Result<Connection, LedgerError> {
    let failed = |error| LedgerError::Database(path.to_owned(), error);
    files::make_private(path)?;
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    check(&connection).map_err(failed)?;
    make_tables(&connection, directory, path)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    Ok(connection)
}

/// Damage inside shows only when a page is read, perhaps in the middle of a run.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)))
}

/// The facts of the mirror come in the same transaction: a kill in between would leave a ledger that passes for one
/// whose facts were all forgotten.
fn make_tables(connection: &Connection, directory: &Path, path: &Path) -> Result<(), LedgerError> {
    let failed = |error| LedgerError::Database(path.to_owned(), error);
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed)?;
    match version(&transaction).map_err(failed)? {
        known @ 0..SCHEMA_VERSION => {
            for schema in SCHEMAS.iter().skip(usize::try_from(known).unwrap_or_default()) {
                transaction.execute_batch(schema).map_err(failed)?;
            }
            if known == 0 {
                facts::take_over(&transaction, directory, path)?;
            }
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(failed)?;
        }
        SCHEMA_VERSION => {}
        newer => return Err(LedgerError::Newer(path.to_owned(), newer)),
    }
    transaction.commit().map_err(failed)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// No database, or one whose pages are damaged; not one that is merely locked or out of reach.
fn is_broken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt))
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
