//! The closed vocabulary of what can be done to the machine. One effect is one call, named by names, never by ids, so
//! that no step waits for a value made by another. Effects are data: they are planned, shown, journalled and undone.
//!
//! A kind made of these needs no change elsewhere; a new variant makes the exhaustive matches in `machine/` answer for it.

mod made;
pub mod podman;
pub mod snapshot;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::observed::data::Requirement;
use crate::probe::Readiness;

pub use made::Made;
pub use podman::{
    BuildSource, ContainerCreate, Containerfile, CopyOut, Endpoint, ImageBuild, NetworkCreate, SecretCreate,
    SecretSource, VolumeCreate,
};
pub use snapshot::{Snapshot, Take};

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Podman(Podman),
    Systemd(Systemd),
    Files(Files),
    /// Nothing in the container is touched.
    CopyOut(Box<CopyOut>),
    Snapshot(Snapshot),
    Wait(Wait),
}

/// Calls of libpod's API. None of them forces, prunes, resets or kills.
#[derive(Clone, Debug, PartialEq)]
pub enum Podman {
    PullImage {
        reference: String,
    },
    BuildImage(Box<ImageBuild>),
    CreateNetwork(NetworkCreate),
    /// Refused by podman while a container uses it; never forced, since that would delete the containers.
    RemoveNetwork {
        name: String,
    },
    Connect {
        network: String,
        container: String,
        endpoint: Endpoint,
    },
    Disconnect {
        network: String,
        container: String,
    },
    CreateVolume(VolumeCreate),
    /// With what is in it; refused by podman while a container uses it.
    RemoveVolume {
        name: String,
    },
    CreateContainer(Made<ContainerCreate>),
    /// Only where there is no systemd user manager; elsewhere the unit starts it.
    StartContainer {
        name: String,
    },
    StopContainer {
        name: String,
        timeout: Duration,
    },
    /// Of a paused container: what was frozen goes on.
    UnpauseContainer {
        name: String,
    },
    RenameContainer {
        from: String,
        to: String,
    },
    /// Of a stopped container, its anonymous volumes kept.
    RemoveContainer {
        name: String,
    },
    /// Gives an image another name, so that a prune leaves it. One that is gone is left at that.
    TagImage {
        id: String,
        reference: String,
    },
    /// Takes a name from an image; the image stays.
    UntagImage {
        reference: String,
    },
    CreateSecret(SecretCreate),
    /// Nothing is done while a container's label of the key `named_in` holds the name as a JSON text.
    RemoveSecret {
        name: String,
        named_in: &'static str,
    },
}

/// Calls of the systemd user manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Systemd {
    Reload,
    Enable {
        unit: String,
    },
    Disable {
        unit: String,
    },
    /// Starts the unit and waits for its job. `container` is the one it runs, whose state and log explain a failure;
    /// `settle` is how long it must stay up to count as started; `timeout` bounds the whole. Where the job ends only when
    /// the container's own check has passed, `healthy_within` is how long that may take from the container's start.
    Start {
        unit: String,
        container: Option<String>,
        settle: Duration,
        healthy_within: Option<Duration>,
        timeout: Duration,
    },
    Stop {
        unit: String,
        timeout: Duration,
    },
    Restart {
        unit: String,
        container: Option<String>,
        settle: Duration,
        healthy_within: Option<Duration>,
        timeout: Duration,
    },
}

/// Files and directories; written to a temporary name, synced, renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Files {
    /// One directory whose parents are created too, each of them 0700.
    CreateDirectory {
        path: PathBuf,
        mode: u32,
    },
    /// Refused by the kernel where something lies in it.
    RemoveEmptyDirectory {
        path: PathBuf,
    },
    SetMode {
        path: PathBuf,
        mode: u32,
    },
    Write {
        path: PathBuf,
        content: String,
        mode: u32,
    },
    /// Into the file that is there, which stays the same one for whoever has it mounted or open: a power cut may leave half of it.
    Overwrite {
        path: PathBuf,
        content: String,
        mode: u32,
    },
    Remove {
        path: PathBuf,
    },
    /// A directory with everything in it; no link is followed.
    RemoveTree {
        path: PathBuf,
    },
    /// A hollow database with what belongs to it, into a dated directory beside it. Refused where it is not hollow any more.
    SetAside {
        path: PathBuf,
    },
    /// What was set aside last is where it was; what came in its place meanwhile is kept beside it.
    PutBack {
        path: PathBuf,
    },
    /// What was set aside stays there.
    KeepAside {
        path: PathBuf,
    },
}

/// Waiting for the machine; changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `container` and `unit` say whose log and state explain a failure.
    Healthy { subject: String, readiness: Readiness, container: Option<String>, unit: Option<String> },
    /// A one-shot container ends with exit code 0.
    Completed { container: String, timeout: Duration },
    /// A database is what its contract says.
    Holds { subject: String, path: PathBuf, wanted: Requirement, within: Duration },
    /// The container or unit that a dependent needs is running.
    Running { subject: String, container: Option<String>, unit: Option<String>, timeout: Duration },
}

impl Effect {
    /// Whether the call may go on for as long as something takes to come, and can be left at any time: what it had
    /// begun by then is taken back as of any other step.
    pub fn is_a_wait(&self) -> bool {
        match self {
            Effect::Wait(_) | Effect::CopyOut(_) | Effect::Podman(Podman::PullImage { .. } | Podman::BuildImage(_)) => {
                true
            }
            Effect::Systemd(Systemd::Start { healthy_within, .. } | Systemd::Restart { healthy_within, .. }) => {
                healthy_within.is_some()
            }
            Effect::Podman(_) | Effect::Systemd(_) | Effect::Files(_) | Effect::Snapshot(_) => false,
        }
    }

    /// Whether something runs once the call has ended well.
    pub fn is_a_start(&self) -> bool {
        matches!(
            self,
            Effect::Systemd(Systemd::Start { .. } | Systemd::Restart { .. })
                | Effect::Podman(Podman::StartContainer { .. })
        )
    }

    /// Whether the call stops something that runs.
    pub fn is_a_stop(&self) -> bool {
        matches!(
            self,
            Effect::Systemd(Systemd::Stop { .. } | Systemd::Restart { .. })
                | Effect::Podman(Podman::StopContainer { .. })
        )
    }

    /// Whether the call can change the machine.
    pub fn is_mutating(&self) -> bool {
        !matches!(self, Effect::Wait(_))
    }
}

/// The line that the journal and the progress show: what is called on what, without any content.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Podman(effect) => effect.fmt(f),
            Effect::Systemd(effect) => effect.fmt(f),
            Effect::Files(effect) => effect.fmt(f),
            Effect::CopyOut(copy) => write!(f, "copy out of {} to {}", copy.container, copy.to.display()),
            Effect::Snapshot(effect) => effect.fmt(f),
            Effect::Wait(effect) => effect.fmt(f),
        }
    }
}

impl fmt::Display for Podman {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Podman::PullImage { reference } => write!(f, "pull image {reference}"),
            Podman::BuildImage(build) => write!(f, "build image {}", build.reference),
            Podman::CreateNetwork(network) => write!(f, "create network {}", network.name),
            Podman::RemoveNetwork { name } => write!(f, "remove network {name}"),
            Podman::Connect { network, container, endpoint: _ } => {
                write!(f, "connect {container} to network {network}")
            }
            Podman::Disconnect { network, container } => write!(f, "disconnect {container} from network {network}"),
            Podman::CreateVolume(volume) => write!(f, "create volume {}", volume.name),
            Podman::RemoveVolume { name } => write!(f, "remove volume {name}"),
            Podman::CreateContainer(container) => write!(f, "create container {}", container.name),
            Podman::StartContainer { name } => write!(f, "start container {name}"),
            Podman::StopContainer { name, timeout: _ } => write!(f, "stop container {name}"),
            Podman::UnpauseContainer { name } => write!(f, "unpause container {name}"),
            Podman::RenameContainer { from, to } => write!(f, "rename container {from} to {to}"),
            Podman::RemoveContainer { name } => write!(f, "remove container {name}"),
            Podman::TagImage { id, reference } => write!(f, "tag image {:.12} as {reference}", id),
            Podman::UntagImage { reference } => write!(f, "untag image {reference}"),
            Podman::CreateSecret(secret) => write!(f, "create secret {}", secret.name),
            Podman::RemoveSecret { name, named_in: _ } => write!(f, "remove secret {name}"),
        }
    }
}

impl fmt::Display for Systemd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Systemd::Reload => f.write_str("reload systemd"),
            Systemd::Enable { unit } => write!(f, "enable {unit}"),
            Systemd::Disable { unit } => write!(f, "disable {unit}"),
            Systemd::Start { unit, .. } => write!(f, "start {unit}"),
            Systemd::Stop { unit, .. } => write!(f, "stop {unit}"),
            Systemd::Restart { unit, .. } => write!(f, "restart {unit}"),
        }
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Files::CreateDirectory { path, mode } => write!(f, "create directory {} ({mode:04o})", path.display()),
            Files::RemoveEmptyDirectory { path } => write!(f, "remove empty directory {}", path.display()),
            Files::SetMode { path, mode } => write!(f, "set mode of {} to {mode:04o}", path.display()),
            Files::Write { path, .. } => write!(f, "write {}", path.display()),
            Files::Overwrite { path, .. } => write!(f, "write {} in its place", path.display()),
            Files::Remove { path } => write!(f, "remove {}", path.display()),
            Files::RemoveTree { path } => write!(f, "remove {} with everything in it", path.display()),
            Files::SetAside { path } => write!(f, "set {} aside", path.display()),
            Files::PutBack { path } => write!(f, "put {} back", path.display()),
            Files::KeepAside { path } => write!(f, "keep what was set aside of {}", path.display()),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Healthy { subject, .. } => write!(f, "wait until {subject} is healthy"),
            Wait::Completed { container, .. } => write!(f, "wait until {container} has completed"),
            Wait::Holds { subject, path, .. } => {
                write!(f, "wait until {} is what the contract of {subject} says", path.display())
            }
            Wait::Running { subject, .. } => write!(f, "wait until {subject} runs"),
        }
    }
}

/// Below the runtime directory: who starts a unit and knows that its container is there says so with this file. The unit
/// takes it away, so that it holds for one start; a boot finds none.
pub fn there(container: &str) -> String {
    format!("stackctl/{container}.there")
}
