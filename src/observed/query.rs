//! What a plan wants to know. Kinds add to it; the machine answers it in one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::data::{Check, Engine};
use super::layer::Wanted;
use super::paths::PathSet;
use crate::address::Address;
use crate::effect::BuildSource;
use crate::probe::Readiness;

/// To inspect one takes 1.3 to 2.5 ms; so many are as fast as anybody notices.
pub const INSPECTED_MAX: usize = 50;

/// The questions of one round, merged over all kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The stack whose containers, networks and volumes are listed by label.
    pub stack: String,
    /// Inspected one by one: wanted names with their `.parked` and `.next`.
    pub containers: BTreeSet<String>,
    /// Only these are inspected, and the others told by the list alone: for stacks that are large.
    pub inspect_only: Option<BTreeSet<String>>,
    /// Every container on the machine, whoever owns it (who holds a port or a network).
    pub all_containers: bool,
    /// And what they have mounted: each is inspected.
    pub all_mounts: bool,
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// By name, with their versions, beside this stack's own.
    pub secrets: BTreeSet<String>,
    /// Names of those whose values are wanted too.
    pub secret_values: BTreeSet<String>,
    pub images: BTreeSet<String>,
    /// Are registries to be asked about every image that is here?
    pub check_updates: bool,
    /// Those that their registries are asked for.
    pub registry: BTreeSet<String>,
    /// References that are about to be pulled: how much that brings.
    pub pulls: BTreeSet<String>,
    pub build_sources: BTreeSet<BuildSource>,
    pub units: BTreeSet<String>,
    /// Units whose details are read property by property.
    pub unit_details: BTreeSet<String>,
    /// Looked at with `lstat`.
    pub paths: PathSet,
    /// Read, if they are regular files of at most 1 MiB.
    pub files: PathSet,
    /// Listed, with the text of the small files in them and one level below, links followed: Quadlet files.
    pub folders: BTreeSet<PathBuf>,
    /// Directories of systemd's search path, whose names are listed; `NAME.d` of the `units` in them is read as `folders` are.
    pub search_path: Vec<PathBuf>,
    /// Directory whose units (`*.service`, `*.socket`, `*.timer`) with our first line belong to this stack and are read: orphans.
    pub unit_directory: Option<PathBuf>,
    /// Are listening sockets wanted?
    pub listeners: bool,
    /// Listening sockets on these ports are followed to their process.
    pub owners_of_ports: BTreeSet<u16>,
    pub probes: BTreeMap<Address, Readiness>,
    /// What must survive, by its path on the host.
    pub data: BTreeSet<(PathBuf, Engine)>,
    /// Databases that SQLite is to check, with where a copy of one may be made.
    pub integrity: BTreeMap<PathBuf, (Check, PathBuf)>,
    /// Mounts that are to be looked at in the running container, by its name.
    pub mounts: BTreeMap<String, Mounts>,
    /// Databases that were lost, by where they lay: where copies of them are looked for.
    pub candidates: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Directories of which it is wanted how much lies in them.
    pub extents: BTreeSet<PathBuf>,
    /// Directories of containers' copies of data at rest.
    pub snapshots: BTreeSet<PathBuf>,
    /// Paths, there or not, of which it is wanted how much room there is.
    pub space: BTreeSet<PathBuf>,
    /// Files of which it is wanted who writes to them.
    pub writers: BTreeSet<PathBuf>,
    /// Containers whose own layers are looked at, by name.
    pub layers: BTreeMap<String, Wanted>,
    /// Everything is looked at, as `drift` does.
    pub looks_closely: bool,
    pub host: bool,
    /// Search path of the units, in which `newuidmap` is looked for.
    pub unit_path: Vec<PathBuf>,
}

/// Mounts of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mounts {
    /// Target -> source.
    pub sources: BTreeMap<String, PathBuf>,
    /// Target -> name of the volume, and the path below it: podman knows where that lies.
    pub volumes: BTreeMap<String, (String, PathBuf)>,
    /// What must survive: path in the container -> the target that it lies on or below. Where there is any, the container is looked at
    /// in a large stack as well.
    pub contracts: BTreeMap<String, String>,
    /// Targets that the file mounts for reading alone.
    pub read_only: BTreeSet<String>,
}
