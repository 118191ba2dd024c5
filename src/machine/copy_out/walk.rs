//! Three ways to what lies in a container: podman's archive, the root of its process, and a descriptor that the process holds.

#![expect(clippy::disallowed_types, reason = "files are read here")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::Receiver;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::sink::{Meta, Sink};
use crate::machine::head;

/// An archive as it comes.
pub(super) struct Pieces {
    from: Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl From<Receiver<Vec<u8>>> for Pieces {
    fn from(from: Receiver<Vec<u8>>) -> Self {
        Self { from, piece: io::Cursor::default() }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(into)? {
                0 => match self.from.recv() {
                    Ok(piece) => self.piece = io::Cursor::new(piece),
                    Err(_) => return Ok(0),
                },
                count => return Ok(count),
            }
        }
    }
}

/// The directory of a path, without the last slash.
pub(super) fn parent(path: &str) -> &str {
    path.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Its entries are named from the last part of the path on that was asked for.
pub(super) fn archive(from: impl Read, parent: &str, sink: &mut Sink) -> io::Result<()> {
    let mut archive = tar::Archive::new(from);
    let mut count = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        count += 1;
        let name = entry.path()?.into_owned();
        let name = name.to_str().ok_or_else(|| io::Error::other(format!("{} is no text", name.display())))?;
        let path = format!("{parent}/{}", name.trim_matches('/'));
        let header = entry.header();
        let meta = Meta { mode: header.mode()?, modified_s: header.mtime().unwrap_or_default() };
        match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                sink.file(&path, meta, &mut entry)?;
            }
            tar::EntryType::Directory => sink.empty_directory(&path)?,
            tar::EntryType::Symlink => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                sink.link(&path, &target)?;
            }
            _ => sink.leave_out(&path),
        }
    }
    if count == 0 {
        return Err(io::Error::other("podman's archive of it is empty"));
    }
    Ok(())
}

/// As the process sees it, without leaving its root by a link.
pub(super) fn root(pid: i32, path: &str, sink: &mut Sink) -> io::Result<()> {
    let root = File::open(format!("/proc/{pid}/root"))?;
    below(&root, path.trim_end_matches('/'), sink)
}

fn below(root: &File, path: &str, sink: &mut Sink) -> io::Result<()> {
    let open = |flags: OFlags| {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat2(root, path, flags, Mode::empty(), resolve).map(File::from)
    };
    let handle = open(OFlags::PATH)?;
    let found = handle.metadata()?;
    if found.is_symlink() {
        let target = rustix::fs::readlinkat(&handle, "", Vec::new())?;
        return sink.link(path, Path::new(&*target.to_string_lossy()));
    }
    if found.is_dir() {
        sink.empty_directory(path)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(open(OFlags::RDONLY | OFlags::DIRECTORY)?)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| name != "." && name != "..");
        names.sort();
        return names.iter().try_for_each(|name| below(root, &format!("{path}/{name}"), sink));
    }
    if !found.is_file() {
        sink.leave_out(path);
        return Ok(());
    }
    let mut file = open(OFlags::RDONLY | OFlags::NONBLOCK)?;
    sink.file(path, meta(&found), &mut file)
}

/// A file that may have no name any more.
pub(super) fn descriptor(descriptor: &Path, path: &str, sink: &mut Sink) -> io::Result<()> {
    let mut file = File::open(descriptor)?;
    let found = file.metadata()?;
    sink.file(path, meta(&found), &mut file)
}

fn meta(found: &fs::Metadata) -> Meta {
    Meta { mode: found.mode(), modified_s: head::modified_s(found) }
}
