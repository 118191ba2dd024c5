//! Bodies of libpod's create calls, typed by hand: podman ignores unknown keys without a word, so a typo would be a
//! silent misconfiguration, and podman-api misspells some and lacks others. Only what is set is sent. Names and
//! spellings are those of `pkg/specgen` of podman 5; every field written here has a read-back test on a real podman.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::attributes::Hidden;

/// `POST /libpod/networks/create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkCreate {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    pub dns_enabled: bool,
    pub internal: bool,
    pub ipv6_enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub subnets: Vec<Subnet>,
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub subnet: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gateway: Option<String>,
}

/// `POST /libpod/volumes/create`; the capital letters are podman's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeCreate {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    pub label: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// `POST /libpod/build`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageBuild {
    /// What it is called then.
    pub reference: String,
    pub source: BuildSource,
    pub args: BTreeMap<String, Hidden>,
    pub target: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Every step is made anew.
    pub no_cache: bool,
    /// The registry is asked for newer base images.
    pub pull: bool,
    pub network: Option<String>,
    pub extra_hosts: Vec<String>,
    pub shm_size: Option<u64>,
}

/// What a build is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuildSource {
    pub context: PathBuf,
    pub containerfile: Containerfile,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Containerfile {
    File(PathBuf),
    Inline(String),
}

impl Default for Containerfile {
    fn default() -> Self {
        Self::Inline(String::new())
    }
}

/// `POST /libpod/secrets/create`; the value is the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCreate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub source: SecretSource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Given(Hidden),
    /// Letters and digits, made when the call is.
    Generated {
        length: usize,
    },
}

/// A secret as a file in the container. Podman copies it in when the container is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretMount {
    pub source: String,
    pub target: String,
    #[serde(rename = "UID")]
    pub uid: u32,
    #[serde(rename = "GID")]
    pub gid: u32,
    pub mode: u32,
}

/// Copies files out of a container, running or not, into a directory that is made for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOut {
    pub container: String,
    /// It, and no later one of its name.
    pub id: String,
    /// Of its first process, where it runs.
    pub pid: Option<i32>,
    pub sources: Vec<CopySource>,
    /// Nothing is there yet.
    pub to: PathBuf,
    /// How the container's ids lie in the user namespace of all of this user's: `(container, namespace, count)`; none where they are
    /// the same.
    pub uids: Vec<(u32, u32, u32)>,
    pub gids: Vec<(u32, u32, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// In the container.
    pub path: String,
    pub via: Via,
}

/// How what lies at a path is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Podman's own.
    Archive,
    /// The root of its process, where podman would show what lies at the source of a mount by now.
    Root { pid: i32 },
    /// What its process holds open, where it has no name any more.
    Descriptor(PathBuf),
}

/// How a container is attached to a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub static_ips: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub static_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interface_name: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub options: BTreeMap<String, String>,
}

/// What becomes of the paths that the image declares as `VOLUME` and nobody mounts anything at: each gets a volume with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undeclared {
    /// Of each volume.
    pub labels: BTreeMap<String, String>,
    /// The label of its address, and what that begins with.
    pub address_label: &'static str,
    pub address: String,
    /// What its name begins with.
    pub name: String,
    /// Paths that are left to podman.
    pub except: BTreeSet<String>,
    /// Volumes that the one before it has at such paths: they go on with the data that is in them.
    pub known: BTreeMap<String, String>,
}

impl Undeclared {
    pub fn is_covered(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.except.iter().any(|known| known.trim_end_matches('/') == path)
    }

    /// The name of the volume for a path.
    pub fn volume(&self, path: &str) -> String {
        if let Some(known) = self.known.get(path.trim_end_matches('/')) {
            return known.clone();
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '.' };
        let path: String = path.trim_matches('/').chars().map(plain).collect();
        format!("{}{path}", self.name)
    }

    /// None where it is there.
    pub fn create(&self, path: &str) -> Option<VolumeCreate> {
        if self.known.contains_key(path.trim_end_matches('/')) {
            return None;
        }
        let mut label = self.labels.clone();
        label.insert(self.address_label.to_owned(), format!("{}:{path}", self.address));
        Some(VolumeCreate { name: self.volume(path), label, ..VolumeCreate::default() })
    }
}

/// `POST /libpod/containers/create`.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct ContainerCreate {
    pub name: String,
    pub image: String,
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_filesystem: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_new_privileges: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<NamedVolume>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_volumes: Vec<ImageVolume>,
    /// None: the image is known to declare nothing that is not mounted, and podman is left to it.
    #[serde(skip)]
    pub undeclared: Option<Undeclared>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub portmappings: Vec<PortMapping>,
    /// Port to protocols with commas between them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expose: BTreeMap<u16, String>,
    pub netns: Namespace,
    #[serde(rename = "Networks", skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, Endpoint>,
    /// By mode: such as `pasta`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub network_options: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostadd: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthconfig: Option<HealthConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u64>,
    /// A number: libpod's `syscall.Signal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_limits: Option<ResourceLimits>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_server: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_option: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub r_limits: Vec<Rlimit>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pidns: Option<Namespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipcns: Option<Namespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utsns: Option<Namespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns: Option<Namespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_configuration: Option<LogConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selinux_opts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile_path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmask: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretMount>,
    /// Variable -> secret. Podman looks the secret up at each start.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_env: BTreeMap<String, String>,
    pub restart_policy: String,
    /// `conmon`, `container`, `healthy` or `ignore`.
    #[serde(rename = "sdnotifyMode", skip_serializing_if = "Option::is_none")]
    pub sdnotify_mode: Option<String>,
    /// `split` and others; inspect never shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroups_mode: Option<String>,
    /// What becomes of a path that the image declares as `VOLUME` and that nothing is mounted on: see [`ANONYMOUS`].
    pub image_volume_mode: String,
}

/// Podman's own default for [`ContainerCreate::image_volume_mode`]: a volume without a name, kept when the container is
/// removed without `volumes`. (`ignore` leaves such data in the writable layer, `tmpfs` in memory.)
pub const ANONYMOUS: &str = "anonymous";

/// Without the environment, the command and what else may hold something private.
impl std::fmt::Debug for ContainerCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContainerCreate").field("name", &self.name).field("image", &self.image).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Device {
    /// `/dev/dri:/dev/dri:rwm` as podman splits it itself, or a CDI name.
    pub path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogConfig {
    pub driver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// One of getrlimit(2), such as `nofile`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rlimit {
    #[serde(rename = "type")]
    pub kind: String,
    pub soft: u64,
    pub hard: u64,
}

/// A bind mount or tmpfs (OCI runtime spec's mount).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mount {
    pub destination: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamedVolume {
    pub name: String,
    pub dest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
}

/// The files of an image, below a layer of the container's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImageVolume {
    #[serde(rename = "Source")]
    pub source: String,
    #[serde(rename = "Destination")]
    pub destination: String,
    #[serde(rename = "ReadWrite")]
    pub read_write: bool,
    #[serde(rename = "subPath", skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortMapping {
    pub host_ip: String,
    pub host_port: u16,
    pub container_port: u16,
    pub protocol: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// `bridge`, `host`, `none`, `pasta`, `container`.
    pub nsmode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Durations in nanoseconds, as Go's. Where `test` is given, all is to be given: the API fills nothing in, unlike
/// podman's command line. Without an interval podman never checks, without a timeout each check fails, without retries
/// the first failure counts (podman 5.4, `libpod/healthcheck.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `["CMD", …]`, `["CMD-SHELL", line]` or `["NONE"]`.
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResourceLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Pids>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<i64>,
    /// Memory and swap together; -1 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cpu {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
    /// Such as `0-1,3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    pub limit: i64,
}
