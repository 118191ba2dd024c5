//! What podman shows of its objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use crate::attributes::{Attributes, Hidden};

/// The API service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Of libpod's API, which is podman's own version, such as `5.4.2`.
    pub version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Created, initialised or configured: it has never been started.
    Created,
    Running,
    Paused,
    Stopping,
    Exited,
    /// Anything else that podman says, such as `removing` or `unknown`.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// A container as the list shows it and, where it was inspected, whole.
#[derive(Clone, PartialEq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The reference that it was made from.
    pub image: String,
    pub image_id: String,
    pub state: ContainerState,
    pub exit_code: i32,
    pub health: Option<Health>,
    /// RFC 3339 as podman prints it; empty when it was never started.
    pub started_at: String,
    /// On this host; 0 when it does not run.
    pub pid: i32,
    /// Names of the networks that it is attached to now.
    pub networks: Vec<String>,
    pub ports: Vec<PublishedPort>,
    /// The answer of inspect in libpod's v5 shape, where it was asked for. It may hold secrets: never stored, never
    /// printed.
    pub inspect: Option<Value>,
    /// What its labels say that it was made from, once somebody has read them (`kinds::labels::applied`).
    pub applied: OnceLock<Option<Attributes>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedPort {
    /// As podman shows it; empty means every address.
    pub host_ip: String,
    pub host_port: u16,
    pub container_port: u16,
    pub protocol: String,
}

impl Container {
    /// Aliases on a network, the container's own short id left out; empty where it was not inspected.
    pub fn aliases_on(&self, network: &str) -> Vec<String> {
        let endpoint = self.inspect.as_ref().map(|inspect| &inspect["NetworkSettings"]["Networks"][network]);
        let aliases = endpoint.and_then(|endpoint| endpoint["Aliases"].as_array());
        let own = |alias: &str| alias.len() == 12 && self.id.starts_with(alias);
        let aliases = aliases.into_iter().flatten().filter_map(Value::as_str).filter(|alias| !own(alias));
        aliases.map(str::to_owned).collect()
    }

    /// Ids of those that podman starts with it and does not remove before it: whose namespaces it lives in. Empty where it was not
    /// inspected.
    pub fn needs(&self) -> BTreeSet<&str> {
        let ids = self.inspect.as_ref().and_then(|inspect| inspect["Dependencies"].as_array());
        ids.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused | ContainerState::Stopping)
    }
}

/// Without the inspected part, which may hold secrets.
impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("image", &self.image)
            .field("state", &self.state)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    pub name: String,
    pub driver: String,
    pub internal: bool,
    pub ipv6_enabled: bool,
    pub dns_enabled: bool,
    /// `(subnet, gateway)`; gateway may be empty.
    pub subnets: Vec<(String, String)>,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    pub name: String,
    pub driver: String,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub mountpoint: String,
}

/// A secret of podman.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Only where it was asked for, since its hash can no longer be told: the key is another.
    pub value: Option<Hidden>,
}

/// A local image under the reference that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub id: String,
    pub digests: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// Paths that the image declares as `VOLUME`.
    pub volumes: Vec<String>,
    /// Whom it says that its program runs as; nobody is root.
    pub user: String,
    /// The test of the health check that it brings; empty where it brings none.
    pub healthcheck: Vec<String>,
    pub size_bytes: u64,
}

/// What a registry has under a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteImage {
    /// Where it is one image: its id, once it is pulled.
    pub id: Option<String>,
    /// Where it is a list, one for each architecture: their digests.
    pub digests: Vec<String>,
}

impl RemoteImage {
    /// Would a pull bring nothing new?
    pub fn is(&self, local: &Image) -> bool {
        let held = |digest: &String| local.digests.iter().any(|have| have.ends_with(digest.as_str()));
        self.id.as_ref() == Some(&local.id) || self.digests.iter().any(held)
    }
}
