//! What is seen of a container: its inspect in the words of the table, the half of a replace that lies beside it, its
//! unit, and whether it was edited in place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::attributes::{UNIT_ROWS, created_with};
use super::{Container, MountSource, data, gpu, namespaces, settings, snapshot, systemd};
use crate::attributes::Attributes;
use crate::desired::Object;
use crate::kinds::{labels, secret};
use crate::observed::{self, ContainerState, Observed, Seen, Sort};

const FINGERPRINT: &str = "fingerprint";

/// The containers of one address as they lie on the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lies<'o> {
    pub(super) live: Option<&'o observed::Container>,
    pub(super) parked: Option<&'o observed::Container>,
    pub(super) next: Option<&'o observed::Container>,
    /// Ours, of this address, under a name that stackctl never gives: renamed by hand.
    pub(super) renamed: Option<&'o observed::Container>,
    /// The next one was made for a half of another container.
    pub(super) next_is_cut_off: bool,
}

impl<'o> Lies<'o> {
    pub(super) fn of(container: &Container, observed: &'o Observed) -> Self {
        let ours = |name: &str| {
            let found = observed.containers.get(name)?;
            labels::belongs_to(&found.labels, &container.context.stack).then_some(found)
        };
        let names = container.all_names();
        let [live, parked, next] = names.map(ours);
        // Every container is looked at only for one that has none of its names.
        let alone = live.is_none() && parked.is_none() && next.is_none();
        let renamed = alone.then(|| {
            observed.containers.values().find(|found| {
                labels::belongs_to(&found.labels, &container.context.stack)
                    && labels::address(&found.labels).as_ref() == Some(&container.address)
                    && !names.contains(&found.name.as_str())
            })
        });
        let next_is_cut_off = next.is_some_and(|next| namespaces::is_cut_off(next, observed));
        Self { live, parked, next, renamed: renamed.flatten(), next_is_cut_off }
    }

    /// The one that is, or is about to be, in service.
    pub(super) fn subject(self, container: &Container) -> Option<&'o observed::Container> {
        let wanted = self.next.filter(|next| is_as_desired(container, next) && !self.next_is_cut_off);
        self.live.or(wanted).or(self.parked).or(self.renamed)
    }

    fn half_done(self) -> Value {
        let there = [("live", self.live), ("parked", self.parked), ("next", self.next)];
        let names: Vec<&str> = there.iter().filter(|(_, found)| found.is_some()).map(|(name, _)| *name).collect();
        if self.parked.is_some() || self.next.is_some() { json!(names) } else { Value::Null }
    }
}

/// Was it made from exactly what is desired now?
pub(super) fn is_as_desired(container: &Container, found: &observed::Container) -> bool {
    let plain = container.once.created_text.get_or_init(|| created_with(container).canonical());
    if labels::plainly_says(&found.labels, plain) {
        return true;
    }
    labels::applied(found).is_some_and(|spec| {
        let wanted = created_with(container);
        // Which version and which devices it was made with, the file does not say.
        let given = spec.0.iter().filter(|(path, _)| ![secret::VERSIONS, gpu::FOUND].contains(&path.as_str()));
        given.eq(wanted.0.iter())
    })
}

pub(super) fn seen(container: &Container, observed: &Observed) -> Seen<Object> {
    if let Some(why) = observed.blind.get(&Sort::Containers) {
        return Seen::Unknown(why.clone());
    }
    let lies = Lies::of(container, observed);
    let Some(subject) = lies.subject(container) else {
        return Seen::Absent;
    };
    let mut last = labels::applied(subject).cloned().unwrap_or_default();
    let mut attributes = match (&subject.inspect, lies.live.or(lies.renamed).is_some()) {
        (Some(inspect), true) => shown(container, subject, inspect, &last, observed),
        // What was not inspected is as it was made, as far as the list does not tell otherwise.
        (None, true) => listed(container, subject, &last, observed),
        (inspect, _) => {
            let mut seen = last.clone();
            // Of what lies parked, too: where it lives cannot be put back by a rename.
            inspect.iter().for_each(|inspect| namespaces::seen(inspect, observed, &mut seen));
            seen
        }
    };
    let unit_spec = systemd::unit(container).seen(observed, &container.context, &mut attributes);
    last.0.extend(unit_spec.0.into_iter().filter(|(path, _)| UNIT_ROWS.contains(&path.as_str())));
    attributes.set("running", runs(container, subject, observed));
    attributes.set("paused", subject.state == ContainerState::Paused);
    let is_made_for_it = subject.labels.get(labels::UNIT) == Some(&container.names.unit);
    attributes.set("supervised", observed.manager.present().is_none() || is_made_for_it);
    attributes.set("half_done", lies.half_done());
    if data::has_quarantine(container) {
        let hollow = data::hollow(container, observed);
        attributes
            .set("hollow", json!(hollow.iter().map(|hollow| hollow.path.display().to_string()).collect::<Vec<_>>()));
    }
    if !container.data.is_empty() {
        attributes.set("data_from", snapshot::state(container, observed));
    }
    attributes.set("name", lies.renamed.map_or(&container.name, |renamed| &renamed.name).clone());
    let mut edited = edited_in_place(container, subject, observed);
    edited.retain(|path| !is_told_by_a_row(path, &attributes, &last));
    attributes.set("edited_in_place", json!(edited));
    if observed.manager.is_absent() {
        // Without a user manager there is no unit to compare.
        let desired = super::attributes::desired(container);
        for row in UNIT_ROWS.iter().filter(|row| **row != "name").chain(&["unit", "loaded"]) {
            if let Some(value) = desired.get(row) {
                attributes.set(row, value.clone());
            }
        }
    }
    Seen::Present(Object { attributes, last_applied: Some(last) })
}

/// What [`seen`] would find as it is to be, where the list alone tells.
pub(super) fn is_settled(container: &Container, observed: &Observed) -> bool {
    let lies = Lies::of(container, observed);
    let Lies { live: Some(live), parked: None, next: None, .. } = lies else { return false };
    let unit = &container.names.unit;
    live.inspect.as_ref().is_none_or(|inspect| observed.by_list && namespaces::is_at_home(container, inspect, observed))
        && observed.blind.is_empty()
        && observed.manager.present().is_some()
        && live.state != ContainerState::Paused
        && live.labels.get(labels::UNIT) == Some(unit)
        && runs(container, live, observed)
        && live.networks.len() == container.networks.len()
        && container.networks.values().all(|attachment| live.networks.contains(&attachment.name))
        && is_as_desired(container, live)
        && observed.facts.get("applied", &container.address).is_none_or(|applied| {
            // What it was put on since, the ledger alone knows.
            applied.get("networks") == created_with(container).get("networks")
        })
        && data::hollow(container, observed).is_empty()
        && snapshot::state(container, observed).is_null()
        && !is_behind(container, live, observed)
        && systemd::unit(container).is_settled(observed)
}

/// The one in service, where the list shows that inspecting it would tell more: its label says something else than the file, or
/// it is on other networks.
pub(super) fn unlike<'o>(
    container: &Container,
    lies: Lies<'o>,
    observed: &Observed,
) -> Option<&'o observed::Container> {
    let live = lies.live.or(lies.renamed).filter(|live| live.inspect.is_none())?;
    let on: BTreeSet<&String> = live.networks.iter().collect();
    let wanted: BTreeSet<&String> = container.networks.values().map(|attachment| &attachment.name).collect();
    (!is_as_desired(container, live) || on != wanted || is_behind(container, live, observed)).then_some(live)
}

/// As it was made, on the networks that it is on now.
fn listed(container: &Container, subject: &observed::Container, last: &Attributes, observed: &Observed) -> Attributes {
    let mut seen = last.clone();
    seen.set("image", image(container, subject, last, observed));
    let applied = observed.facts.get("applied", &container.address).and_then(|applied| applied.get("networks"));
    let known = |name: &String| {
        let known = [applied, last.get("networks")].into_iter().flatten().find_map(|networks| networks.get(name));
        known.cloned().unwrap_or_else(|| json!({ "aliases": [], "static_ips": [] }))
    };
    if !subject.networks.is_empty() && last.get("networks").is_some() {
        seen.set("networks", subject.networks.iter().map(|name| (name.clone(), known(name))).collect::<Map<_, _>>());
    }
    seen
}

/// A one-shot that has ended well counts as running: there is nothing to start. Where the manager cannot be asked, nothing
/// is said against the container's own word. One whose unit is on its way down does not run: a killed run's stop may still
/// be under way.
pub(super) fn runs(container: &Container, subject: &observed::Container, observed: &Observed) -> bool {
    let completed =
        container.one_shot && subject.exit_code == 0 && !subject.started_at.is_empty() && !subject.is_running();
    let unit = observed.units.get(&container.names.unit);
    let supervised = observed.manager.present().is_none()
        || unit.is_some_and(|unit| !["failed", "inactive", "deactivating"].contains(&unit.active.as_str()));
    completed || (subject.is_running() && supervised)
}

/// The rows as inspect shows them, in the same words as the desired side.
fn shown(
    container: &Container,
    subject: &observed::Container,
    inspect: &Value,
    last: &Attributes,
    observed: &Observed,
) -> Attributes {
    let (config, host) = (&inspect["Config"], &inspect["HostConfig"]);
    let mut seen = Attributes::default();
    seen.set("image", image(container, subject, last, observed));
    seen.set("command", config["Cmd"].clone());
    seen.set("entrypoint", list(&config["Entrypoint"]));
    seen.set("environment", environment(container, config, last));
    seen.set("working_dir", config["WorkingDir"].clone());
    seen.set("user", config["User"].clone());
    seen.set("hostname", config["Hostname"].clone());
    seen.set("ports", ports(subject, host));
    seen.set("volumes", volumes(container, inspect));
    seen.set("network_mode", network_mode(container, host, last));
    seen.set("networks", networks(container, subject, inspect, last, observed));
    seen.set("healthcheck", healthcheck(config));
    seen.set("stop_signal", config["StopSignal"].clone());
    seen.set("labels", config["Labels"].clone());
    seen.set("privileged", host["Privileged"].clone());
    seen.set("read_only", host["ReadonlyRootfs"].clone());
    seen.set("init", host["Init"].as_bool().unwrap_or(false));
    let options = list(&host["SecurityOpt"]);
    let hardened = options.as_array().is_some_and(|all| all.iter().any(|option| option == "no-new-privileges"));
    seen.set("no_new_privileges", hardened);
    seen.set("extra_hosts", list(&host["ExtraHosts"]));
    seen.set("shm_size", host["ShmSize"].clone());
    seen.set("memory", host["Memory"].clone());
    seen.set("cpus", cpus(host));
    seen.set("pids_limit", host["PidsLimit"].clone());
    settings::seen(config, host, &mut seen);
    namespaces::seen(inspect, observed, &mut seen);
    seen
}

/// Has the reference come to mean another image since? Of one that was made from this reference.
fn is_behind(container: &Container, subject: &observed::Container, observed: &Observed) -> bool {
    let now = observed.images.get(&container.image).and_then(Seen::present);
    now.is_some_and(|now| now.id != subject.image_id)
}

/// The reference; with the image's id where the reference has come to mean another image since.
pub(super) fn image(
    container: &Container,
    subject: &observed::Container,
    last: &Attributes,
    observed: &Observed,
) -> String {
    let made_from = last.get("image").and_then(Value::as_str).unwrap_or(&subject.image).to_owned();
    if made_from != container.image || !is_behind(container, subject, observed) {
        return made_from;
    }
    let short: String = subject.image_id.trim_start_matches("sha256:").chars().take(12).collect();
    format!("{made_from} as it was, {short}")
}

fn list(value: &Value) -> Value {
    match value {
        Value::Null => json!([]),
        Value::String(text) => json!([text]),
        other => other.clone(),
    }
}

/// Only the keys that are compared; sealed where the other side is.
fn environment(container: &Container, config: &Value, last: &Attributes) -> Value {
    let last = last.get("environment").and_then(Value::as_object);
    let mut seen = Map::new();
    for line in config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let desired = container.environment.get(key);
        let before = last.and_then(|last| last.get(key));
        if desired.is_none() && before.is_none() {
            continue;
        }
        let sealed = desired.is_some_and(|value| value.sensitive)
            || (desired.is_none() && before.is_some_and(crate::attributes::is_sealed));
        seen.insert(key.to_owned(), if sealed { container.context.secrets.seal(value) } else { json!(value) });
    }
    Value::Object(seen)
}

/// From the bindings, which stay when the container is stopped.
fn ports(subject: &observed::Container, host: &Value) -> Value {
    let Some(bindings) = host["PortBindings"].as_object() else {
        let shown = subject.ports.iter().map(|port| {
            let ip = if port.host_ip.is_empty() { "0.0.0.0" } else { &port.host_ip };
            format!("{ip}:{}:{}/{}", port.host_port, port.container_port, port.protocol)
        });
        return json!(shown.collect::<Vec<_>>());
    };
    let mut ports = Vec::new();
    for (inner, outer) in bindings {
        for binding in outer.as_array().into_iter().flatten() {
            let ip = binding["HostIp"].as_str().filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0");
            let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
            ports.push(format!("{ip}:{}:{inner}", binding["HostPort"].as_str().unwrap_or_default()));
        }
    }
    json!(ports)
}

fn volumes(container: &Container, inspect: &Value) -> Value {
    let mut seen = Map::new();
    for mount in inspect["Mounts"].as_array().into_iter().flatten() {
        let Some(target) = mount["Destination"].as_str() else { continue };
        let read_only = !mount["RW"].as_bool().unwrap_or(true);
        let value = match mount["Type"].as_str() {
            Some("volume") => json!({ "volume": mount["Name"], "read_only": read_only }),
            Some("tmpfs") => json!({ "tmpfs": true, "read_only": read_only }),
            Some("image") => json!({ "image": mount["Source"], "read_only": read_only }),
            Some(_) | None => json!({ "bind": mount["Source"], "read_only": read_only }),
        };
        seen.insert(target.to_owned(), value);
    }
    // Podman shows a tmpfs among the host's settings, not among the mounts.
    for target in inspect["HostConfig"]["Tmpfs"].as_object().into_iter().flat_map(Map::keys) {
        let read_only = container
            .mounts
            .get(target)
            .is_some_and(|mount| matches!(mount.source, MountSource::Tmpfs { .. }) && mount.read_only);
        seen.insert(target.clone(), json!({ "tmpfs": true, "read_only": read_only }));
    }
    Value::Object(seen)
}

/// Podman shows no options of pasta: where that is what was asked for, they are as they were.
fn network_mode(container: &Container, host: &Value, last: &Attributes) -> Value {
    match host["NetworkMode"].as_str() {
        Some(mode @ ("host" | "none")) => json!(mode),
        Some("pasta") => match last.get("network_mode").or(created_with(container).get("network_mode")) {
            Some(Value::String(asked)) if asked.starts_with("pasta") => json!(asked),
            Some(_) | None => Value::Null,
        },
        Some(_) | None => Value::Null,
    }
}

/// Aliases that were never asked for (the container's name, its id) are podman's own.
fn networks(
    container: &Container,
    subject: &observed::Container,
    inspect: &Value,
    last: &Attributes,
    observed: &Observed,
) -> Value {
    let applied = observed.facts.get("applied", &container.address).and_then(|applied| applied.get("networks"));
    let attached = inspect["NetworkSettings"]["Networks"].as_object();
    let mut seen = Map::new();
    for (name, endpoint) in attached.into_iter().flatten().filter(|(name, _)| subject.networks.contains(name)) {
        let ours: BTreeSet<String> =
            subject.aliases_on(name).into_iter().filter(|alias| *alias != subject.name).collect();
        let wanted = container.networks.values().find(|attachment| attachment.name == *name);
        let wanted = wanted.map(|attachment| attachment.static_ips.as_slice()).unwrap_or_default();
        let known = [last.get("networks"), applied].into_iter().flatten();
        let known = known.filter_map(|networks| networks.get(name)?["static_ips"].as_array());
        let ips = static_ips(subject, endpoint, wanted, known.flatten().filter_map(Value::as_str));
        seen.insert(name.clone(), json!({ "aliases": ours, "static_ips": ips }));
    }
    Value::Object(seen)
}

/// Addresses are shown only while the container runs, and not whether they were asked for: an address that is as wanted
/// was, and one that was asked for at first and is still there may have been. Of a stopped one nothing can be told, and
/// its start brings it to light.
fn static_ips<'a>(
    subject: &observed::Container,
    endpoint: &Value,
    wanted: &[String],
    known: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let now = ["IPAddress", "GlobalIPv6Address"].map(|key| endpoint[key].as_str().unwrap_or_default());
    let now: Vec<&str> = now.into_iter().filter(|ip| !ip.is_empty()).collect();
    if !subject.is_running() || now.is_empty() || (!wanted.is_empty() && wanted.iter().all(|ip| now.contains(&&**ip))) {
        return wanted.to_vec();
    }
    let known: BTreeSet<String> = known.filter(|ip| now.contains(ip)).map(str::to_owned).collect();
    known.into_iter().collect()
}

fn healthcheck(config: &Value) -> Value {
    let check = &config["Healthcheck"];
    json!({
        "test": check["Test"],
        "interval": check["Interval"].as_u64().unwrap_or(0),
        "timeout": check["Timeout"].as_u64().unwrap_or(0),
        "retries": check["Retries"].as_u64().unwrap_or(0),
        "start_period": check["StartPeriod"].as_u64().unwrap_or(0),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a quota in microseconds is far below 2^52")]
fn cpus(host: &Value) -> Value {
    match (host["CpuQuota"].as_i64(), host["CpuPeriod"].as_u64()) {
        (Some(quota), Some(period)) if quota > 0 && period > 0 => json!(quota as f64 / period as f64),
        _ => json!(host["NanoCpus"].as_u64().unwrap_or(0) as f64 / 1e9),
    }
}

/// What a later `podman update` or the like changed: paths of the inspect whose hash is no longer the remembered one.
fn edited_in_place(container: &Container, subject: &observed::Container, observed: &Observed) -> Vec<String> {
    let remembered = observed.facts.get(FINGERPRINT, &container.address);
    let (Some(remembered), Some(inspect), Some(engine)) = (remembered, &subject.inspect, observed.podman.present())
    else {
        return Vec::new();
    };
    // Another podman may show the same container in other words, and another key hashes the same words to others: then it
    // is taken anew.
    let key = container.context.secrets.key_id();
    if [("id", subject.id.as_str()), ("podman", &engine.version), ("key", key)]
        .iter()
        .any(|(of, now)| remembered[*of] != *now)
    {
        return Vec::new();
    }
    let now = fingerprint(container, inspect);
    let before = |path: &String| remembered["hashes"][path].as_str();
    let gone = remembered["hashes"].as_object().into_iter().flat_map(Map::keys).filter(|path| !now.contains_key(*path));
    let mut paths: Vec<&String> =
        now.iter().filter(|(path, hash)| before(path) != Some(hash)).map(|(path, _)| path).collect();
    paths.extend(gone);
    paths.sort();
    paths.into_iter().cloned().collect()
}

/// What `podman update` can change and rows of the table show: a change of what the user set is told by its own name.
const TOLD_BY_ROWS: [(&str, &str); 6] = [
    ("Config.Healthcheck", "healthcheck"),
    ("HostConfig.CpuPeriod", "cpus"),
    ("HostConfig.CpuQuota", "cpus"),
    ("HostConfig.Memory", "memory"),
    ("HostConfig.NanoCpus", "cpus"),
    ("HostConfig.PidsLimit", "pids_limit"),
];

fn is_told_by_a_row(path: &str, seen: &Attributes, last: &Attributes) -> bool {
    let rows = TOLD_BY_ROWS.iter().filter(|(told, _)| *told == path);
    rows.into_iter().any(|(_, row)| match (last.get(row), seen.get(row)) {
        (Some(Value::Object(last)), Some(seen)) => last.iter().any(|(key, value)| seen.get(key) != Some(value)),
        (Some(last), seen) => seen != Some(last),
        (None, _) => false,
    })
}

/// Of `Config` and `HostConfig`, a keyed hash for every entry: it may hold secrets. Byte-stable over stops and starts once
/// the container has run (tried on podman 5.4); lists of texts come in random order and are sorted.
fn fingerprint(container: &Container, inspect: &Value) -> BTreeMap<String, String> {
    let mut hashes = BTreeMap::new();
    for part in ["Config", "HostConfig"] {
        for (key, value) in inspect[part].as_object().into_iter().flatten() {
            // Filled in by the first start, or moving with every one.
            if ["Annotations", "ContainerIDFile", "LogConfig"].contains(&key.as_str()) {
                continue;
            }
            let mut hash = container.context.secrets.hash(&sorted(value).to_string());
            hash.truncate(16);
            hashes.insert(format!("{part}.{key}"), hash);
        }
    }
    hashes
}

fn sorted(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Array(items) if items.len() > 1 || items.iter().any(Value::is_array) => {
            let mut items: Vec<Value> = items.iter().map(|item| sorted(item).into_owned()).collect();
            items.sort_by_cached_key(ToString::to_string);
            Cow::Owned(Value::Array(items))
        }
        other => Cow::Borrowed(other),
    }
}

pub(super) fn facts(container: &Container, observed: &Observed) -> BTreeMap<&'static str, Value> {
    let lies = Lies::of(container, observed);
    let mut facts = BTreeMap::new();
    let (Some(live), Some(engine)) = (lies.live, observed.podman.present()) else {
        return facts;
    };
    if let Some(inspect) = live.inspect.as_ref().filter(|_| live.is_running()) {
        let fact = json!({
            "id": live.id,
            "podman": engine.version,
            "key": container.context.secrets.key_id(),
            "hashes": fingerprint(container, inspect),
        });
        facts.insert(FINGERPRINT, fact);
    }
    facts
}
