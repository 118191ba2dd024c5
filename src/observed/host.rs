//! What the host itself shows: paths, sockets, probes, and the settings that rootless podman and systemd rest on.

use std::net::IpAddr;
use std::path::PathBuf;

/// A path as `lstat` shows it, never followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    pub kind: PathKind,
    /// The permission bits alone.
    pub mode: u32,
    pub uid: u32,
    pub modified_us: u64,
    /// May this process write it (for a directory: make entries in it)?
    pub writable: bool,
    /// Of a regular file whose content was asked for; None where it is over the limit or no text.
    pub content: Option<String>,
    /// Of a directory: has it no entries? None where it could not be listed.
    pub empty: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathKind {
    File,
    Directory,
    /// With its target as written, and whether that is a directory, a file or nothing.
    Symlink {
        target: PathBuf,
        resolves_to_directory: bool,
    },
    Other,
}

/// A listening socket and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: String,
    pub ip: IpAddr,
    pub port: u16,
    pub uid: u32,
    /// Known for processes that this user may look into; filled for the ports that were asked for.
    pub pid: Option<u32>,
    pub command: Option<String>,
    /// `app.service`, `docker-registry.service`: from the process's control group.
    pub unit: Option<String>,
    /// `user` or `system`.
    pub scope: Option<String>,
}

/// The last answer of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReading {
    pub passed: bool,
    /// What was answered, in words: `200 OK`, `connection refused`.
    pub answer: String,
}

/// The machine, as far as rootless containers under a user manager need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    pub user: String,
    pub uid: u32,
    /// Does this machine run systemd as PID 1?
    pub systemd_runs: bool,
    pub linger: bool,
    pub newuidmap: NewuidMap,
    /// Length of the user's range in /etc/subuid; None: no line.
    pub subuid_count: Option<u64>,
    pub storage: Storage,
}

/// How podman's storage is set, and what lies in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// The driver that is set, and the file that says so.
    pub driver: Option<(String, PathBuf)>,
    /// Drivers that containers were made with.
    pub with_containers: Vec<String>,
    /// Where images and containers lie.
    pub root: PathBuf,
}

impl Storage {
    /// Does each layer lie there with everything below it, once more?
    pub fn copies_layers(&self) -> bool {
        match (&self.driver, self.with_containers.as_slice()) {
            (Some((driver, _)), _) => driver == "vfs",
            (None, used) => used == ["vfs"],
        }
    }
}

/// `newuidmap` as the PATH of the units finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NewuidMap {
    #[default]
    Missing,
    /// It is there, without the setuid bit and without file capabilities.
    Powerless(PathBuf),
    Usable(PathBuf),
}
