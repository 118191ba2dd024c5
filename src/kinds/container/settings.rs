//! Settings of a container that are one key of podman's create call each, and one place of its inspect: read from the file,
//! told as attributes, put into the call, and read back, each in one line. What takes more than that has a place of its own.

use crate::stack::forms::{Described, Form, key};
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map as JsonMap, Value, json};

use crate::attributes::Attributes;
use crate::diagnostic::{Diagnostics, quoted};
use crate::effect::ContainerCreate;
use crate::effect::podman::{LogConfig, Namespace, ResourceLimits, Rlimit};
use crate::stack::forms::{self, Map};
use crate::stack::yaml::Node;

const DRIVERS: &[&str] = &["journald", "k8s-file", "json-file", "none", "passthrough"];
pub(super) const LOGGING_KEYS: &[Described] = &[
    key("driver", Form::OneOf(DRIVERS), "Podman's driver; the machine's own by itself"),
    key("options", Form::Pairs, "`tag`, `path`, `label` and `max-size`"),
];

/// In the words of Compose.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    dns: Vec<String>,
    dns_search: Vec<String>,
    dns_opt: Vec<String>,
    /// Soft and hard; -1 is no limit.
    ulimits: BTreeMap<String, (i64, i64)>,
    sysctls: BTreeMap<String, String>,
    group_add: Vec<String>,
    tty: Option<bool>,
    stdin_open: Option<bool>,
    oom_score_adj: Option<i64>,
    annotations: BTreeMap<String, String>,
    uts: Option<&'static str>,
    /// As `--userns` of podman takes it: `keep-id:uid=1000`.
    userns_mode: Option<String>,
    log_driver: Option<&'static str>,
    log_options: BTreeMap<String, String>,
    mem_reservation: Option<u64>,
    memswap_limit: Option<i64>,
    cpu_shares: Option<i64>,
    cpuset: Option<String>,
}

impl Settings {
    /// `reserved` is what `deploy` says of memory.
    pub(super) fn read(map: &mut Map<'_, '_>, reserved: Option<u64>) -> Self {
        let limits = map.read("ulimits", forms::ulimits).unwrap_or_default();
        let (log_driver, log_options) = map.read("logging", logging).unwrap_or_default();
        Self {
            dns: map.read("dns", servers).unwrap_or_default(),
            dns_search: map.read("dns_search", forms::word_or_list).unwrap_or_default(),
            dns_opt: map.read("dns_opt", forms::list_of_text).unwrap_or_default(),
            ulimits: limits.into_iter().map(|limit| (limit.name, (limit.soft, limit.hard))).collect(),
            sysctls: map.read("sysctls", pairs).unwrap_or_default(),
            group_add: map.read("group_add", forms::list_of_text).unwrap_or_default(),
            tty: map.read("tty", forms::boolean),
            stdin_open: map.read("stdin_open", forms::boolean),
            oom_score_adj: map
                .read("oom_score_adj", |node, diagnostics| forms::integer_in(-1000..=1000, node, diagnostics)),
            annotations: map.read("annotations", pairs).unwrap_or_default(),
            uts: map.read("uts", |node, diagnostics| forms::one_of(&["host", "private"], node, diagnostics)),
            userns_mode: map.read("userns_mode", userns),
            log_driver,
            log_options,
            mem_reservation: map.read("mem_reservation", forms::size_bytes).or(reserved),
            memswap_limit: map.read("memswap_limit", swap),
            cpu_shares: map.read("cpu_shares", |node, diagnostics| forms::integer_in(2..=262_144, node, diagnostics)),
            cpuset: map.read("cpuset", forms::word),
        }
    }

    pub(super) fn attributes(&self, into: &mut Attributes) {
        let Self {
            dns,
            dns_search,
            dns_opt,
            ulimits,
            sysctls,
            group_add,
            tty,
            stdin_open,
            oom_score_adj,
            annotations,
            uts,
            userns_mode,
            log_driver,
            log_options,
            mem_reservation,
            memswap_limit,
            cpu_shares,
            cpuset,
        } = self;
        let limits: JsonMap<String, Value> =
            ulimits.iter().map(|(name, (soft, hard))| (name.clone(), limit(*soft, *hard))).collect();
        into.set_given("dns", json!(dns));
        into.set_given("dns_search", json!(dns_search));
        into.set_given("dns_opt", json!(dns_opt));
        into.set_given("ulimits", limits);
        into.set_given("sysctls", json!(sysctls));
        into.set_given("group_add", json!(group_add));
        into.set_given("tty", json!(tty));
        into.set_given("stdin_open", json!(stdin_open));
        into.set_given("oom_score_adj", json!(oom_score_adj));
        into.set_given("annotations", json!(annotations));
        into.set_given("uts", json!(uts));
        into.set_given("userns_mode", json!(userns_mode));
        into.set_given("log_driver", json!(log_driver));
        into.set_given("log_options", json!(log_options));
        into.set_given("mem_reservation", json!(mem_reservation));
        into.set_given("memswap_limit", json!(memswap_limit));
        into.set_given("cpu_shares", json!(cpu_shares));
        into.set_given("cpuset", json!(cpuset));
    }

    pub(super) fn create(&self, body: &mut ContainerCreate) {
        let limits = self.ulimits.iter().map(|(name, (soft, hard))| Rlimit {
            kind: name.clone(),
            soft: bound(*soft),
            hard: bound(*hard),
        });
        let namespace = |mode: Option<&str>| mode.map(|mode| Namespace { nsmode: mode.to_owned(), value: None });
        body.dns_server = self.dns.clone();
        body.dns_search = self.dns_search.clone();
        body.dns_option = self.dns_opt.clone();
        body.r_limits = limits.collect();
        body.sysctl = self.sysctls.clone();
        body.groups = self.group_add.clone();
        body.terminal = self.tty;
        body.stdin = self.stdin_open;
        body.oom_score_adj = self.oom_score_adj;
        body.annotations = self.annotations.clone();
        body.utsns = namespace(self.uts);
        body.userns = self.userns_mode.as_ref().map(|mode| {
            let (nsmode, value) = mode.split_once(':').unwrap_or((mode, ""));
            Namespace { nsmode: nsmode.to_owned(), value: (!value.is_empty()).then(|| value.to_owned()) }
        });
        body.log_configuration = self.log_driver.map(|driver| self.log(driver));
        let limits = body.resource_limits.get_or_insert_default();
        if self.mem_reservation.is_some() || self.memswap_limit.is_some() {
            let memory = limits.memory.get_or_insert_default();
            memory.reservation = self.mem_reservation.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
            memory.swap = self.memswap_limit;
        }
        if self.cpu_shares.is_some() || self.cpuset.is_some() {
            let cpu = limits.cpu.get_or_insert_default();
            cpu.shares = self.cpu_shares.and_then(|shares| u64::try_from(shares).ok());
            cpu.cpus = self.cpuset.clone();
        }
        body.resource_limits.take_if(|limits| *limits == ResourceLimits::default());
    }

    fn log(&self, driver: &str) -> LogConfig {
        let mut options = self.log_options.clone();
        // Podman has keys of its own for these two.
        let size = options.remove("max-size").and_then(|text| forms::parse_size(&text));
        let path = options.remove("path");
        LogConfig { driver: driver.to_owned(), path, size: size.and_then(|size| i64::try_from(size).ok()), options }
    }
}

pub(super) fn seen(config: &Value, host: &Value, into: &mut Attributes) {
    let list = |value: &Value| if value.is_null() { json!([]) } else { value.clone() };
    // Rootless, podman adds `nofile` and `nproc` by itself; only what was set is compared.
    let limits = host["Ulimits"].as_array().into_iter().flatten().filter_map(|each| {
        let name = each["Name"].as_str()?.trim_start_matches("RLIMIT_").to_lowercase();
        Some((name, limit(each["Soft"].as_i64()?, each["Hard"].as_i64()?)))
    });
    into.set("dns", list(&host["Dns"]));
    into.set("dns_search", list(&host["DnsSearch"]));
    into.set("dns_opt", list(&host["DnsOptions"]));
    into.set("ulimits", limits.collect::<JsonMap<_, _>>());
    into.set("group_add", list(&host["GroupAdd"]));
    into.set("tty", config["Tty"].clone());
    into.set("stdin_open", config["OpenStdin"].clone());
    into.set("annotations", config["Annotations"].clone());
    into.set("pid", host["PidMode"].clone());
    into.set("ipc", host["IpcMode"].clone());
    into.set("uts", host["UTSMode"].clone());
    into.set("log_driver", host["LogConfig"]["Type"].clone());
    into.set("mem_reservation", host["MemoryReservation"].clone());
    into.set("memswap_limit", host["MemorySwap"].clone());
    into.set("cpu_shares", host["CpuShares"].clone());
    into.set("cpuset", host["CpusetCpus"].clone());
}

fn limit(soft: i64, hard: i64) -> Value {
    json!({ "soft": soft, "hard": hard })
}

/// Podman takes what is no number of the kernel's for no limit.
fn bound(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}

fn servers(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let servers = forms::word_or_list(node, diagnostics)?;
    if let Some(server) = servers.iter().find(|server| server.parse::<IpAddr>().is_err()) {
        let detail = format!("{} is no address of a name server", quoted(server));
        diagnostics.error(node.span, "Not an address", detail).help("such as `9.9.9.9`");
        return None;
    }
    Some(servers)
}

fn pairs(node: &Node, diagnostics: &mut Diagnostics) -> Option<BTreeMap<String, String>> {
    let pairs = forms::map_or_list(node, diagnostics)?;
    Some(pairs.into_iter().map(|pair| (pair.key, pair.value)).collect())
}

/// Swap and memory together; -1 is no limit.
fn swap(node: &Node, diagnostics: &mut Diagnostics) -> Option<i64> {
    if node.written() == Some("-1") {
        return Some(-1);
    }
    forms::size_bytes(node, diagnostics).and_then(|bytes| i64::try_from(bytes).ok())
}

/// What podman knows rootless (podman-run(1), `--userns`).
fn userns(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let mode = forms::word(node, diagnostics)?;
    let (name, options) = mode.split_once(':').unwrap_or((&mode, ""));
    let is_option = |option: &str| {
        let (key, value) = option.split_once('=').unwrap_or_default();
        ["uid", "gid", "size"].contains(&key) && value.parse::<u32>().is_ok()
    };
    let takes_options = ["keep-id", "auto"].contains(&name);
    let known = takes_options || ["host", "nomap"].contains(&name);
    if known && (options.is_empty() || (takes_options && options.split(',').all(is_option))) {
        return Some(mode);
    }
    let detail = format!("{} is no user namespace that podman makes rootless", node.shown());
    let help = "`host`, `keep-id`, `keep-id:uid=1000,gid=1000`, `auto`, `auto:size=4096` or `nomap`";
    diagnostics.error(node.span, "Unknown word", detail).help(help);
    None
}

/// The driver by podman's own name, and its options.
fn logging(node: &Node, diagnostics: &mut Diagnostics) -> Option<(Option<&'static str>, BTreeMap<String, String>)> {
    let mut map = Map::new(node, "logging", LOGGING_KEYS, diagnostics)?;
    let driver = map.read("driver", |node, diagnostics| forms::one_of(DRIVERS, node, diagnostics));
    let options = map.read("options", |node, diagnostics| {
        let options = pairs(node, diagnostics)?;
        for (key, value) in &options {
            let is_size = key != "max-size" || forms::parse_size(value).is_some();
            if !["tag", "path", "max-size", "label"].contains(&key.as_str()) || !is_size {
                let detail = format!("podman has no log option {}", quoted(&format!("{key}={value}")));
                diagnostics
                    .error(node.span, "Unknown key", detail)
                    .help("it has `tag`, `path`, `label` and `max-size`");
            }
        }
        Some(options)
    });
    let span = map.span_of("options");
    if driver.is_none() && options.is_some() {
        map.diagnostics.error(span, "Missing key", "log options are a driver's").help("add `driver: journald`");
    }
    map.finish();
    // Podman writes Docker's format by another name.
    let driver = driver.map(|driver| if driver == "json-file" { "k8s-file" } else { driver });
    Some((driver, options.unwrap_or_default()))
}
