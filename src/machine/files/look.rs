//! Looking at paths. Nothing here changes anything, and nothing is followed unless it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, OFlags};

use super::words;
use crate::observed::{PathInfo, PathKind, Seen};

/// Content beyond this is not read: what is managed as text is far smaller.
const CONTENT_MAX: u64 = 1024 * 1024;

/// What lies at `path`. With `content`, a regular file of at most 1 MiB is read as well.
pub fn info(path: &Path, content: bool) -> Seen<PathInfo> {
    match look(path, content) {
        Ok(info) => Seen::Present(info),
        // ENOTDIR: a parent is a file, so that nothing can be here.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Seen::Absent,
        Err(error) => Seen::Unknown(words(&error)),
    }
}

fn look(path: &Path, content: bool) -> io::Result<PathInfo> {
    let found = fs::symlink_metadata(path)?;
    let kind = kind(path, &found)?;
    let content = match kind {
        PathKind::File if content => read(path)?,
        _ => None,
    };
    let empty = match kind {
        PathKind::Directory => fs::read_dir(path).ok().map(|mut entries| entries.next().is_none()),
        _ => None,
    };
    Ok(PathInfo {
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        modified_us: modified_us(&found),
        // By the effective ids, as the write itself would be judged.
        writable: rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok(),
        kind,
        content,
        empty,
    })
}

fn kind(path: &Path, found: &Metadata) -> io::Result<PathKind> {
    Ok(if found.is_symlink() {
        PathKind::Symlink { target: fs::read_link(path)?, resolves_to_directory: path.is_dir() }
    } else if found.is_file() {
        PathKind::File
    } else if found.is_dir() {
        PathKind::Directory
    } else {
        PathKind::Other
    })
}

/// None where it is over the limit or no UTF-8.
fn read(path: &Path) -> io::Result<Option<String>> {
    // Between the look and the open something else may have come there, a FIFO even, which must not block.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    file.take(CONTENT_MAX + 1).read_to_end(&mut bytes)?;
    Ok(match bytes.len() as u64 {
        0..=CONTENT_MAX => String::from_utf8(bytes).ok(),
        _ => None,
    })
}

fn modified_us(found: &Metadata) -> u64 {
    let (seconds, nanoseconds) = (found.mtime(), found.mtime_nsec());
    u64::try_from(i128::from(seconds) * 1_000_000 + i128::from(nanoseconds) / 1000).unwrap_or(0)
}

/// Files of a folder that are looked at; what people write by hand is far less.
const FILES_MAX: usize = 500;

/// The small text files in `folder` and one level below it, links followed. What cannot be read is left out.
pub fn texts(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    collect(folder, true, &mut found);
    found
}

fn collect(folder: &Path, deeper: bool, found: &mut BTreeMap<PathBuf, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        match fs::metadata(&path) {
            Ok(info) if info.is_dir() && deeper => collect(&path, false, found),
            Ok(info) if info.is_file() && info.len() <= CONTENT_MAX && found.len() < FILES_MAX => {
                if let Ok(text) = fs::read_to_string(&path) {
                    found.insert(path, text);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// What lies in a directory; nothing where it cannot be listed.
pub fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The first line of a file of ours, `# Managed by stackctl: stack=NAME address=kind.name hash=HEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker<'a> {
    pub stack: &'a str,
    pub address: &'a str,
    pub hash: &'a str,
}

impl<'a> Marker<'a> {
    /// None where the text does not begin with a marker, whole and well-formed.
    pub fn of(content: &'a str) -> Option<Self> {
        let line = content.lines().next()?.strip_prefix("# Managed by stackctl: stack=")?;
        let (stack, rest) = line.split_once(" address=")?;
        // A name may hold blanks, a hash none.
        let (address, hash) = rest.rsplit_once(" hash=")?;
        let whole = ![stack, address, hash].iter().any(|part| part.is_empty());
        whole.then_some(Self { stack, address, hash })
    }
}

/// Every `*.service`, `*.socket` and `*.timer` file in `directory` that begins with a marker of `stack`, read.
///
/// # Errors
/// The directory is there and cannot be listed.
pub fn marked(directory: &Path, stack: &str) -> io::Result<Vec<(PathBuf, PathInfo)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if !path
            .extension()
            .is_some_and(|extension| ["service", "socket", "timer"].iter().any(|known| extension == *known))
        {
            continue;
        }
        // A file that vanished or cannot be read is none of ours that could be told.
        let Seen::Present(info) = info(&path, true) else { continue };
        let marker = info.content.as_deref().and_then(Marker::of);
        if marker.is_some_and(|marker| marker.stack == stack) {
            found.push((path, info));
        }
    }
    Ok(found)
}
