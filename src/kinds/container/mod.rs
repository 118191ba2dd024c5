//! Containers: created once through libpod's API, kept, and started and stopped by a systemd user unit of their own (design
//! §2.1). Stackctl alone replaces one: the successor is made beside it, the old one parked until the new one is healthy.
//!
//! What podman cannot show back is compared through the last-applied label (`attributes.rs` marks it blind).

mod attributes;
mod conflicts;
mod create;
mod data;
mod format;
mod gpu;
mod layer;
mod moved;
mod namespaces;
mod observe;
mod outdated;
mod rescue;
mod secrets;
mod security;
mod settings;
mod shared;
mod snapshot;
mod spec;
mod steps;
mod systemd;
mod together;
mod undeclared;
mod unwritten;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, AttributeChange, Risk, Step, Steps};
use crate::desired::{
    Condition, Context, Declared, Dependency, Difference, Home, HostPort, Kind, Liveness, Neighbours, Object, Resource,
};
use crate::diagnostic::{Diagnostics, Span};
use crate::hand_over;
use crate::kinds::contract::{Contract, FACT, weighed};
use crate::kinds::image::{Build, Image, Pull};
use crate::kinds::unit::{BootWait, Unit};
use crate::kinds::{directory, network, quadlet};
use crate::observed::{Observed, Query, Seen};
use crate::probe::{Probe, Readiness};
use crate::stack::forms::RestartPolicy;

pub(super) use conflicts::port_taken;
pub use layer::{RESCUED, Rescued, wanted as wanted_of_layer};
pub use rescue::{copy_outs, remembered, volumes};
pub use snapshot::shelf_of;
pub(super) use spec::{extra_hosts, host_readiness, link_needs, needs, stop_signal};
pub(super) use steps::waits_for;
pub use undeclared::owner as owner_of_undeclared;

pub static KIND: Kind = Kind {
    name: "container",
    section: Some("containers"),
    keys: spec::KEYS,
    about: "Containers, each run by a systemd user unit of its own",
    attributes: attributes::ATTRIBUTES,
    holds_data: false,
    read: Some(spec::read),
    owned: steps::owned,
    remove: steps::remove,
    loses: layer::of_owned,
};

/// What the halves of a replace are called: the old one until the new one has proved itself, and the new one until it is its turn.
const PARKED: &str = ".parked";
const NEXT: &str = ".next";

/// By which it goes on the machine beside its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names {
    parked: String,
    next: String,
    unit: String,
}

/// A container as the file declares it, every form normalised. `None` and empty mean that the user did not set it.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    address: Address,
    span: Span,
    context: Context,
    /// On the machine.
    name: String,
    names: Names,
    /// Full reference.
    image: String,
    pull: Pull,
    /// Where the image is built here.
    build: Option<Build>,
    command: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    environment: BTreeMap<String, EnvironmentValue>,
    working_dir: Option<String>,
    user: Option<String>,
    hostname: Option<String>,
    ports: Vec<Port>,
    /// `8080/tcp`: what the image does not say of itself; podman keeps it for other tools to read.
    expose: Vec<(u16, String)>,
    mounts: BTreeMap<String, Mount>,
    networks: BTreeMap<String, Attachment>,
    mode: NetworkMode,
    depends_on: Vec<Needs>,
    restart: Restart,
    one_shot: bool,
    healthcheck: Option<Healthcheck>,
    stop_grace_period: Option<Duration>,
    stop_signal: Option<String>,
    labels: BTreeMap<String, String>,
    devices: Vec<String>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    privileged: Option<bool>,
    read_only: Option<bool>,
    init: Option<bool>,
    no_new_privileges: Option<bool>,
    extra_hosts: Vec<String>,
    shm_size: Option<u64>,
    memory: Option<u64>,
    cpus: Option<f64>,
    pids_limit: Option<i64>,
    settings: settings::Settings,
    namespaces: namespaces::Namespaces,
    security: security::Security,
    secrets: secrets::Uses,
    gpu: Option<gpu::Gpu>,
    data: Vec<Contract>,
    /// Paths in the container, written and not missed.
    ephemeral: Vec<String>,
    /// Before it was renamed in the file.
    was: Option<Address>,
    /// What a dependency's probe makes this unit wait for at boot; filled by linking.
    boot_waits: Vec<BootWait>,
    /// Does anybody wait for its completion? Then it is a one-shot; filled by linking.
    unit_dependencies: UnitDependencies,
    /// All containers of the file; filled by linking.
    siblings: Arc<BTreeSet<Address>>,
    once: Once,
}

/// What is made of it once, after everything is linked, since it is asked for again and again.
#[derive(Clone, Debug, Default, PartialEq)]
struct Once {
    /// Declared directories above its data, without whose file it does not start.
    roots: BTreeSet<PathBuf>,
    /// See [`systemd::unit`].
    unit: OnceLock<Unit>,
    /// See [`attributes::created_with`].
    created: OnceLock<Attributes>,
    /// The same as text.
    created_text: OnceLock<String>,
}

/// A value and whether it may be shown. `Debug` never shows one that may not.
#[derive(Clone, PartialEq, Eq)]
struct EnvironmentValue {
    text: String,
    sensitive: bool,
}

impl std::fmt::Debug for EnvironmentValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.sensitive { f.write_str("(hidden)") } else { self.text.fmt(f) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Port {
    host_ip: std::net::IpAddr,
    host: u16,
    container: u16,
    protocol: String,
    span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    source: MountSource,
    read_only: bool,
    /// `z`, `Z`, propagation, flags: what inspect shows in other words than it was given.
    options: Vec<String>,
    span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum MountSource {
    Bind(PathBuf),
    /// The volume's address, and its name on the machine once linked.
    Volume {
        address: Address,
        name: String,
        subpath: Option<String>,
    },
    Tmpfs {
        size_bytes: Option<u64>,
        mode: Option<u32>,
    },
    /// By its full reference.
    Image {
        reference: String,
        subpath: Option<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attachment {
    /// Of the network on the machine, once linked.
    name: String,
    aliases: Vec<String>,
    static_ips: Vec<String>,
    options: AttachmentOptions,
    span: Option<Span>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct AttachmentOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface_name: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    driver_opts: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NetworkMode {
    Bridge,
    Host,
    None,
    /// The default of rootless podman where no network is named, with its options (pasta(1)).
    Pasta(String),
    /// Another container's, which [`namespaces::Namespaces`] names.
    Joined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) name: String,
    /// Once linked.
    pub(super) on: Option<Address>,
    pub(super) condition: Condition,
    pub(super) restart: bool,
    pub(super) required: bool,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    No,
    Always,
    OnFailure(Option<u32>),
    UnlessStopped,
}

impl From<RestartPolicy> for Restart {
    fn from(policy: RestartPolicy) -> Self {
        match policy {
            RestartPolicy::No => Restart::No,
            RestartPolicy::Always => Restart::Always,
            RestartPolicy::OnFailure(tries) => Restart::OnFailure(tries),
            RestartPolicy::UnlessStopped => Restart::UnlessStopped,
        }
    }
}

impl Restart {
    pub(super) fn text(self) -> String {
        match self {
            Restart::No => "no".to_owned(),
            Restart::Always => "always".to_owned(),
            Restart::OnFailure(None) => "on-failure".to_owned(),
            Restart::OnFailure(Some(tries)) => format!("on-failure:{tries}"),
            Restart::UnlessStopped => "unless-stopped".to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Healthcheck {
    test: Test,
    interval: Duration,
    timeout: Duration,
    retries: u32,
    start_period: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// Run by podman in the container: `["CMD", …]`, `["CMD-SHELL", line]`, `["NONE"]`.
    Podman(Vec<String>),
    /// The image's own, with other times.
    Image,
    Host(Probe),
}

/// What the unit says of others, once linked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitDependencies {
    pub(super) after: Vec<String>,
    pub(super) wants: Vec<String>,
}

fn unit_name(stack: &str, name: &str) -> String {
    format!("podman-{stack}-{name}.service")
}

impl Container {
    /// Every name that it goes by on the machine: in service, parked, and not yet in service.
    fn all_names(&self) -> [&str; 3] {
        [&self.name, &self.names.parked, &self.names.next]
    }

    /// Sources of its mounts on this machine.
    fn binds(&self) -> impl Iterator<Item = &Path> {
        self.mounts.values().filter_map(|mount| match &mount.source {
            MountSource::Bind(source) => Some(source.as_path()),
            MountSource::Volume { .. } | MountSource::Tmpfs { .. } | MountSource::Image { .. } => None,
        })
    }

    /// The unit of the name that it had before.
    fn old_unit(&self) -> Option<String> {
        Some(unit_name(&self.context.stack, self.was.as_ref()?.name()))
    }

    /// Of `depends_on` alone.
    fn depended_on(&self) -> impl Iterator<Item = Dependency> {
        self.depends_on.iter().filter_map(|needs| {
            let Needs { name: _, on, condition, restart, required: _, span: _ } = needs;
            Some(Dependency { on: on.clone()?, condition: *condition, restart: *restart })
        })
    }

    /// Does podman itself run a check that conmon can wait for?
    fn has_own_check(&self) -> bool {
        self.healthcheck.as_ref().is_some_and(|check| match &check.test {
            Test::Podman(test) => test.first().is_none_or(|word| word != "NONE"),
            Test::Image => true,
            Test::Host(_) => false,
        })
    }

    fn readiness(&self) -> Option<Readiness> {
        let check = self.healthcheck.as_ref()?;
        let probe = match &check.test {
            Test::Host(probe) => probe.clone(),
            Test::Podman(_) | Test::Image if self.has_own_check() => Probe::Container { name: self.name.clone() },
            Test::Podman(_) | Test::Image => return None,
        };
        let Healthcheck { test: _, interval, timeout, retries, start_period } = check;
        Some(Readiness {
            probe,
            interval: *interval,
            timeout: *timeout,
            retries: *retries,
            start_period: *start_period,
        })
    }

    fn stop_timeout(&self) -> Duration {
        self.stop_grace_period.unwrap_or(systemd::STOP_GRACE)
    }
}

// Shared with those of its steps whose calls are made when they are due.
impl Resource for Arc<Container> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        attributes::desired(self)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let exists = |on: Address| Dependency { on, condition: Condition::Exists, restart: false };
        let mut all = vec![exists(Address::new("image", &self.image))];
        all.extend(self.networks.keys().map(|name| exists(Address::new("network", name))));
        for mount in self.mounts.values() {
            match &mount.source {
                MountSource::Bind(path) => all.push(exists(directory::address(path, &self.context.home))),
                MountSource::Volume { address, .. } => all.push(exists(address.clone())),
                MountSource::Image { reference, subpath: _ } => all.push(exists(Address::new("image", reference))),
                MountSource::Tmpfs { .. } => {}
            }
        }
        all.extend(secrets::addresses(&self.secrets).into_iter().map(exists));
        all.extend(self.depended_on());
        all
    }

    fn implies(&self) -> Vec<Box<dyn Resource>> {
        let mut implied: Vec<Box<dyn Resource>> = vec![Box::new(match &self.build {
            Some(build) => Image::built(&self.image, build.clone(), &self.context, self.span),
            None => Image::pulled(&self.image, self.pull, &self.context),
        })];
        if self.networks.contains_key("default") {
            implied.push(Box::new(network::implied_default(&self.context.stack)));
        }
        for mount in self.mounts.values() {
            match &mount.source {
                MountSource::Bind(path) => {
                    implied.push(Box::new(directory::implied(path, &self.context.home, mount.span)));
                }
                MountSource::Image { reference, subpath: _ } => {
                    implied.push(Box::new(Image::pulled(reference, self.pull, &self.context)));
                }
                MountSource::Volume { .. } | MountSource::Tmpfs { .. } => {}
            }
        }
        implied
    }

    fn mounted(&self) -> Vec<&Path> {
        self.binds().collect()
    }

    fn link(&mut self, declared: &Declared<'_>, diagnostics: &mut Diagnostics) {
        let container = Arc::make_mut(self);
        spec::link(container, declared, diagnostics);
        container.once.roots = container.binds().filter_map(|source| declared.root(source)).collect();
        data::check(container, diagnostics);
    }

    fn query(&self, query: &mut Query) {
        query.containers.insert(self.name.clone());
        query.containers.extend(self.namespaces.strangers().cloned());
        systemd::unit(self).query(&self.context, query);
        quadlet::query(&self.context, query);
        query.listeners |= !self.ports.is_empty();
        gpu::query(self, query);
        data::query(self, &Observed::default(), query);
        format::query(self, &Observed::default(), query);
        snapshot::query(self, query);
        data::query_mounts(self, query);
        query.files.extend(self.old_unit().map(|unit| self.context.unit_directory.join(unit)));
    }

    fn query_more(&self, observed: &Observed, query: &mut Query) {
        conflicts::query_more(self, observed, query);
        data::query(self, observed, query);
        format::query(self, observed, query);
        let lies = observe::Lies::of(self, observed);
        query.containers.extend(lies.renamed.map(|renamed| renamed.name.clone()));
        if let Some(inspect) = &mut query.inspect_only {
            inspect.extend(observe::unlike(self, lies, observed).map(|found| found.name.clone()));
            if !self.namespaces.hosts().is_empty() {
                // Whose namespace it lives in, no list tells.
                let there = [lies.live, lies.parked, lies.next].into_iter().flatten();
                inspect.extend(there.map(|found| found.name.clone()));
            }
        }
        // Whether the newcomer of a run that was killed has become healthy since.
        if lies.live.is_some() && lies.parked.is_some() {
            query.probes.extend(self.readiness().map(|readiness| (self.address.clone(), readiness)));
        }
    }

    fn query_closer(&self, action: Action, observed: &Observed, query: &mut Query) {
        let is_looked_at = action != Action::None || query.layers.contains_key(&self.name);
        data::query_closer(self, observed, is_looked_at, query);
        // Who writes is looked for through every process: where something is done, or where everything is looked at.
        if is_looked_at {
            shared::query(self, observed, query);
            unwritten::query(self, observed, query);
        }
        if action == Action::Replace {
            moved::query(self, observed, query);
            snapshot::query_closer(self, observed, query);
        }
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        observe::seen(self, observed)
    }

    fn is_settled(&self, observed: &Observed) -> bool {
        observe::is_settled(self, observed)
    }

    fn was(&self) -> Option<Address> {
        self.was.clone()
    }

    fn outdated(&self, observed: &Observed, neighbours: &Neighbours<'_>) -> Vec<AttributeChange> {
        outdated::find(self, observed, neighbours)
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let mut risks = conflicts::find(self, observed);
        if !self.ports.is_empty() {
            risks.extend(quadlet::contested(&self.host_ports(), &self.names.unit, observed));
        }
        risks.extend(gpu::missing(self, observed));
        risks.extend(namespaces::missing(self, observed));
        risks.extend(undeclared::risks(self, observed));
        risks.extend(unwritten::risks(self, observed));
        risks.extend(self.loses(observed));
        let more = moved::risks(self, observed).into_iter().chain(shared::risks(self, observed));
        let more = more.chain(format::risks(self, observed)).chain(snapshot::risks(self, observed));
        risks.extend(weighed(&self.address, more, observed));
        risks.extend(data::risks(self, observed));
        risks
    }

    fn loses(&self, observed: &Observed) -> Vec<Risk> {
        weighed(&self.address, data::mounts(self, observed).into_iter().chain(layer::risks(self, observed)), observed)
    }

    fn ephemeral(&self) -> &[String] {
        &self.ephemeral
    }

    fn hand_over(&self, observed: &Observed) -> hand_over::Steps {
        conflicts::hand_over(self, observed)
    }

    fn steps(&self, difference: &Difference, observed: &Observed, neighbours: &Neighbours<'_>) -> Steps {
        steps::steps(self, difference, observed, neighbours)
    }

    fn lives_in(&self, observed: &Observed) -> Vec<Home> {
        together::homes(self, observed)
    }

    fn steps_together(
        &self,
        members: &[(&dyn Resource, &Difference)],
        observed: &Observed,
        neighbours: &Neighbours<'_>,
    ) -> Vec<Step> {
        together::steps(members, observed, neighbours)
    }

    fn facts(&self, observed: &Observed) -> BTreeMap<&'static str, Value> {
        let mut facts = observe::facts(self, observed);
        facts.extend(data::facts(self, observed).map(|fact| (FACT, fact)));
        facts
    }

    fn container(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn liveness(&self) -> Option<Liveness> {
        Some(Liveness {
            readiness: self.readiness(),
            container: Some(self.name.clone()),
            unit: Some(self.names.unit.clone()),
            one_shot: self.one_shot,
        })
    }

    fn host_ports(&self) -> Vec<HostPort> {
        let claim = |port: &Port| HostPort {
            ip: port.host_ip,
            port: port.host,
            protocol: port.protocol.clone(),
            span: Some(port.span),
        };
        self.ports.iter().map(claim).collect()
    }

    fn name_on_machine(&self) -> String {
        self.name.clone()
    }

    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}
