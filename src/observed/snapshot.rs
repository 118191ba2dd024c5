//! Copies of data at rest, made before its container was replaced, as the manifest beside each tells them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::data::Engine;

/// The name of the manifest in the directory of the copy.
pub const MANIFEST: &str = "manifest.json";

/// While it lies beside the copies of a container, data is on its way back and the container's unit does not start.
pub const HOLD: &str = "restoring";

/// One path that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// On the host.
    pub path: PathBuf,
    pub engine: Engine,
}

/// What a copy is called in a plan: the time that names its directory is not known by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Where the copies of its container lie.
    pub shelf: PathBuf,
    pub label: String,
}

/// What lies in the directory: a directory `0`, `1`… for each item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which one it is of those beside it.
    pub label: String,
    pub address: String,
    /// What the container was made from, by name and by id.
    pub image: String,
    pub image_id: String,
    /// Microseconds since 1970.
    pub taken_us: u64,
    pub items: Vec<Item>,
    pub files: u64,
    pub bytes: u64,
    /// Its replace came to its end, so that nothing goes back to it by itself.
    pub is_kept: bool,
    /// Data is on its way back from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_trip: Option<ReturnTrip>,
    /// Where lies what was there when it came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<PathBuf>,
}

/// A restore on its way: copies lie ready beside the data, the data gives way, the copies take its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnTrip {
    pub places: Vec<Place>,
    /// Everything that was there has given way.
    pub is_clear: bool,
}

/// One item that differs from its copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub index: usize,
    /// The copy that takes its place.
    pub staged: PathBuf,
    /// Where what is there goes.
    pub aside: PathBuf,
}

/// A copy that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub directory: PathBuf,
    pub manifest: Manifest,
}

impl Snapshot {
    /// Data is on its way back from it: nothing may start on what is there.
    pub fn is_restoring(&self) -> bool {
        self.manifest.return_trip.is_some()
    }

    /// Whoever replaced its container has not said yet that it stays replaced.
    pub fn is_open(&self) -> bool {
        !self.manifest.is_kept
    }

    pub fn handle(&self) -> Handle {
        let shelf = self.directory.parent().unwrap_or(&self.directory).to_owned();
        Handle { shelf, label: self.manifest.label.clone() }
    }
}

/// The room on the file system that a path is on, or will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    pub device: u64,
    /// Bytes for this user.
    pub available: u64,
    /// It shares blocks between copies, so that one takes next to none.
    pub shares_blocks: bool,
}

/// The copies of one container: `snapshots/container.web`.
pub fn shelf(data: &Path, stack: &str, address: &str) -> PathBuf {
    data.join("stackctl").join(stack).join("snapshots").join(address)
}
