//! Copies with everything that belongs to a file, by coreutils' `cp -a`: owner, mode, times, links, extended attributes, holes; sharing
//! blocks where the file system has that. What was copied is held against its source by names, kinds, sizes and times.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::machine::data::aside::with_ending;
use crate::observed::data::Engine;
use crate::observed::snapshot::Item;

/// What gives way to a copy is kept below this name: beside it, or in a directory that cannot have one beside it.
pub(super) const REPLACED: &str = ".replaced";
/// A database is these; its index (`-shm`) is made anew.
const PARTS: [&str; 3] = ["", "-wal", "-journal"];
/// Names on one command line, which the kernel bounds.
const NAMES_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Extent {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Extent {
    pub(super) fn add(&mut self, path: &Path) -> io::Result<()> {
        let Some(found) = there(path)? else { return Ok(()) };
        if !found.is_dir() {
            self.files += 1;
            self.bytes += found.len();
            return Ok(());
        }
        fs::read_dir(path)?.try_for_each(|entry| self.add(&entry?.path()))
    }
}

/// What an item is made of, by name; nothing where it is not there.
pub(super) fn parts(item: &Item) -> io::Result<BTreeMap<OsString, PathBuf>> {
    match item.engine {
        Engine::Dir | Engine::Postgres | Engine::Qdrant => entries(&item.path),
        Engine::Sqlite | Engine::Text => {
            let mut found = BTreeMap::new();
            for path in PARTS.map(|ending| with_ending(&item.path, ending)) {
                if there(&path)?.is_some() {
                    found.insert(path.file_name().unwrap_or_default().to_owned(), path);
                }
            }
            Ok(found)
        }
    }
}

/// Without what was set aside in it.
fn entries(directory: &Path) -> io::Result<BTreeMap<OsString, PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let named = entries.map(|entry| entry.map(|entry| (entry.file_name(), entry.path())));
    let mut found: BTreeMap<OsString, PathBuf> = named.collect::<io::Result<_>>()?;
    found.remove(&OsString::from(REPLACED));
    Ok(found)
}

/// Into `to`, which is new. An item that is not there leaves nothing.
pub(super) async fn out(item: &Item, to: &Path) -> io::Result<()> {
    if there(&item.path)?.is_none() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(to)?;
    all(parts(item)?.into_values().collect(), to).await?;
    if item.engine.is_directory() { like(&item.path, to) } else { Ok(()) }
}

/// The owner and the mode of a directory.
pub(super) fn like(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::metadata(from)?;
    chown(to, Some(found.uid()), Some(found.gid()))?;
    fs::set_permissions(to, found.permissions())
}

/// Ends with whoever waits for it.
pub(super) async fn all(sources: Vec<PathBuf>, to: &Path) -> io::Result<()> {
    for some in sources.chunks(NAMES_MAX) {
        let mut copying = Command::new("cp");
        copying.args(["-a", "--reflink=auto", "--sparse=auto", "--"]).args(some).arg(to);
        copying.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = copying.output().await.map_err(|error| io::Error::other(format!("cp: {error}")))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            let first = words.lines().next().unwrap_or("cp failed without a word").to_owned();
            return Err(io::Error::other(first));
        }
    }
    Ok(())
}

/// Is it not as the copy in `copied` has it?
pub(super) fn differs(item: &Item, copied: &Path) -> io::Result<bool> {
    let (ours, theirs) = (parts(item)?, entries(copied)?);
    if !ours.keys().eq(theirs.keys()) || there(&item.path)?.is_some() != there(copied)?.is_some() {
        return Ok(true);
    }
    for (one, other) in ours.values().zip(theirs.values()) {
        if unlike(one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unlike(one: &Path, other: &Path) -> io::Result<bool> {
    let (Some(ours), Some(theirs)) = (there(one)?, there(other)?) else { return Ok(true) };
    if ours.file_type() != theirs.file_type() {
        return Ok(true);
    }
    if ours.is_symlink() {
        return Ok(fs::read_link(one)? != fs::read_link(other)?);
    }
    if !ours.is_dir() {
        let told = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec());
        return Ok(told(&ours) != told(&theirs));
    }
    let (below, beyond) = (entries(one)?, entries(other)?);
    if !below.keys().eq(beyond.keys()) {
        return Ok(true);
    }
    for (one, other) in below.values().zip(beyond.values()) {
        if unlike(one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn there(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        found => found.map(Some),
    }
}
