//! Parts of a container that need more than one reader: from Compose's forms to the container's own types.

use crate::stack::forms::{Described, Form, key};
use std::collections::BTreeMap;
use std::time::Duration;

use super::Pairs;
use crate::address::Address;
use crate::desired::{Condition, Reading};
use crate::diagnostic::Diagnostics;
use crate::kinds::container::create::SIGNALS;
use crate::kinds::container::{
    Attachment, AttachmentOptions, Container, EnvironmentValue, Healthcheck, Mount, MountSource, Needs, NetworkMode,
    Port, Restart, Test, gpu,
};
use crate::kinds::image::{self, Pull};
use crate::probe;
use crate::stack::forms::{self, Map, Places};
use crate::stack::yaml::Node;

/// Compose's defaults of a health check.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;
/// More processors than any machine has.
const CPUS_MAX: f64 = 10_000.0;

/// `env_file` first, then `environment`. What comes from a file is a secret, as is what comes from the environment.
pub(super) fn environment(node: &Node, reading: &mut Reading<'_>) -> BTreeMap<String, EnvironmentValue> {
    let mut all = BTreeMap::new();
    if let Some(files) = node.get("env_file").filter(|node| !node.is_null()) {
        for file in forms::env_files(files, reading.places, reading.diagnostics).unwrap_or_default() {
            for (key, text) in crate::kinds::env_file::read(&file, reading) {
                all.insert(key, EnvironmentValue { text, sensitive: true });
            }
        }
    }
    let given = node.get("environment").filter(|node| !node.is_null());
    let given = given.and_then(|node| forms::map_or_list(node, reading.diagnostics));
    for pair in given.unwrap_or_default() {
        all.insert(pair.key, EnvironmentValue { text: pair.value, sensitive: pair.sensitive });
    }
    all
}

/// Compose's policies; `build` says what happens anyway where there is something to build.
pub(super) fn pull(map: &mut Map<'_, '_>, is_built: bool) -> Pull {
    const POLICIES: &[&str] = &["missing", "if_not_present", "always", "never", "build"];
    let mut policy = Pull::Missing;
    for key in ["pull", "pull_policy"] {
        let given = map.read(key, |node, diagnostics| {
            if matches!(node.as_text(), Some("daily" | "weekly")) {
                let detail = format!("{} would ask a registry by the clock", node.shown());
                diagnostics.error(node.span, "Not supported", detail).help("say `always`, or `--check-updates`");
                return None;
            }
            let word = forms::one_of(POLICIES, node, diagnostics)?;
            if word == "build" && !is_built {
                let detail = "there is nothing to build the image from";
                diagnostics.error(node.span, "Contradiction", detail).help("add `build:`");
            }
            Some(word)
        });
        policy = match given {
            Some("never") => Pull::Never,
            Some("always") => Pull::Always,
            Some(_) | None => policy,
        };
    }
    policy
}

pub(super) fn ports(ports: Vec<forms::Port>) -> Vec<Port> {
    let port = |port: forms::Port| {
        let forms::Port { host_ip, host, container, protocol, span } = port;
        Port { host_ip, host, container, protocol: protocol.to_string(), span }
    };
    ports.into_iter().map(port).collect()
}

pub(super) fn exposed(ports: Vec<(u16, forms::Protocol)>) -> Vec<(u16, String)> {
    ports.into_iter().map(|(port, protocol)| (port, protocol.to_string())).collect()
}

pub(super) fn mounts(map: &mut Map<'_, '_>, places: Places<'_>) -> BTreeMap<String, Mount> {
    let given = map.read("volumes", |node, diagnostics| forms::mounts(node, places, diagnostics)).unwrap_or_default();
    let mut mounts: BTreeMap<String, Mount> = BTreeMap::new();
    for mount in given {
        if let Some((target, mount)) = convert(mount, map.diagnostics) {
            mounts.insert(target, mount);
        }
    }
    let span = map.span_of("tmpfs");
    for entry in map.read("tmpfs", forms::word_or_list).unwrap_or_default() {
        let (target, options) = entry.split_once(':').unwrap_or((&entry, ""));
        let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        let source = MountSource::Tmpfs { size_bytes: None, mode: None };
        mounts.insert(target.to_owned(), Mount { source, read_only: false, options, span });
    }
    mounts
}

fn convert(mount: forms::Mount, diagnostics: &mut Diagnostics) -> Option<(String, Mount)> {
    let forms::Mount { source, target, read_only, selinux, chown, propagation, nocopy, idmap, flags, span } = mount;
    let is_volume = matches!(source, forms::MountSource::Volume { .. });
    if chown && !is_volume {
        diagnostics
            .error(span, "Not supported", "`U` changes the owner of everything below, recursively")
            .help("it is for new volumes of this stack; give your own directory the right owner yourself");
    }
    let mut options: Vec<String> = flags.into_iter().map(str::to_owned).collect();
    options.extend(selinux.map(|label| if label == forms::Selinux::Shared { "z" } else { "Z" }.to_owned()));
    options.extend(propagation.map(str::to_owned));
    options.extend(nocopy.then(|| "nocopy".to_owned()));
    options.extend(idmap);
    options.extend((chown && is_volume).then(|| "U".to_owned()));
    let source = match source {
        forms::MountSource::Bind { path, create: _ } => MountSource::Bind(path),
        forms::MountSource::Volume { name: Some(name), subpath } => {
            MountSource::Volume { address: Address::new("volume", name), name: String::new(), subpath }
        }
        forms::MountSource::Volume { name: None, subpath: _ } => {
            diagnostics
                .error(span, "Anonymous volume", format!("what `{target}` holds would be lost with the container"))
                .help(format!("give it a name: `data:{target}`, and `volumes: {{ data: {{}} }}`"));
            return None;
        }
        forms::MountSource::Tmpfs { size_bytes, mode } => MountSource::Tmpfs { size_bytes, mode },
        forms::MountSource::Image { reference, subpath } => {
            MountSource::Image { reference: image::normalised(&reference), subpath }
        }
    };
    Some((target, Mount { source, read_only, options, span }))
}

pub(super) fn networking(map: &mut Map<'_, '_>, name: &str) -> (NetworkMode, BTreeMap<String, Attachment>) {
    let given = map.read("networks", forms::attachments);
    let mode = map.read("network_mode", one_network_mode);
    if mode.is_some() && given.is_some() {
        let span = map.span_of("network_mode");
        map.diagnostics.error(span, "Contradiction", "`network_mode` and `networks` exclude each other");
    }
    let networks = networks(name, given, mode.as_ref());
    (mode.unwrap_or(NetworkMode::Bridge), networks)
}

fn one_network_mode(node: &Node, diagnostics: &mut Diagnostics) -> Option<NetworkMode> {
    let mode = forms::word(node, diagnostics)?;
    let (name, options) = mode.split_once(':').unwrap_or((&mode, ""));
    match (name, options) {
        ("bridge", "") => Some(NetworkMode::Bridge),
        ("host", "") => Some(NetworkMode::Host),
        ("none", "") => Some(NetworkMode::None),
        ("pasta", options) => Some(NetworkMode::Pasta(options.to_owned())),
        ("container" | "service", other) if !other.is_empty() => Some(NetworkMode::Joined),
        _ => {
            let detail = format!("{} is not a network mode of this version", node.shown());
            diagnostics
                .error(node.span, "Not supported", detail)
                .help("one of `bridge`, `host`, `none`, `service:NAME`, `container:NAME`, `pasta`, `pasta:--option,…`");
            None
        }
    }
}

/// The container's own name is an alias on each of its networks, as in Compose.
fn networks(
    name: &str,
    given: Option<Vec<forms::Attachment>>,
    mode: Option<&NetworkMode>,
) -> BTreeMap<String, Attachment> {
    if matches!(mode, Some(NetworkMode::Host | NetworkMode::None | NetworkMode::Pasta(_) | NetworkMode::Joined)) {
        return BTreeMap::new();
    }
    let own = || vec![name.to_owned()];
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return BTreeMap::from([("default".to_owned(), Attachment { aliases: own(), ..Attachment::default() })]);
    };
    let attachment = |given: forms::Attachment| {
        let mut aliases = own();
        aliases.extend(given.aliases.into_iter().filter(|alias| alias != name));
        let ips = given.ipv4_address.map(|ip| ip.to_string()).into_iter();
        let static_ips = ips.chain(given.ipv6_address.map(|ip| ip.to_string())).collect();
        let options = AttachmentOptions {
            mac_address: given.mac_address,
            interface_name: given.interface_name,
            driver_opts: given.driver_opts.into_iter().collect(),
        };
        (given.name, Attachment { name: String::new(), aliases, static_ips, options, span: Some(given.span) })
    };
    given.into_iter().map(attachment).collect()
}

pub(in crate::kinds) fn needs(given: Vec<forms::Dependency>) -> Vec<Needs> {
    let needs = |given: forms::Dependency| Needs {
        name: given.name,
        on: None,
        condition: match given.condition {
            forms::Condition::Started => Condition::Started,
            forms::Condition::Healthy => Condition::Healthy,
            forms::Condition::Completed => Condition::CompletedSuccessfully,
        },
        restart: given.restart,
        required: given.required,
        span: given.span,
    };
    given.into_iter().map(needs).collect()
}

pub(super) fn healthcheck(node: &Node, diagnostics: &mut Diagnostics) -> Option<Healthcheck> {
    let forms::Healthcheck { probe, interval, timeout, retries, start_period, start_interval, span } =
        forms::healthcheck(node, diagnostics)?;
    if start_interval.is_some() {
        let detail = "`start_interval` is not part of this version; while starting, probes are frequent by themselves";
        diagnostics.error(span, "Not supported", detail);
    }
    let test = match probe {
        forms::Probe::Disabled => Test::Podman(vec!["NONE".to_owned()]),
        forms::Probe::Image => Test::Image,
        forms::Probe::Command(words) => Test::Podman(std::iter::once("CMD".to_owned()).chain(words).collect()),
        forms::Probe::Shell(line) => Test::Podman(vec!["CMD-SHELL".to_owned(), line]),
        forms::Probe::Http { url, expect } => {
            let json_span = expect.json_span.unwrap_or(span);
            if let Some(Err(error)) = expect.json.as_deref().map(probe::check) {
                diagnostics.error(json_span, "Not a predicate", error.to_string());
            }
            Test::Host(probe::Probe::Http { url: url.text, status: expect.status, json: expect.json })
        }
        forms::Probe::Tcp { host, port } => Test::Host(probe::Probe::Tcp { address: join(&host, port) }),
    };
    Some(Healthcheck {
        test,
        interval: interval.unwrap_or(INTERVAL),
        timeout: timeout.unwrap_or(TIMEOUT),
        retries: retries.unwrap_or(RETRIES),
        start_period: start_period.unwrap_or_default(),
    })
}

/// The check of a service, which nobody but the host can make.
pub(in crate::kinds) fn host_readiness(node: &Node, diagnostics: &mut Diagnostics) -> Option<probe::Readiness> {
    let Healthcheck { test, interval, timeout, retries, start_period } = healthcheck(node, diagnostics)?;
    match test {
        Test::Host(probe) => Some(probe::Readiness { probe, interval, timeout, retries, start_period }),
        Test::Podman(_) | Test::Image => {
            diagnostics
                .error(
                    node.span,
                    "Not supported",
                    "a service is checked by `http:` or `tcp:`; `test` is for containers",
                )
                .help("such as `http: http://127.0.0.1:8091/health`");
            None
        }
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(in crate::kinds) fn signal(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = forms::word(node, diagnostics)?.to_uppercase();
    let full = if text.starts_with("SIG") { text } else { format!("SIG{text}") };
    if SIGNALS.iter().any(|(name, _)| *name == full) {
        return Some(full);
    }
    diagnostics
        .error(node.span, "Not a signal", format!("{} is no signal that stops a container", node.shown()))
        .help("such as `SIGTERM`, `SIGINT` or `SIGQUIT`");
    None
}

pub(super) fn labels(node: &Node, diagnostics: &mut Diagnostics) -> Option<Pairs> {
    let labels = super::pairs(node, diagnostics)?;
    for key in labels.keys().filter(|key| key.starts_with("io.stackctl.") || *key == crate::kinds::labels::UNIT) {
        diagnostics.error(node.span, "Reserved label", format!("`{key}` is stackctl's own"));
    }
    Some(labels)
}

/// With the kernel's prefix, as podman shows them.
pub(super) fn capabilities(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let given = forms::list_of_text(node, diagnostics)?;
    let full = |name: String| {
        let name = name.to_uppercase();
        if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    };
    Some(given.into_iter().map(full).collect())
}

/// `name:address` a line, from Compose's list or mapping.
pub(in crate::kinds) fn extra_hosts(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    if node.as_mapping().is_some() {
        let pairs = forms::map_or_list(node, diagnostics)?;
        return Some(pairs.into_iter().map(|pair| format!("{}:{}", pair.key, pair.value)).collect());
    }
    let lines = forms::list_of_text(node, diagnostics)?;
    let host = |line: String| {
        // Compose takes `name=address` too, for the sake of IPv6.
        match line.split_once('=') {
            Some((name, ip)) => format!("{name}:{}", ip.trim_start_matches('[').trim_end_matches(']')),
            None => line,
        }
    };
    Some(lines.into_iter().map(host).collect())
}

#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    pub(super) memory: Option<u64>,
    pub(super) cpus: Option<f64>,
    pub(super) pids: Option<i64>,
    /// Of memory.
    pub(super) reservation: Option<u64>,
    pub(super) gpus: Option<Vec<String>>,
}

pub(super) const DEPLOY_KEYS: &[Described] =
    &[key("resources", Form::Map(RESOURCES_KEYS), "What it may take, and what is kept for it")];
const DEPLOY_UNSUPPORTED: &[(&str, &str)] = &[
    ("replicas", "one container a name; declare several"),
    ("restart_policy", "say it in `restart`"),
    ("mode", "it has a meaning in Docker Swarm only"),
    ("placement", "it has a meaning in Docker Swarm only"),
    ("update_config", "it has a meaning in Docker Swarm only"),
    ("rollback_config", "it has a meaning in Docker Swarm only"),
    ("endpoint_mode", "it has a meaning in Docker Swarm only"),
    ("labels", "say them in `labels`"),
];
const RESOURCES_KEYS: &[Described] = &[
    key("limits", Form::Map(LIMIT_KEYS), "What it may take"),
    key("reservations", Form::Map(RESERVATION_KEYS), "What is kept for it"),
];
const LIMIT_KEYS: &[Described] = &[
    key("cpus", Form::Number, "Processors, such as `1.5`"),
    key("memory", Form::Size, "Bytes, such as `2g`"),
    key("pids", Form::Integer, "Processes and threads"),
];
const RESERVATION_KEYS: &[Described] = &[
    key("memory", Form::Size, "Bytes that it keeps when memory is short"),
    key("devices", Form::List(&Form::Map(gpu::DEVICE_KEYS)), "GPUs"),
];
const RESERVATION_UNSUPPORTED: &[(&str, &str)] = &[
    ("cpus", "the kernel reserves no processors; weigh them with `cpu_shares`"),
    ("generic_resources", "it has a meaning in Docker Swarm only"),
];

/// `mem_limit`, `cpus`, `pids_limit`, and the same under `deploy.resources.limits`.
pub(super) fn limits(map: &mut Map<'_, '_>) -> Limits {
    let deploy = map.read("deploy", |node, diagnostics| {
        let mut deploy = Map::new(node, "deploy", DEPLOY_KEYS, diagnostics)?.unsupported(DEPLOY_UNSUPPORTED);
        let limits = deploy.read("resources", resources);
        deploy.finish();
        limits
    });
    let deploy = deploy.unwrap_or_default();
    Limits {
        memory: map.read("mem_limit", forms::size_bytes).or(deploy.memory),
        cpus: map.read("cpus", cpus).or(deploy.cpus),
        pids: map.read("pids_limit", forms::integer).or(deploy.pids),
        reservation: deploy.reservation,
        gpus: deploy.gpus,
    }
}

fn resources(node: &Node, diagnostics: &mut Diagnostics) -> Option<Limits> {
    let mut map = Map::new(node, "resources", RESOURCES_KEYS, diagnostics)?;
    let limits = map.read("limits", |node, diagnostics| {
        let mut map = Map::new(node, "limits", LIMIT_KEYS, diagnostics)?;
        let limits = Limits {
            memory: map.read("memory", forms::size_bytes),
            cpus: map.read("cpus", cpus),
            pids: map.read("pids", forms::integer),
            ..Limits::default()
        };
        map.finish();
        Some(limits)
    });
    let reserved = map.read("reservations", |node, diagnostics| {
        let map = Map::new(node, "reservations", RESERVATION_KEYS, diagnostics)?;
        let mut map = map.unsupported(RESERVATION_UNSUPPORTED);
        let reserved = (map.read("memory", forms::size_bytes), map.read("devices", gpu::compose));
        map.finish();
        Some(reserved)
    });
    map.finish();
    let (reservation, gpus) = reserved.unwrap_or_default();
    Some(Limits { reservation, gpus, ..limits.unwrap_or_default() })
}

fn cpus(node: &Node, diagnostics: &mut Diagnostics) -> Option<f64> {
    let text = node.written().and_then(|text| text.parse::<f64>().ok());
    match text.filter(|cpus| cpus.is_finite() && *cpus > 0.0 && *cpus <= CPUS_MAX) {
        Some(cpus) => Some(cpus),
        None => {
            let detail = format!("{} is no number of processors; such as `1.5`", node.shown());
            diagnostics.error(node.span, "Wrong type", detail);
            None
        }
    }
}

/// Nodes and CDI names, and the GPUs that are named in Compose's ways.
pub(super) fn devices(map: &mut Map<'_, '_>, limits: &Limits) -> Vec<String> {
    let devices = map.read("devices", forms::list_of_text);
    let gpus = map.read("gpus", gpu::compose);
    [devices, gpus, limits.gpus.clone()].into_iter().flatten().flatten().collect()
}

/// A one-shot that is restarted would never have completed.
pub(super) fn one_shot_restarts(map: &mut Map<'_, '_>, container: &Container) {
    if container.one_shot && !matches!(container.restart, Restart::No) {
        let span = map.span_of("one_shot");
        map.diagnostics
            .error(span, "Contradiction", "a one-shot runs once, and `restart` says otherwise")
            .help("add `restart: \"no\"`");
    }
}
