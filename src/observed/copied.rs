//! What was copied out of a container, as the manifest beside the copy tells it.

use serde::{Deserialize, Serialize};

use super::layer::Stamp;

/// The name of the manifest in the directory of the copy.
pub const MANIFEST: &str = "manifest.json";

/// What lies in the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The container, by name and by id.
    pub container: String,
    pub id: String,
    pub files: Vec<CopiedFile>,
    /// What was found there and is no file, directory or link: sockets, devices.
    pub left_out: Vec<String>,
    /// Why the copies belong to this user and not to whom they belong in the container; empty where they do.
    pub owners_lost: String,
}

/// One file of a copy, as it is in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    pub path: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub sha256: String,
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Read again it was another: it is written to all the while.
    pub changed: bool,
}
