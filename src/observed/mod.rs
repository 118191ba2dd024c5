//! What was asked of the machine, and what was seen: plain data, and all that a plan may rest on. The time of looking
//! and the ledger's facts are part of it, so that planning needs neither clock nor ledger.
//!
//! Three answers are kept apart everywhere: it is there, it is not there, it could not be told (`Unknown`, which never
//! leads to an action).

mod containers;
pub mod copied;
pub mod data;
pub mod host;
pub mod layer;
pub mod paths;
pub mod podman;
pub mod query;
pub mod snapshot;
pub mod systemd;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::effect::BuildSource;
use crate::sorted::Sorted;
pub use containers::Containers;
pub use host::{Host, Listener, NewuidMap, PathInfo, PathKind, ProbeReading, Storage};
pub use paths::{PathMap, PathSet};
pub use podman::{Container, ContainerState, Engine, Health, Image, Network, RemoteImage, Secret, Volume};
pub use query::Query;
pub use systemd::{Manager, Unit};

/// One answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seen<T> {
    Present(T),
    #[default]
    Absent,
    /// It could not be told, and why.
    Unknown(String),
}

impl<T> Seen<T> {
    pub fn present(&self) -> Option<&T> {
        match self {
            Seen::Present(value) => Some(value),
            Seen::Absent | Seen::Unknown(_) => None,
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Seen::Absent)
    }
}

/// Everything seen in one look at the machine.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// When it was looked, in microseconds since 1970.
    pub now_us: u64,
    /// Absent: no podman is installed or no socket answers (the reason is in `Unknown`).
    pub podman: Seen<Engine>,
    /// Absent: this machine runs no systemd. Unknown: it does, and its user bus does not answer.
    pub manager: Seen<Manager>,
    /// By name: this stack's containers, those asked for by name whoever owns them, and in the second round, asked for
    /// with `Query::all_containers`, every one there is.
    pub containers: Containers,
    /// Containers are told by their list, and inspected where that shows them to be unlike the file, or for what no list tells.
    pub by_list: bool,
    pub networks: Sorted<String, Network>,
    pub volumes: Sorted<String, Volume>,
    /// This stack's, and those asked for by name whoever owns them.
    pub secrets: BTreeMap<String, Secret>,
    /// By the reference that was asked for.
    pub images: Sorted<String, Seen<Image>>,
    /// What registries have, of the references that they were to be asked for.
    pub registry: BTreeMap<String, Seen<RemoteImage>>,
    /// Bytes of the layers that pulls will bring, as registries send them, the lowest first; filled where asked for and told.
    pub pulls: BTreeMap<String, Vec<u64>>,
    /// A digest of everything that a build would be made from.
    pub build_sources: BTreeMap<BuildSource, Seen<String>>,
    /// Loaded units among those asked for, and every loaded unit whose name matches a pattern that was asked for.
    pub units: Sorted<String, Unit>,
    pub paths: PathMap<Seen<PathInfo>>,
    /// Of the folders that were asked for and are there: the small files in them and their text, links followed.
    pub folders: BTreeMap<PathBuf, BTreeMap<PathBuf, String>>,
    /// What lies in the directories of the search path that were asked for and are there, in their order.
    pub search_path: Vec<(PathBuf, BTreeSet<String>)>,
    /// Sockets that listen, of every owner in this network namespace; filled where ports were asked for.
    pub listeners: Vec<Listener>,
    pub probes: BTreeMap<Address, ProbeReading>,
    /// Filled where asked for.
    pub host: Option<Host>,
    pub facts: Facts,
    /// Of what must survive, by path on the host.
    pub data: BTreeMap<PathBuf, data::Reading>,
    /// What SQLite says of them; filled where asked for.
    pub integrity: BTreeMap<PathBuf, data::Integrity>,
    /// By container, then by target.
    pub mounts: BTreeMap<String, BTreeMap<String, data::LiveMount>>,
    /// What may be copies of databases that were lost, by where those lay; filled where asked for.
    pub candidates: BTreeMap<PathBuf, Vec<data::Candidate>>,
    /// How much lies below directories; filled where asked for.
    pub extents: BTreeMap<PathBuf, data::Extent>,
    /// Who has files open to write to them; filled where asked for.
    pub writers: BTreeMap<PathBuf, Vec<data::Writer>>,
    /// What containers wrote outside their mounts, by name; filled where asked for.
    pub layers: BTreeMap<String, Seen<layer::Layer>>,
    /// Copies of data at rest, by the directory of their container, the last one last.
    pub snapshots: BTreeMap<PathBuf, Vec<snapshot::Snapshot>>,
    /// The room where something is to be written; filled where asked for.
    pub space: BTreeMap<PathBuf, snapshot::Space>,
    /// Containers whose data is to be that of a copy again: for this run, asked by the user.
    pub going_back: BTreeMap<Address, snapshot::Handle>,
    /// Guards that the user lets pass in this run: code and address.
    pub accepted: BTreeSet<(String, Address)>,
    /// What could not be listed at all, with the reason: everything of that sort is Unknown.
    pub blind: BTreeMap<Sort, String>,
}

/// A sort of object whose list could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    Containers,
    Networks,
    Volumes,
    Secrets,
    Units,
    Listeners,
}

/// What podman and unit files cannot carry (design §2.3): the ledger's facts, by key such as
/// `applied:directory.~/x`, `fingerprint:container.ollama`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(pub Sorted<String, serde_json::Value>);

impl Facts {
    pub fn get(&self, kind_of_fact: &str, address: &Address) -> Option<&serde_json::Value> {
        self.0.get(&Facts::key(kind_of_fact, address))
    }

    pub fn key(kind_of_fact: &str, address: &Address) -> String {
        [kind_of_fact, ":", address.as_str()].concat()
    }
}
