//! Looks for populated copies of a database that was lost: files of the same name, beside where it lay, among backups, and among what
//! was rescued. Nothing is opened that is not of that name.

#![expect(clippy::disallowed_methods, reason = "directories are searched here")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::read;
use crate::observed::data::{Candidate, Engine, State};

/// Below each root.
const DEPTH_MAX: usize = 7;
/// Of one search: whoever has more beside his data is told of what was found until then.
const ENTRIES_MAX: usize = 60_000;
const PATIENCE: Duration = Duration::from_secs(2);
/// Told of one database.
const FOUND_MAX: usize = 5;
/// Layers of images, trash and caches: large, and no copies of anybody's.
const PASSED_OVER: &[&str] = &["containers", ".cache", "node_modules", ".git", ".cargo", "Trash"];

/// By the path of what was lost; `roots` are searched in their order.
pub fn search(wanted: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> BTreeMap<PathBuf, Vec<Candidate>> {
    wanted.iter().map(|(lost, roots)| (lost.clone(), of(lost, roots))).collect()
}

fn of(lost: &Path, roots: &BTreeSet<PathBuf>) -> Vec<Candidate> {
    let Some(name) = lost.file_name() else { return Vec::new() };
    let mut search = Search { name, left: ENTRIES_MAX, until: Instant::now() + PATIENCE, found: BTreeSet::new() };
    for root in roots {
        search.below(root, DEPTH_MAX);
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let own = identity(lost);
    let others = search.found.iter().filter(|path| own.is_none() || identity(path) != own);
    let candidate = |path: &PathBuf| {
        let reading = read(path, Engine::Sqlite);
        let modified_s = u64::try_from(fs::metadata(path).ok()?.mtime()).unwrap_or_default();
        let is_populated = matches!(reading.state, State::Populated | State::Unused);
        is_populated.then(|| Candidate {
            path: path.clone(),
            tables: reading.tables.len(),
            rows: reading.rows(),
            modified_s,
        })
    };
    let mut candidates: Vec<Candidate> = others.filter_map(candidate).collect();
    candidates.sort_by_key(|found| std::cmp::Reverse((found.rows > 0, found.tables, found.rows, found.modified_s)));
    candidates.truncate(FOUND_MAX);
    candidates
}

struct Search<'n> {
    name: &'n OsStr,
    left: usize,
    until: Instant,
    found: BTreeSet<PathBuf>,
}

impl Search<'_> {
    /// Files first, so that what lies near is found before the search ends.
    fn below(&mut self, directory: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut directories = Vec::new();
        for entry in entries.flatten() {
            if self.left == 0 || Instant::now() > self.until {
                return;
            }
            self.left -= 1;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth > 1 && !PASSED_OVER.iter().any(|passed| entry.file_name() == *passed) {
                directories.push(entry.path());
            } else if kind.is_file() && entry.file_name() == self.name {
                self.found.insert(entry.path());
            }
        }
        directories.sort();
        directories.iter().for_each(|directory| self.below(directory, depth - 1));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;

    use super::search;

    #[test]
    fn populated_copies_are_found_the_fullest_first_and_never_the_lost_one_itself() {
        let root = std::env::temp_dir().join(format!("stackctl-search-{}", std::process::id()));
        fs::remove_dir_all(&root).ok();
        let make = |place: &str, rows: u32| {
            let path = root.join(place);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            let connection = rusqlite::Connection::open(&path).expect("a database");
            connection.execute_batch("CREATE TABLE chat (a)").expect("a table");
            (0..rows).for_each(|row| drop(connection.execute("INSERT INTO chat VALUES (?1)", [row])));
        };
        make("data/app.db", 0);
        make("old/app.db", 2);
        make("backups/2026/app.db", 7);
        make("backups/2026/other.db", 9);
        fs::create_dir_all(root.join("hollow")).expect("a directory");
        fs::write(root.join("hollow/app.db"), "").expect("a hollow copy");
        let lost = root.join("data/app.db");
        let found = search(&BTreeMap::from([(lost.clone(), BTreeSet::from([root.clone()]))]));
        let found: Vec<(String, u64)> = found[&lost]
            .iter()
            .map(|found| (found.path.strip_prefix(&root).expect("below").display().to_string(), found.rows))
            .collect();
        assert_eq!(found, [("backups/2026/app.db".to_owned(), 7), ("old/app.db".to_owned(), 2)]);
        fs::remove_dir_all(root).expect("cleaned up");
    }
}
