//! Sets a hollow database aside, with everything that belongs to it, into a dated directory beside it; and puts it back. Whoever runs
//! this has stopped its owner.
//!
//! What a power cut leaves is told by the manifest, which is written before the first rename: until it says that the set is kept, the
//! next plan goes on from there. What belongs to the database goes first, so that it never lies alone with somebody else's log.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "files are renamed where they lie")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::read;
use crate::machine::clock;
use crate::observed::data::{Engine, State};
use crate::time;

/// In the order in which they go: the database last.
pub(in crate::machine) const SET: [&str; 4] = ["-wal", "-shm", "-journal", ""];
const MANIFEST: &str = "manifest.json";

/// What is done with a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aside {
    /// Where it is hollow still.
    Set(PathBuf),
    /// The last that was set aside; what lies in its place by then is kept beside it.
    Back(PathBuf),
    /// It stays where it is: what came in its place holds.
    Keep(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Where the set comes from.
    path: PathBuf,
    /// What the reading was.
    state: State,
    /// The names that were there.
    files: Vec<String>,
    is_kept: bool,
}

impl Aside {
    pub fn path(&self) -> &Path {
        match self {
            Aside::Set(path) | Aside::Back(path) | Aside::Keep(path) => path,
        }
    }
}

/// # Errors
/// It is not hollow any more, or the system refused.
pub fn perform(aside: &Aside) -> io::Result<()> {
    match aside {
        Aside::Set(path) => set(path),
        Aside::Back(path) => back(path),
        Aside::Keep(path) => keep(path),
    }
}

/// `webui.db.quarantine`, in which each set has a directory of its time.
fn shelf(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".quarantine");
    path.with_file_name(name)
}

pub(in crate::machine) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// All that were set aside of it, the last one last; none where nothing ever was.
fn sets(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(shelf(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut sets: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    sets.sort();
    Ok(sets)
}

/// Those that nobody has said of that they stay.
///
/// # Errors
/// This user may not look there.
pub(super) fn open(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut open = sets(path)?;
    open.retain(|directory| manifest(directory).is_some_and(|manifest| !manifest.is_kept));
    Ok(open)
}

fn manifest(directory: &Path) -> Option<Manifest> {
    serde_json::from_slice(&fs::read(directory.join(MANIFEST)).ok()?).ok()
}

fn set(path: &Path) -> io::Result<()> {
    let reading = read(path, Engine::Sqlite);
    match reading.state {
        State::Absent => return Ok(()),
        State::ZeroLength | State::NoTables => {}
        State::Undetermined if reading.is_denied => return Err(io::ErrorKind::PermissionDenied.into()),
        _ => {
            let words = format!("{} is not hollow any more; it is left as it is", path.display());
            return Err(io::Error::other(words));
        }
    }
    let there = SET.iter().filter(|ending| is_there(&with_ending(path, ending)));
    let files: Vec<String> = there.map(|ending| with_ending(path, ending)).filter_map(|file| name(&file)).collect();
    let shelf = shelf(path);
    DirBuilder::new().recursive(true).mode(0o700).create(&shelf)?;
    let directory = new_directory(&shelf, &time::rfc3339(clock::now_us()).replace([':', '-'], ""))?;
    let note = Manifest { path: path.to_owned(), state: reading.state, files: files.clone(), is_kept: false };
    write(&directory, &note)?;
    sync(&shelf)?;
    let parent = path.parent().unwrap_or(path);
    sync(parent)?;
    for file in &files {
        fs::rename(parent.join(file), directory.join(file))?;
    }
    sync(&directory)?;
    sync(parent)
}

fn back(path: &Path) -> io::Result<()> {
    // One that is kept is no part of what is taken back.
    let Some(directory) = open(path)?.pop() else { return Ok(()) };
    let Some(note) = manifest(&directory) else { return Ok(()) };
    let parent = path.parent().unwrap_or(path);
    // The database goes last: as long as it is where it was, so is what the program may have written since.
    if is_there(&directory.join(path.file_name().unwrap_or_default())) {
        clear(path, &directory)?;
    }
    // The database first: it is hollow, and its log is nobody else's. What another has taken the place of stays in the set.
    for name in note.files.iter().rev() {
        let (from, to) = (directory.join(name), parent.join(name));
        if is_there(&from) && !is_there(&to) {
            fs::rename(from, to)?;
        }
    }
    sync(parent)?;
    if fs::read_dir(&directory)?.count() > 1 {
        return write(&directory, &Manifest { is_kept: true, ..note });
    }
    fs::remove_file(directory.join(MANIFEST))?;
    fs::remove_dir(&directory)?;
    // Others may lie there.
    drop(fs::remove_dir(shelf(path)));
    sync(parent)
}

/// What the program made in its place since is somebody's data too: all of it, or its log would lie beside the old database.
fn clear(path: &Path, directory: &Path) -> io::Result<()> {
    let newer: Vec<PathBuf> =
        SET.iter().map(|ending| with_ending(path, ending)).filter(|file| is_there(file)).collect();
    if newer.is_empty() {
        return Ok(());
    }
    let aside = new_directory(directory, "replaced")?;
    for file in newer {
        fs::rename(&file, aside.join(file.file_name().unwrap_or_default()))?;
    }
    sync(&aside)?;
    sync(directory)
}

/// Never one that is there: a rename into it would take the place of what was kept before.
fn new_directory(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let mut directory = parent.join(name);
    for count in 2.. {
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                directory = parent.join(format!("{name}-{count}"));
            }
            made => return made.map(|()| directory),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn keep(path: &Path) -> io::Result<()> {
    for directory in open(path)? {
        if let Some(note) = manifest(&directory) {
            write(&directory, &Manifest { is_kept: true, ..note })?;
        }
    }
    Ok(())
}

fn name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

/// Beside it, synced, renamed: there is never half a manifest.
fn write(directory: &Path, note: &Manifest) -> io::Result<()> {
    let (path, temporary) = (directory.join(MANIFEST), directory.join(".manifest.tmp"));
    let text = serde_json::to_vec_pretty(note)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, &path)?;
    sync(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Aside, open, perform, shelf};

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stackctl-aside-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).expect("a scratch directory");
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_whole_set_goes_and_comes_back_and_what_came_meanwhile_is_kept() {
        let directory = scratch("set");
        let database = directory.join("a.db");
        fs::write(&database, "").expect("a hollow database");
        fs::write(directory.join("a.db-shm"), "shm").expect("its index");
        perform(&Aside::Set(database.clone())).expect("it goes");
        assert_eq!(names(&directory), ["a.db.quarantine"]);
        let sets = open(&database).expect("its shelf");
        assert_eq!(sets.len(), 1);
        assert_eq!(names(&sets[0]), ["a.db", "a.db-shm", "manifest.json"]);
        fs::write(&database, "new").expect("what the program made");
        fs::write(directory.join("a.db-wal"), "log").expect("and its log");
        perform(&Aside::Back(database.clone())).expect("it comes back");
        assert_eq!(names(&directory), ["a.db", "a.db-shm", "a.db.quarantine"], "no log of another lies beside it");
        assert_eq!(names(&sets[0].join("replaced")), ["a.db", "a.db-wal"]);
        assert_eq!(fs::read(&database).expect("the old one"), b"");
        assert_eq!(fs::read(sets[0].join("replaced/a.db")).expect("the new one is kept"), b"new");
        assert!(open(&database).expect("its shelf").is_empty(), "nothing is left to go on with");
        fs::remove_dir_all(directory).expect("cleaned up");
    }

    #[test]
    fn what_came_back_alone_leaves_nothing_behind() {
        let directory = scratch("back");
        let database = directory.join("a.db");
        fs::write(&database, "").expect("a hollow database");
        perform(&Aside::Set(database.clone())).expect("it goes");
        perform(&Aside::Back(database.clone())).expect("it comes back");
        perform(&Aside::Back(database.clone())).expect("it is back already");
        assert_eq!(names(&directory), ["a.db"]);
        fs::remove_dir_all(directory).expect("cleaned up");
    }

    /// Whatever the power cut in between left.
    #[test]
    fn a_set_that_went_half_way_goes_on_or_comes_back() {
        for is_back in [true, false] {
            let directory = scratch("half");
            let database = directory.join("a.db");
            fs::write(&database, "").expect("a hollow database");
            fs::write(directory.join("a.db-wal"), "").expect("its log");
            perform(&Aside::Set(database.clone())).expect("it goes");
            let set = open(&database).expect("its shelf").remove(0);
            fs::rename(set.join("a.db"), &database).expect("the last rename was not made");
            match is_back {
                true => {
                    perform(&Aside::Back(database.clone())).expect("it comes back");
                    assert_eq!(names(&directory), ["a.db", "a.db-wal"]);
                }
                false => {
                    perform(&Aside::Set(database.clone())).expect("the rest goes");
                    perform(&Aside::Keep(database.clone())).expect("and stays there");
                    assert_eq!(names(&directory), ["a.db.quarantine"]);
                    assert!(open(&database).expect("its shelf").is_empty());
                }
            }
            fs::remove_dir_all(directory).expect("cleaned up");
        }
    }

    /// Within one second.
    #[test]
    fn a_set_never_takes_the_place_of_another() {
        let directory = scratch("twice");
        let database = directory.join("a.db");
        for _ in 0..3 {
            fs::write(&database, "").expect("a hollow database");
            perform(&Aside::Set(database.clone())).expect("it goes");
        }
        let sets = open(&database).expect("its shelf");
        assert_eq!(sets.iter().filter(|set| set.join("a.db").exists()).count(), 3);
        fs::remove_dir_all(directory).expect("cleaned up");
    }

    #[test]
    fn nothing_but_a_hollow_one_is_ever_moved() {
        let directory = scratch("not");
        let database = directory.join("a.db");
        fs::write(&database, vec![0; 4096]).expect("zeroes");
        perform(&Aside::Set(database.clone())).expect_err("it is no database");
        fs::remove_file(&database).expect("made anew");
        let connection = rusqlite::Connection::open(&database).expect("a database");
        connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").expect("a row");
        perform(&Aside::Set(database.clone())).expect_err("it is not hollow");
        drop(connection);
        fs::remove_file(&database).expect("gone");
        perform(&Aside::Set(database.clone())).expect("there is nothing to move");
        assert!(!shelf(&database).exists());
        fs::remove_dir_all(directory).expect("cleaned up");
    }
}
