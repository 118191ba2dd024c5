//! Where what is read goes: onto the disk with its checksum, or into the checksum alone.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "files are written here")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::machine::head;
use crate::observed::copied::CopiedFile;

const PIECE_BYTES: usize = 128 * 1024;

/// What is known of an entry beside its content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) modified_s: u64,
}

pub(super) struct Sink {
    /// None: nothing is written.
    directory: Option<PathBuf>,
    files: BTreeMap<String, CopiedFile>,
    left_out: Vec<String>,
}

impl Sink {
    pub(super) fn into(directory: &Path) -> Self {
        Self { directory: Some(directory.to_owned()), files: BTreeMap::new(), left_out: Vec::new() }
    }

    pub(super) fn hashing() -> Self {
        Self { directory: None, files: BTreeMap::new(), left_out: Vec::new() }
    }

    /// `path` is the one in the container.
    pub(super) fn file(&mut self, path: &str, meta: Meta, content: &mut dyn Read) -> io::Result<()> {
        let mut out = match self.place(path)? {
            Some(place) => {
                fs::remove_file(&place).or_else(absent)?;
                Some((OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?, meta))
            }
            None => None,
        };
        let (mut digest, mut first, mut size) = (Sha256::new(), Vec::new(), 0_u64);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = match content.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = &piece[..count];
            digest.update(bytes);
            size += count as u64;
            first.extend(bytes.iter().take(head::BYTES.saturating_sub(first.len())));
            if let Some((file, _)) = &mut out {
                file.write_all(bytes)?;
            }
        }
        if let Some((file, meta)) = out {
            file.set_permissions(fs::Permissions::from_mode(meta.mode & 0o7777))?;
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(meta.modified_s))?;
            file.sync_all()?;
        }
        let Meta { mode, modified_s } = meta;
        let stamp = head::written(size, modified_s, &first).stamp();
        let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let copied =
            CopiedFile { path: path.to_owned(), mode: mode & 0o7777, uid: 0, gid: 0, sha256, stamp, changed: false };
        self.files.insert(path.to_owned(), copied);
        Ok(())
    }

    pub(super) fn link(&mut self, path: &str, target: &Path) -> io::Result<()> {
        if let Some(place) = self.place(path)? {
            fs::remove_file(&place).or_else(absent)?;
            std::os::unix::fs::symlink(target, place)?;
        }
        Ok(())
    }

    pub(super) fn empty_directory(&mut self, path: &str) -> io::Result<()> {
        self.place(path)?.map_or(Ok(()), |place| directory(&place))
    }

    pub(super) fn leave_out(&mut self, path: &str) {
        self.left_out.push(path.to_owned());
    }

    /// Below the directory, its parents made; a path that would lead out of it is none.
    fn place(&self, path: &str) -> io::Result<Option<PathBuf>> {
        let Some(root) = &self.directory else { return Ok(None) };
        let below = path.trim_start_matches('/');
        if below.is_empty() || !Path::new(below).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("{path} is no path in a container")));
        }
        let place = root.join(below);
        if let Some(parent) = place.parent() {
            // What was copied as a link is not written through.
            let links = parent.ancestors().take_while(|above| *above != root);
            if links.into_iter().any(|above| fs::symlink_metadata(above).is_ok_and(|found| found.is_symlink())) {
                return Err(io::Error::other(format!("{path} lies behind a link")));
            }
            directory(parent)?;
        }
        Ok(Some(place))
    }

    /// Files that are another one there, or in one of the two alone.
    pub(super) fn unlike(&self, other: &Sink) -> BTreeSet<String> {
        let differs = |path: &&String| {
            self.files.get(*path).map(|file| &file.sha256) != other.files.get(*path).map(|file| &file.sha256)
        };
        self.files.keys().chain(other.files.keys()).filter(differs).cloned().collect()
    }

    pub(super) fn mark(&mut self, changed: &BTreeSet<String>) {
        for file in self.files.values_mut() {
            file.changed = changed.contains(&file.path);
        }
    }

    /// What lies on the disk is what was read.
    pub(super) fn verify(&self) -> io::Result<()> {
        let Some(root) = &self.directory else { return Ok(()) };
        for file in self.files.values() {
            let place = root.join(file.path.trim_start_matches('/'));
            let mut digest = Sha256::new();
            let mut reading = File::open(&place)?;
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                match reading.read(&mut piece)? {
                    0 => break,
                    count => digest.update(&piece[..count]),
                }
            }
            let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if found != file.sha256 {
                return Err(io::Error::other(format!("{} is not what was copied there", place.display())));
            }
        }
        Ok(())
    }

    pub(super) fn taken(self) -> (Vec<CopiedFile>, Vec<String>) {
        (self.files.into_values().collect(), self.left_out)
    }
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// With its parents, for this user alone.
pub(super) fn directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Entries outlast a power cut once their directories are synced; the files are already.
pub(super) fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    File::open(directory)?.sync_all()
}
