//! Podman's answers as they come, and how they become [`crate::observed`]. Pure. Tolerant of what podman 4 and 5 do
//! differently: lists and maps may be null, keys may be missing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::observed::podman::PublishedPort;
use crate::observed::{Container, ContainerState, Health, Image, Network, Secret, Volume};
use crate::time::rfc3339;

/// Null is what Go prints for an empty list or map.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Is that what we were about to create? Every label that we would have given says so.
pub(super) fn is_ours(have: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    !wanted.is_empty() && wanted.iter().all(|(key, value)| have.get(key) == Some(value))
}

/// A row of `GET containers/json` (`pkg/domain/entities/types/container_ps.go`).
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Row {
    id: String,
    #[serde(deserialize_with = "or_default")]
    names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    state: String,
    exit_code: i32,
    /// The health, in spite of its name.
    status: String,
    started_at: i64,
    pid: i32,
    #[serde(deserialize_with = "or_default")]
    networks: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    ports: Vec<RowPort>,
}

/// Neighbouring ports come as one with a range.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RowPort {
    host_ip: String,
    host_port: u16,
    container_port: u16,
    range: u16,
    protocol: String,
}

impl From<Row> for Container {
    fn from(row: Row) -> Self {
        let mut ports: Vec<PublishedPort> = row.ports.iter().flat_map(RowPort::each).collect();
        ports.sort();
        Self {
            applied: OnceLock::new(),
            id: row.id,
            name: row.names.into_iter().next().unwrap_or_default(),
            labels: row.labels,
            image: row.image,
            image_id: bare_id(&row.image_id),
            state: container_state(&row.state),
            exit_code: row.exit_code,
            health: health(&row.status),
            started_at: started_at(row.started_at),
            pid: row.pid,
            networks: sorted(row.networks),
            ports,
            inspect: None,
        }
    }
}

impl RowPort {
    fn each(&self) -> impl Iterator<Item = PublishedPort> + '_ {
        let last = self.range.max(1) - 1;
        (0..=last).map(|offset| PublishedPort {
            host_ip: every_address(&self.host_ip),
            host_port: self.host_port.saturating_add(offset),
            container_port: self.container_port.saturating_add(offset),
            protocol: self.protocol.clone(),
        })
    }
}

/// Podman's list shows no address where inspect shows `0.0.0.0`; it is empty here in both.
fn every_address(ip: &str) -> String {
    if ip == "0.0.0.0" { String::new() } else { ip.to_owned() }
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

/// Podman prints ids bare in some answers and with `sha256:` in others.
fn bare_id(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).to_owned()
}

fn container_state(text: &str) -> ContainerState {
    match text {
        "created" | "configured" | "initialized" => ContainerState::Created,
        "running" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "stopping" => ContainerState::Stopping,
        "exited" | "stopped" => ContainerState::Exited,
        _ => ContainerState::Other,
    }
}

pub(super) fn health(text: &str) -> Option<Health> {
    match text {
        "starting" => Some(Health::Starting),
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        _ => None,
    }
}

/// Go's zero time lies before the epoch.
fn started_at(unix_seconds: i64) -> String {
    let seconds = u64::try_from(unix_seconds).ok().filter(|seconds| *seconds > 0);
    seconds.map(|seconds| rfc3339(seconds * 1_000_000)).unwrap_or_default()
}

/// What of inspect is kept: what was configured and what state it is in. The rest are places in podman's storage,
/// addresses of the moment and process ids, which differ from run to run.
const KEPT: &[&str] = &[
    "Id",
    "Name",
    "Created",
    "Image",
    "ImageName",
    "ImageDigest",
    "Pod",
    "IsInfra",
    "RestartCount",
    "Dependencies",
    "EffectiveCaps",
    "BoundingCaps",
    "State",
    "Mounts",
    "Config",
    "HostConfig",
    "NetworkSettings",
];

/// Lists in whose order nothing lies and which podman fills from Go's maps, in any order.
const UNORDERED: &[&str] = &[
    "/EffectiveCaps",
    "/BoundingCaps",
    "/Dependencies",
    "/Mounts",
    "/Config/Env",
    "/HostConfig/Binds",
    "/HostConfig/CapAdd",
    "/HostConfig/CapDrop",
    "/HostConfig/SecurityOpt",
    "/HostConfig/Ulimits",
];

/// The canonical parts of an inspect answer (libpod's v5 shape): volatile parts dropped, unordered lists sorted.
pub(super) fn canonical(mut inspect: Value) -> Value {
    if let Some(map) = inspect.as_object_mut() {
        map.retain(|key, _| KEPT.contains(&key.as_str()));
    }
    if let Some(network) = inspect.get_mut("NetworkSettings").and_then(Value::as_object_mut) {
        network.retain(|key, _| key == "Networks" || key == "Ports");
    }
    for pointer in UNORDERED {
        if let Some(list) = inspect.pointer_mut(pointer).and_then(Value::as_array_mut) {
            list.sort_by_cached_key(Value::to_string);
        }
    }
    inspect
}

/// A container from its inspect answer, which it keeps in canonical form.
pub(super) fn inspected(answer: Value) -> Container {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let number = |pointer: &str| {
        answer
            .pointer(pointer)
            .and_then(Value::as_i64)
            .and_then(|number| i32::try_from(number).ok())
            .unwrap_or_default()
    };
    let labels = answer.pointer("/Config/Labels").and_then(Value::as_object);
    // Of one that lives in another's network, inspect shows that one's, and the list none (podman 5.4).
    let is_joined = text("/HostConfig/NetworkMode").starts_with("container:");
    let networks = answer.pointer("/NetworkSettings/Networks").and_then(Value::as_object).filter(|_| !is_joined);
    // podman 4.3 calls it Healthcheck.
    let health_text = match text("/State/Health/Status") {
        "" => text("/State/Healthcheck/Status"),
        status => status,
    };
    let started_at = text("/State/StartedAt");
    Container {
        applied: OnceLock::new(),
        id: text("/Id").to_owned(),
        name: text("/Name").to_owned(),
        labels: labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        image: text("/ImageName").to_owned(),
        image_id: bare_id(text("/Image")),
        state: container_state(text("/State/Status")),
        exit_code: number("/State/ExitCode"),
        health: health(health_text),
        started_at: if started_at.starts_with("0001-") { String::new() } else { started_at.to_owned() },
        pid: number("/State/Pid"),
        networks: networks.map(|map| map.keys().cloned().collect()).unwrap_or_default(),
        ports: inspected_ports(&answer),
        inspect: Some(canonical(answer)),
    }
}

/// `"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]`, or null for a port that is exposed and not published.
fn inspected_ports(answer: &Value) -> Vec<PublishedPort> {
    let bindings = answer.pointer("/HostConfig/PortBindings").and_then(Value::as_object);
    let mut ports = Vec::new();
    for (key, hosts) in bindings.into_iter().flatten() {
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        for host in hosts.as_array().into_iter().flatten() {
            let text = |key: &str| host.get(key).and_then(Value::as_str).unwrap_or_default();
            ports.push(PublishedPort {
                host_ip: every_address(text("HostIp")),
                host_port: text("HostPort").parse().unwrap_or_default(),
                container_port: port.parse().unwrap_or_default(),
                protocol: protocol.to_owned(),
            });
        }
    }
    ports.sort();
    ports
}

/// `GET networks/json` and `GET networks/NAME/json`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NetworkRow {
    pub(super) name: String,
    driver: String,
    #[serde(deserialize_with = "or_default")]
    subnets: Vec<SubnetRow>,
    ipv6_enabled: bool,
    internal: bool,
    dns_enabled: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    options: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SubnetRow {
    subnet: String,
    #[serde(deserialize_with = "or_default")]
    gateway: String,
}

impl From<NetworkRow> for Network {
    fn from(row: NetworkRow) -> Self {
        Self {
            name: row.name,
            driver: row.driver,
            internal: row.internal,
            ipv6_enabled: row.ipv6_enabled,
            dns_enabled: row.dns_enabled,
            subnets: row.subnets.into_iter().map(|subnet| (subnet.subnet, subnet.gateway)).collect(),
            labels: row.labels,
            options: row.options,
        }
    }
}

/// `GET volumes/json` and `GET volumes/NAME/json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VolumeRow {
    pub(super) name: String,
    driver: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    options: BTreeMap<String, String>,
    mountpoint: String,
}

impl From<VolumeRow> for Volume {
    fn from(row: VolumeRow) -> Self {
        Self {
            name: row.name,
            driver: row.driver,
            labels: row.labels,
            options: row.options,
            mountpoint: row.mountpoint,
        }
    }
}

/// `GET secrets/json` and `GET secrets/NAME/json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct SecretRow {
    spec: SecretSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) secret_data: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SecretSpec {
    name: String,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

impl From<SecretRow> for Secret {
    fn from(row: SecretRow) -> Self {
        Self { name: row.spec.name, labels: row.spec.labels, value: None }
    }
}

/// `GET images/REFERENCE/json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ImageRow {
    id: String,
    #[serde(deserialize_with = "or_default")]
    repo_tags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    repo_digests: Vec<String>,
    size: u64,
    #[serde(deserialize_with = "or_default")]
    config: ImageConfig,
    #[serde(deserialize_with = "or_default")]
    healthcheck: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ImageConfig {
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    volumes: BTreeMap<String, Value>,
    user: String,
}

impl ImageRow {
    /// Does the reference name this image, or did podman find it because its id begins with the reference?
    pub(super) fn is_named(&self, reference: &str) -> bool {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        if let Some(hex) = reference.strip_prefix("sha256:").or((reference.len() == 64).then_some(reference)) {
            return bare_id(&self.id) == hex;
        }
        let names = match digest {
            Some(_) => &self.repo_digests,
            None => &self.repo_tags,
        };
        // Podman takes no notice of a tag beside a digest.
        let wanted = match (digest, untagged(name)) {
            (Some(digest), (name, _)) => format!("{name}@{digest}"),
            (None, (name, tag)) => format!("{name}:{}", tag.unwrap_or("latest")),
        };
        // A name without registry is looked up by podman's short names; what it finds ends in that name.
        names.iter().any(|have| {
            *have == wanted
                || !has_registry(name) && have.strip_suffix(&wanted).is_some_and(|before| before.ends_with('/'))
        })
    }

    pub(super) fn image(self) -> Image {
        let test = self.healthcheck.as_ref().and_then(|check| check.get("Test")).and_then(Value::as_array);
        let test: Vec<String> = test.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        Image {
            id: bare_id(&self.id),
            digests: sorted(self.repo_digests),
            labels: self.config.labels,
            volumes: self.config.volumes.into_keys().collect(),
            user: self.config.user,
            healthcheck: if test.first().is_some_and(|first| first == "NONE") { Vec::new() } else { test },
            size_bytes: self.size,
        }
    }
}

/// The name, and the tag where there is one; a colon before a slash belongs to the port of a registry.
fn untagged(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

fn has_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost")
}

/// The registry that a reference is pulled from; without one podman asks its short names, mostly docker.io.
pub(super) fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((first, _)) if has_registry(reference) => first,
        _ => "docker.io",
    }
}
