//! Which copies there are, and how much room. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{is_partial, manifest};
use crate::observed::snapshot::{Snapshot, Space};
use rustix::fs::{FlockOperation, flock};

/// File systems whose `cp --reflink` shares blocks, by their magic numbers (statfs(2)): btrfs, bcachefs, XFS.
const SHARING: [u64; 3] = [0x9123_683e, 0xca45_1a4e, 0x5846_5342];

/// By the directory that was asked for; the last one last. A copy whose manifest cannot be read is none.
pub fn look(shelves: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Vec<Snapshot>> {
    let found = shelves.iter().map(|shelf| (shelf.clone(), on(shelf)));
    found.filter(|(_, snapshots)| !snapshots.is_empty()).collect()
}

pub(super) fn on(shelf: &Path) -> Vec<Snapshot> {
    // Not in the middle of a way back, whose moments are short.
    let held = fs::File::open(shelf);
    let _steady = held.and_then(|file| Ok(flock(&file, FlockOperation::LockShared).map(|()| file)?));
    let Ok(entries) = fs::read_dir(shelf) else { return Vec::new() };
    let directories = entries.flatten().map(|entry| entry.path()).filter(|path| !is_partial(path));
    let read = directories.filter_map(|directory| {
        let manifest = manifest(&directory).ok()??;
        Some(Snapshot { directory, manifest })
    });
    let mut found: Vec<Snapshot> = read.collect();
    found.sort_by_key(|snapshot| (snapshot.manifest.taken_us, snapshot.directory.clone()));
    found
}

/// Of the nearest directory above each that is there; those that cannot be told are left out.
pub fn space(paths: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Space> {
    let told = paths.iter().filter_map(|path| {
        let there = path.ancestors().find(|path| path.exists())?;
        let (room, kind) = (rustix::fs::statvfs(there).ok()?, rustix::fs::statfs(there).ok()?);
        let space = Space {
            device: fs::metadata(there).ok()?.dev(),
            available: room.f_bavail.saturating_mul(room.f_frsize),
            shares_blocks: SHARING.contains(&u64::try_from(kind.f_type).unwrap_or_default()),
        };
        Some((path.clone(), space))
    });
    told.collect()
}
