//! Facts, and their mirror in one JSON file beside the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ledger, LedgerError, files, now_us};
use crate::observed::Facts;

const MIRROR_VERSION: u32 = 1;

#[derive(Debug, Deserialize)]
struct Version {
    format_version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mirror {
    format_version: u32,
    facts: Facts,
}

impl Ledger {
    pub(super) fn facts_of(&self, connection: &Connection) -> Result<Facts, LedgerError> {
        let read = || -> rusqlite::Result<Facts> {
            let mut statement = connection.prepare("SELECT key, value FROM facts")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let mut facts = Facts::default();
            for row in rows {
                let (key, value) = row?;
                facts.0.insert(key, serde_json::from_str(&value).unwrap_or(Value::Null));
            }
            Ok(facts)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Keeps facts and drops those of addresses that are gone, in one transaction; then writes the mirror. Does nothing
    /// where nothing is new.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn remember(&self, facts: &BTreeMap<String, Value>, forget: &[String]) -> Result<(), LedgerError> {
        let known = self.facts()?;
        let news: Vec<_> = facts.iter().filter(|(key, value)| known.0.get(*key) != Some(value)).collect();
        let gone: Vec<_> = forget.iter().filter(|key| known.0.contains_key(*key)).collect();
        if news.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let write = || -> rusqlite::Result<()> {
            let transaction = self.connection().unchecked_transaction()?;
            for (key, value) in news {
                upsert(&transaction, key, value)?;
            }
            for key in gone {
                transaction.execute("DELETE FROM facts WHERE key = ?1", params![key])?;
            }
            transaction.commit()
        };
        // On the disk before the mirror: after a power cut an older database would pass for the right one.
        self.synchronous("FULL")?;
        let written = write().map_err(|error| self.failed(error));
        self.synchronous("NORMAL")?;
        written?;
        self.write_mirror(self.facts()?)
    }

    fn synchronous(&self, level: &str) -> Result<(), LedgerError> {
        self.connection().pragma_update(None, "synchronous", level).map_err(|error| self.failed(error))
    }

    fn write_mirror(&self, facts: Facts) -> Result<(), LedgerError> {
        let mirror = Mirror { format_version: MIRROR_VERSION, facts };
        let mut text = serde_json::to_vec_pretty(&mirror).expect("facts are JSON already");
        text.push(b'\n');
        files::replace(&mirror_path(&self.directory), &text)
    }

    /// What the mirror says; nothing where there is none, or none that can be read.
    pub(super) fn mirror(&self) -> Result<Facts, LedgerError> {
        Ok(match read_mirror(&self.directory)? {
            Found::Facts(facts) => facts,
            Found::Nothing | Found::Broken => Facts::default(),
        })
    }

    /// Writes a mirror that is lost or behind anew. What cannot be read is set aside first: it may be all that is left.
    pub(super) fn mend_mirror(&self) -> Result<(), LedgerError> {
        let facts = self.facts()?;
        match read_mirror(&self.directory)? {
            Found::Facts(mirrored) if mirrored == facts => return Ok(()),
            Found::Nothing if facts.0.is_empty() => return Ok(()),
            Found::Facts(_) | Found::Nothing => {}
            Found::Broken => files::set_aside(&mirror_path(&self.directory), now_us())?,
        }
        self.write_mirror(facts)
    }
}

/// Fills new tables from the mirror.
pub(super) fn take_over(connection: &Connection, directory: &Path, database: &Path) -> Result<(), LedgerError> {
    let Found::Facts(Facts(facts)) = read_mirror(directory)? else { return Ok(()) };
    let mut written = facts.iter().map(|(key, value)| upsert(connection, key, value));
    written.try_for_each(|row| row).map_err(|error| LedgerError::Database(database.to_owned(), error))
}

fn upsert(connection: &Connection, key: &str, value: &Value) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO facts (key, value, at_us) VALUES (?1, ?2, ?3)
        ON CONFLICT (key) DO UPDATE SET value = ?2, at_us = ?3";
    connection.execute(upsert, params![key, value.to_string(), now_us()]).map(drop)
}

enum Found {
    Nothing,
    Broken,
    Facts(Facts),
}

fn mirror_path(directory: &Path) -> PathBuf {
    directory.join("facts.json")
}

fn read_mirror(directory: &Path) -> Result<Found, LedgerError> {
    let path = mirror_path(directory);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(LedgerError::File(path, error)),
    };
    // The version first: a newer form may have other facts than this one can read.
    let version = serde_json::from_slice::<Version>(&bytes).map(|version| version.format_version);
    match (version, serde_json::from_slice::<Mirror>(&bytes)) {
        (Ok(MIRROR_VERSION), Ok(mirror)) => Ok(Found::Facts(mirror.facts)),
        (Ok(newer), _) if newer > MIRROR_VERSION => Err(LedgerError::Newer(path, newer.into())),
        _ => Ok(Found::Broken),
    }
}
