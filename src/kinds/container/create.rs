//! The body of the create call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::{Container, Healthcheck, MountSource, NetworkMode, Restart, Test, attributes, gpu, secrets, undeclared};
use crate::attributes::Attributes;
use crate::desired::Neighbours;
use crate::effect::podman::{
    Cpu, Device, HealthConfig, ImageVolume, Memory, Mount, NamedVolume, Namespace, Pids, PortMapping, ResourceLimits,
    Undeclared,
};
use crate::effect::{ContainerCreate, Endpoint};
use crate::kinds::{labels, secret};
use crate::observed::Observed;

/// The scheduler's period that `cpus` is a share of: the kernel's and podman's default, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

pub(super) fn body(container: &Container, name: &str, systemd: bool, found: &Found) -> ContainerCreate {
    let Found { versions, gpu_devices, own_volumes, undeclared, called } = found;
    let mut found = Attributes::default();
    found.set_given(secret::VERSIONS, json!(versions));
    found.set_given(gpu::FOUND, json!(gpu_devices));
    let Container { context, address, labels: given, .. } = container;
    let spec = attributes::created_with(container);
    let mut all_labels = labels::ours_and_found(&context.stack, address, spec, &found, given);
    if systemd {
        all_labels.insert(labels::UNIT.to_owned(), container.names.unit.clone());
    }
    let (mounts, volumes) = mounts(container, own_volumes);
    let env = container.environment.iter().map(|(key, value)| (key.clone(), value.text.clone()));
    let mut body = ContainerCreate {
        name: name.to_owned(),
        image: container.image.clone(),
        labels: all_labels,
        env: env.collect(),
        entrypoint: container.entrypoint.clone(),
        command: container.command.clone(),
        work_dir: container.working_dir.clone(),
        user: container.user.clone(),
        hostname: container.hostname.clone(),
        init: container.init,
        privileged: container.privileged,
        read_only_filesystem: container.read_only,
        no_new_privileges: container.no_new_privileges,
        cap_add: container.cap_add.clone(),
        cap_drop: container.cap_drop.clone(),
        devices: container.devices.iter().chain(gpu_devices).map(|path| Device { path: path.clone() }).collect(),
        mounts,
        volumes,
        image_volumes: image_volumes(container),
        undeclared: undeclared.clone(),
        portmappings: ports(container),
        expose: exposed(container),
        netns: Namespace::from(&container.mode),
        networks: networks(container),
        hostadd: container.extra_hosts.clone(),
        healthconfig: container.healthcheck.as_ref().and_then(health),
        shm_size: container.shm_size,
        stop_timeout: Some(container.stop_timeout().as_secs()),
        stop_signal: container.stop_signal.as_deref().and_then(signal_number),
        resource_limits: limits(container),
        // Systemd restarts; podman's own policy beside it would start a container twice.
        restart_policy: if systemd { "no".to_owned() } else { policy(container.restart) },
        sdnotify_mode: systemd
            .then(|| if container.has_own_check() { "healthy".to_owned() } else { "conmon".to_owned() }),
        network_options: network_options(&container.mode),
        cgroups_mode: systemd.then(|| "split".to_owned()),
        ..ContainerCreate::default()
    };
    container.settings.create(&mut body);
    let name_of = |name: &str| called.get(name).map_or_else(|| name.to_owned(), String::clone);
    container.namespaces.create(&name_of, &mut body);
    container.security.create(&mut body);
    secrets::create(&container.secrets, versions, &mut body);
    body
}

/// What the machine and the neighbours say of what it is made with.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) versions: secrets::Versions,
    pub(super) gpu_devices: BTreeSet<String>,
    /// Names of its volumes that are this stack's, or are made in the same plan.
    pub(super) own_volumes: BTreeSet<String>,
    pub(super) undeclared: Option<Undeclared>,
    /// Containers that go by another name while this one is made.
    pub(super) called: BTreeMap<String, String>,
}

impl Found {
    pub(super) fn of(container: &Container, observed: &Observed, neighbours: &Neighbours<'_>) -> Self {
        let own = |mount: &super::Mount| match &mount.source {
            MountSource::Volume { name, .. } => {
                let found = observed.volumes.get(name);
                let is_own = found.is_none_or(|found| labels::belongs_to(&found.labels, &container.context.stack));
                is_own.then(|| name.clone())
            }
            MountSource::Bind(_) | MountSource::Tmpfs { .. } | MountSource::Image { .. } => None,
        };
        Self {
            versions: secrets::versions(container, neighbours),
            gpu_devices: gpu::devices(container, observed),
            own_volumes: container.mounts.values().filter_map(own).collect(),
            undeclared: undeclared::to_ask(container, observed, neighbours),
            called: BTreeMap::new(),
        }
    }
}

/// Options of the network mode, by its name, as libpod has them.
fn network_options(mode: &NetworkMode) -> BTreeMap<String, Vec<String>> {
    match mode {
        NetworkMode::Pasta(options) if !options.is_empty() => {
            BTreeMap::from([("pasta".to_owned(), options.split(',').map(str::to_owned).collect())])
        }
        NetworkMode::Pasta(_) | NetworkMode::Bridge | NetworkMode::Host | NetworkMode::None | NetworkMode::Joined => {
            BTreeMap::new()
        }
    }
}

fn policy(restart: Restart) -> String {
    match restart {
        Restart::No => "no",
        Restart::Always => "always",
        Restart::OnFailure(_) => "on-failure",
        Restart::UnlessStopped => "unless-stopped",
    }
    .to_owned()
}

fn mounts(container: &Container, own_volumes: &BTreeSet<String>) -> (Vec<Mount>, Vec<NamedVolume>) {
    let (mut mounts, mut volumes) = (Vec::new(), Vec::new());
    for (target, mount) in &container.mounts {
        let mut options = mount.options.clone();
        options.push(if mount.read_only { "ro" } else { "rw" }.to_owned());
        match &mount.source {
            MountSource::Bind(path) => {
                // As `podman run -v` does; without it a mount below the source would not be seen.
                if !options.iter().any(|option| option == "bind" || option == "rbind") {
                    options.push("rbind".to_owned());
                }
                let source = Some(path.display().to_string());
                mounts.push(Mount { destination: target.clone(), kind: "bind".to_owned(), source, options });
            }
            MountSource::Volume { address: _, name, subpath } => volumes.push({
                // A recursive chown, for what is our own; and only while it is empty, which is seen when the container is made.
                options.retain(|option| option != "U" || own_volumes.contains(name));
                NamedVolume { name: name.clone(), dest: target.clone(), options, sub_path: subpath.clone() }
            }),
            // Podman's API has a list of its own for them.
            MountSource::Image { .. } => {}
            MountSource::Tmpfs { size_bytes, mode } => {
                options.extend(size_bytes.map(|size| format!("size={size}")));
                options.extend(mode.map(|mode| format!("mode={mode:o}")));
                let source = Some("tmpfs".to_owned());
                mounts.push(Mount { destination: target.clone(), kind: "tmpfs".to_owned(), source, options });
            }
        }
    }
    (mounts, volumes)
}

fn image_volumes(container: &Container) -> Vec<ImageVolume> {
    let volume = |(target, mount): (&String, &super::Mount)| match &mount.source {
        MountSource::Image { reference, subpath } => Some(ImageVolume {
            source: reference.clone(),
            destination: target.clone(),
            read_write: !mount.read_only,
            sub_path: subpath.clone(),
        }),
        MountSource::Bind(_) | MountSource::Volume { .. } | MountSource::Tmpfs { .. } => None,
    };
    container.mounts.iter().filter_map(volume).collect()
}

fn ports(container: &Container) -> Vec<PortMapping> {
    let mapping = |port: &super::Port| PortMapping {
        host_ip: port.host_ip.to_string(),
        host_port: port.host,
        container_port: port.container,
        protocol: port.protocol.clone(),
    };
    container.ports.iter().map(mapping).collect()
}

fn exposed(container: &Container) -> BTreeMap<u16, String> {
    let mut exposed: BTreeMap<u16, String> = BTreeMap::new();
    for (port, protocol) in &container.expose {
        let protocols = exposed.entry(*port).or_default();
        if !protocols.is_empty() {
            protocols.push(',');
        }
        protocols.push_str(protocol);
    }
    exposed
}

fn networks(container: &Container) -> BTreeMap<String, Endpoint> {
    container.networks.values().map(|attachment| (attachment.name.clone(), endpoint(attachment))).collect()
}

pub(super) fn endpoint(attachment: &super::Attachment) -> Endpoint {
    Endpoint {
        aliases: attachment.aliases.clone(),
        static_ips: attachment.static_ips.clone(),
        static_mac: attachment.options.mac_address.clone(),
        interface_name: attachment.options.interface_name.clone(),
        options: attachment.options.driver_opts.clone(),
    }
}

fn health(check: &Healthcheck) -> Option<HealthConfig> {
    let Healthcheck { test, interval, timeout, retries, start_period } = check;
    let nanoseconds = |time: &Duration| Some(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let test = match test {
        Test::Podman(words) => words.clone(),
        Test::Image => Vec::new(),
        Test::Host(_) => return None,
    };
    Some(HealthConfig {
        test,
        interval: nanoseconds(interval),
        timeout: nanoseconds(timeout),
        start_period: nanoseconds(start_period),
        retries: Some(*retries),
    })
}

fn limits(container: &Container) -> Option<ResourceLimits> {
    let limits = ResourceLimits {
        memory: container.memory.map(|limit| Memory {
            limit: Some(i64::try_from(limit).unwrap_or(i64::MAX)),
            reservation: None,
            swap: None,
        }),
        cpu: container.cpus.map(|cpus| Cpu {
            quota: Some(quota_us(cpus)),
            period: Some(CPU_PERIOD_US),
            shares: None,
            cpus: None,
        }),
        pids: container.pids_limit.map(|limit| Pids { limit }),
    };
    (limits != ResourceLimits::default()).then_some(limits)
}

#[expect(clippy::cast_possible_truncation, reason = "the stack file bounds `cpus` to 10,000")]
pub(super) fn quota_us(cpus: f64) -> i64 {
    (cpus * 100_000.0).round() as i64
}

/// Linux's signal numbers on every architecture that podman runs rootless on (signal(7), x86 and ARM column).
pub(super) const SIGNALS: &[(&str, u32)] = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGABRT", 6),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGWINCH", 28),
];

fn signal_number(name: &str) -> Option<u32> {
    SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}
