//! Databases as SQLite itself makes them, and what only looks like one: each is read for what it is, and nothing of it changes.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "databases are made and looked at where they lie"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::read;
use crate::observed::data::{Engine, Reading, State};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("stackctl-data-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&place).expect("a directory");
        Self(place)
    }

    fn file(&self) -> PathBuf {
        self.0.join("app.db")
    }

    /// Names, sizes and times of all that lies here: what may not change by being read.
    fn contents(&self) -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
        let entries = std::fs::read_dir(&self.0).expect("it is there").flatten();
        entries
            .map(|entry| {
                let found = entry.metadata().expect("it is there");
                (entry.path(), (found.len(), found.modified().expect("a time")))
            })
            .collect()
    }

    /// Read twice, and nothing is other than before.
    fn reading(&self) -> Reading {
        let before = self.contents();
        let reading = read(&self.file(), Engine::Sqlite);
        assert_eq!(self.contents(), before);
        reading
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn open(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.execute_batch(sql).expect("good SQL");
    connection
}

#[test]
fn every_reading_is_its_own() {
    let place = Place::new("each");
    assert_eq!(place.reading().state, State::Absent);
    assert!(!place.file().exists(), "to look makes nothing");
    std::fs::write(place.file(), b"").expect("written");
    assert_eq!(place.reading().state, State::ZeroLength);
    std::fs::write(place.file(), vec![0; 270_336]).expect("written");
    assert_eq!(place.reading().state, State::NotSqlite);
    std::fs::write(place.file(), b"garbage header, and more of it".repeat(100)).expect("written");
    assert_eq!(place.reading().state, State::NotSqlite);
    std::fs::remove_file(place.file()).expect("removed");

    // A database of 270 KB that never got a table.
    drop(open(&place.file(), "CREATE TABLE x (a); INSERT INTO x VALUES (zeroblob(260000)); DROP TABLE x"));
    let hollow = place.reading();
    assert_eq!((hollow.state, hollow.tables.len()), (State::NoTables, 0));
    assert!(hollow.size > 260_000, "{}", hollow.size);
    drop(open(&place.file(), "CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT)"));
    assert_eq!(place.reading().state, State::Unused);
    drop(open(&place.file(), "INSERT INTO user (name) VALUES ('a'), ('b')"));
    let two = place.reading();
    assert_eq!((two.state, two.tables.get("user")), (State::Populated, Some(&Some(2))));

    // Cut off in the middle, it is no longer what it was, and nobody says that it is empty.
    let whole = std::fs::read(place.file()).expect("read");
    std::fs::write(place.file(), &whole[..whole.len().min(2048)]).expect("written");
    assert_eq!(place.reading().state, State::Undetermined);
}

#[test]
fn what_sqlite_counts_is_counted() {
    let sql = "
        CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT);
        CREATE TABLE keyed (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
        CREATE INDEX by_text ON many (text);
        CREATE VIEW seen AS SELECT * FROM many;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            INSERT INTO many (text) SELECT printf('%0200d', i) FROM n;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO keyed SELECT printf('key %d', i), zeroblob(i) FROM n;
        DELETE FROM many WHERE id % 7 = 0;";
    for page_size in [512, 1024, 4096, 65_536] {
        let place = Place::new(&format!("count-{page_size}"));
        // So many tables that the schema itself is a tree, one with a text longer than a page.
        let more: String = (0..120).map(|n| format!("CREATE TABLE t{n} (a); INSERT INTO t{n} VALUES ({n});")).collect();
        let columns: Vec<String> = (0..900).map(|n| format!("column_number_{n}")).collect();
        let wide = format!("CREATE TABLE wide ({});", columns.join(","));
        let connection = open(&place.file(), &format!("PRAGMA page_size = {page_size}; {more} {wide} {sql}"));
        let count = |table: &str| -> u64 {
            let count: i64 =
                connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count");
            u64::try_from(count).expect("a count")
        };
        let reading = place.reading();
        assert_eq!(reading.tables.len(), 123, "{page_size}: {}", reading.why);
        for (table, rows) in &reading.tables {
            // Of the smallest pages there are more than are worth visiting.
            let is_counted = page_size > 1024 || rows.is_some();
            assert!(!is_counted || *rows == Some(count(table)), "{page_size}: {table} {rows:?}");
        }
        assert!(reading.tables["wide"].is_some_and(|rows| rows == 0));
    }
}

#[test]
fn what_is_only_in_the_wal_is_there() {
    let place = Place::new("wal");
    let writer =
        open(&place.file(), "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF");
    writer.execute_batch("CREATE TABLE chat (a); CREATE TABLE user (a)").expect("made");
    for number in 0..40 {
        writer.execute("INSERT INTO chat VALUES (?1)", [number]).expect("written");
    }
    let main_alone = place.0.join("alone");
    std::fs::copy(place.file(), &main_alone).expect("copied");
    assert_eq!(read(&main_alone, Engine::Sqlite).tables.len(), 0, "the main file shows nothing");
    std::fs::remove_file(main_alone).expect("removed");
    let reading = place.reading();
    assert_eq!((reading.state, reading.tables["chat"], reading.wal_pending), (State::Populated, Some(40), true));

    // What is not committed is not there, and who writes is not held up by who looks.
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM chat").expect("begun");
    assert_eq!(place.reading().tables["chat"], Some(40));
    writer.execute_batch("COMMIT").expect("done");
    assert_eq!(place.reading().tables["chat"], Some(0));
}

#[test]
fn a_transaction_that_never_came_to_its_end_is_read_as_it_was() {
    let place = Place::new("journal");
    // A small cache spills what is not committed into the file itself.
    let writer = open(&place.file(), "PRAGMA cache_size = 1; CREATE TABLE chat (a); CREATE TABLE user (a)");
    for number in 0..400 {
        writer.execute("INSERT INTO chat VALUES (?1)", [format!("{number:0400}")]).expect("written");
    }
    writer.execute_batch("PRAGMA cache_spill = 1; BEGIN EXCLUSIVE; DELETE FROM chat WHERE rowid > 10; UPDATE chat SET a = zeroblob(3000)").expect("begun");
    let journal = place.0.join("app.db-journal");
    assert!(std::fs::metadata(&journal).is_ok_and(|found| found.len() > 4096), "it spilled");
    let reading = place.reading();
    assert_eq!((reading.state, reading.tables.get("chat")), (State::Populated, Some(&Some(400))), "{}", reading.why);
    writer.execute_batch("ROLLBACK").expect("taken back");
}

/// Every byte of the pages that tell of the others is turned once: nothing panics, and nothing takes long.
#[test]
fn a_damaged_database_is_read_to_an_end() {
    let place = Place::new("damaged");
    let many: String = (0..60).map(|n| format!("CREATE TABLE t{n} (a); INSERT INTO t{n} VALUES ({n});")).collect();
    drop(open(&place.file(), &format!("PRAGMA page_size = 512; {many}")));
    let whole = std::fs::read(place.file()).expect("read");
    let begun = std::time::Instant::now();
    for at in 0..1024 {
        for value in [0, 1, 5, 13, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            std::fs::write(place.file(), damaged).expect("written");
            read(&place.file(), Engine::Sqlite);
        }
    }
    // The first inner page, all of whose children are itself.
    let mut looped = whole;
    looped[100] = 5;
    looped[103..105].copy_from_slice(&60_u16.to_be_bytes());
    looped[108..112].copy_from_slice(&1_u32.to_be_bytes());
    for cell in 0..60 {
        looped[112 + 2 * cell..114 + 2 * cell].copy_from_slice(&108_u16.to_be_bytes());
    }
    std::fs::write(place.file(), looped).expect("written");
    assert_eq!(place.reading().state, State::Undetermined);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// Directories and empty files, by their paths.
fn lay_out(root: &Path, paths: &[&str]) {
    for path in paths {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, "").expect("written");
    }
}

#[test]
fn a_postgres_is_told_by_its_databases_and_their_relations() {
    let place = Place::new("postgres");
    let root = place.0.join("data");
    let reading = || read(&root, Engine::Postgres);
    assert_eq!(reading().state, State::Absent);
    std::fs::create_dir(&root).expect("a directory");
    assert_eq!(reading().state, State::NoTables);
    lay_out(&root, &["lost+found/x"]);
    assert_eq!((reading().state, reading().size), (State::NotSqlite, 1));

    lay_out(
        &root,
        &["PG_VERSION", "global/pg_control", "base/1/1259", "base/5/2619", "base/5/2619_vm", "base/5/PG_VERSION"],
    );
    let fresh = reading();
    assert_eq!(fresh.state, State::Unused, "of the system alone");
    assert_eq!(fresh.tables, [("base/1".to_owned(), Some(0)), ("base/5".to_owned(), Some(0))].into());
    lay_out(
        &root,
        &[
            "base/5/16384",
            "base/5/16385",
            "base/5/16385.1",
            "base/5/16385_vm",
            "base/5/t3_16400",
            "base/pgsql_tmp/16390",
        ],
    );
    let used = reading();
    assert_eq!((used.state, used.tables.get("base/5"), used.tables.len()), (State::Populated, Some(&Some(2)), 2));
}

#[test]
fn a_qdrant_is_told_by_its_collections() {
    let place = Place::new("qdrant");
    let root = place.0.join("storage");
    let reading = || read(&root, Engine::Qdrant);
    assert_eq!(reading().state, State::Absent);
    lay_out(&root, &["raft_state.json"]);
    assert_eq!(reading().state, State::NotSqlite);
    std::fs::create_dir(root.join("collections")).expect("a directory");
    assert_eq!(reading().state, State::Unused);
    lay_out(&root, &["collections/notes/config.json", "collections/mail/config.json", "collections/.tmp/x"]);
    let used = reading();
    assert_eq!(
        (used.state, used.tables.keys().map(String::as_str).collect::<Vec<_>>()),
        (State::Populated, vec!["mail", "notes"])
    );
}
