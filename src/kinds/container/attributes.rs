//! What the user may set of a container, what a change costs, how it is compared; and the canonical value of each.

use serde_json::{Map, Value, json};

use super::{
    AttachmentOptions, Container, Healthcheck, Mount, MountSource, NetworkMode, Port, Test, data, gpu, secrets, systemd,
};
use crate::attributes::{Attribute, Attributes, attribute};
use crate::change::Action;

/// Rows of the unit: what changes here is written into the unit file, and running containers keep running.
pub(super) const UNIT_ROWS: &[&str] = &[
    "restart",
    "depends_on",
    "stop_grace_period",
    "healthcheck.host",
    "boot_waits",
    "data_roots",
    "timeout_start",
    "enabled",
    "name",
];

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("image", Action::Replace),
    attribute("command", Action::Replace),
    attribute("entrypoint", Action::Replace),
    attribute("environment", Action::Replace).keys(),
    attribute("working_dir", Action::Replace),
    attribute("user", Action::Replace),
    attribute("hostname", Action::Replace),
    attribute("ports", Action::Replace).set(),
    attribute("expose", Action::Replace).set().blind(), // shown together with the image's own and the published
    attribute("volumes", Action::Replace).keys(),
    attribute("volume_options", Action::Replace).keys().blind(), // z, Z and flags come back in other words
    attribute("network_mode", Action::Replace),
    attribute("networks", Action::Update).all_keys().in_place(), // connect and disconnect work on a running container
    attribute("healthcheck", Action::Replace).keys(),
    attribute("stop_signal", Action::Replace),
    attribute("labels", Action::Replace).keys(),
    attribute("devices", Action::Replace).set().blind(), // rootless inspect shows none
    // Inspect shows only what differs from podman's own set, and ALL as the list of all: what was given is not in it.
    attribute("cap_add", Action::Replace).set().blind(),
    attribute("cap_drop", Action::Replace).set().blind(),
    attribute("privileged", Action::Replace),
    attribute("read_only", Action::Replace),
    attribute("init", Action::Replace),
    attribute("no_new_privileges", Action::Replace),
    attribute("extra_hosts", Action::Replace).set(),
    attribute("shm_size", Action::Replace),
    attribute("memory", Action::Replace),
    attribute("cpus", Action::Replace),
    attribute("pids_limit", Action::Replace),
    attribute("dns", Action::Replace),
    attribute("dns_search", Action::Replace),
    attribute("dns_opt", Action::Replace).set(),
    attribute("ulimits", Action::Replace).keys(),
    attribute("sysctls", Action::Replace).keys().blind(), // inspect shows none
    attribute("group_add", Action::Replace).set(),
    attribute("tty", Action::Replace),
    attribute("stdin_open", Action::Replace),
    attribute("oom_score_adj", Action::Replace).blind(), // rootless, podman raises it to its own
    attribute("annotations", Action::Replace).keys(),
    attribute("pid", Action::Replace),
    attribute("ipc", Action::Replace),
    attribute("uts", Action::Replace),
    attribute("userns_mode", Action::Replace).blind(), // inspect shows the ranges that came of it
    attribute("log_driver", Action::Replace),
    attribute("log_options", Action::Replace).keys().blind(), // inspect shows some, in other words
    attribute("mem_reservation", Action::Replace),
    attribute("memswap_limit", Action::Replace),
    attribute("cpu_shares", Action::Replace),
    attribute("cpuset", Action::Replace),
    attribute("secrets", Action::Replace).keys().blind(), // inspect shows neither targets nor variables
    attribute("configs", Action::Replace).keys().blind(),
    attribute("gpu", Action::Replace).blind(), // devices are not shown
    attribute("network_options", Action::Replace).keys().blind(), // a MAC address is shown whether asked for or not
    attribute("security_opt", Action::Replace).set().blind(), // shown in other words, and with podman's own
    attribute("restart", Action::Reload),
    attribute("depends_on", Action::Reload).keys(),
    attribute("stop_grace_period", Action::Reload),
    attribute("healthcheck.host", Action::Reload).keys(),
    attribute("boot_waits", Action::Reload),
    attribute("data_roots", Action::Reload),
    attribute("timeout_start", Action::Reload),
    attribute("unit", Action::Reload).state(),
    attribute("enabled", Action::Update), // says one_shot
    attribute("loaded", Action::Reload).state(),
    attribute("running", Action::Start).state(),
    attribute("paused", Action::Start).state(),
    attribute("name", Action::Update),                // renaming disturbs nothing
    attribute("supervised", Action::Replace).state(), // podman tells systemd of its start only where it was made for that
    attribute("half_done", Action::Finish).state(),
    attribute("hollow", Action::Restart).state(),
    attribute("data_from", Action::Restart).state(),
    attribute("edited_in_place", Action::Replace).state(),
];

/// The whole desired side: what the container is created with, its unit, and the states that everything of ours has.
pub(super) fn desired(container: &Container) -> Attributes {
    let mut attributes = created_with(container).clone();
    systemd::unit(container).attributes(&mut attributes);
    attributes.set("running", true);
    attributes.set("paused", false);
    attributes.set("supervised", true);
    attributes.set("half_done", Value::Null);
    if data::has_quarantine(container) {
        attributes.set("hollow", json!([]));
    }
    if !container.data.is_empty() {
        attributes.set("data_from", Value::Null);
    }
    attributes.set("edited_in_place", json!([]));
    attributes
}

/// What the container is created with: the last-applied label. Made once, after everything is linked.
pub(super) fn created_with(container: &Container) -> &Attributes {
    container.once.created.get_or_init(|| given(container))
}

fn given(container: &Container) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("image", container.image.clone());
    attributes.set_given("command", json!(container.command));
    // An empty entrypoint is a value: it takes the image's away.
    if let Some(entrypoint) = &container.entrypoint {
        attributes.set("entrypoint", json!(entrypoint));
    }
    attributes.set_given("environment", environment(container));
    attributes.set_given("working_dir", json!(container.working_dir));
    attributes.set_given("user", json!(container.user));
    attributes.set_given("hostname", json!(container.hostname));
    attributes.set_given("ports", json!(container.ports.iter().map(port).collect::<Vec<_>>()));
    let exposed = container.expose.iter().map(|(port, protocol)| format!("{port}/{protocol}"));
    attributes.set_given("expose", exposed.collect::<Vec<_>>());
    attributes.set_given("volumes", volumes(container));
    attributes.set_given("volume_options", volume_options(container));
    attributes.set_given("networks", networks(container));
    match &container.mode {
        NetworkMode::Bridge | NetworkMode::Joined => {}
        NetworkMode::Pasta(options) if options.is_empty() => attributes.set("network_mode", "pasta"),
        NetworkMode::Pasta(options) => attributes.set("network_mode", format!("pasta:{options}")),
        NetworkMode::Host => attributes.set("network_mode", "host"),
        NetworkMode::None => attributes.set("network_mode", "none"),
    }
    attributes.set_given("healthcheck", container.healthcheck.as_ref().map_or(Value::Null, healthcheck));
    attributes.set_given("stop_signal", json!(container.stop_signal));
    attributes.set_given("labels", json!(container.labels));
    attributes.set_given("devices", json!(container.devices));
    attributes.set_given("cap_add", json!(container.cap_add));
    attributes.set_given("cap_drop", json!(container.cap_drop));
    attributes.set_given("privileged", json!(container.privileged));
    attributes.set_given("read_only", json!(container.read_only));
    attributes.set_given("init", json!(container.init));
    attributes.set_given("no_new_privileges", json!(container.no_new_privileges));
    attributes.set_given("extra_hosts", json!(container.extra_hosts));
    attributes.set_given("shm_size", json!(container.shm_size));
    attributes.set_given("memory", json!(container.memory));
    attributes.set_given("cpus", json!(container.cpus));
    attributes.set_given("pids_limit", json!(container.pids_limit));
    container.settings.attributes(&mut attributes);
    container.namespaces.attributes(&mut attributes);
    attributes.set_given("secrets", secrets::attribute("secret", &container.secrets));
    attributes.set_given("configs", secrets::attribute("config", &container.secrets));
    attributes.set_given("security_opt", container.security.attribute());
    attributes.set_given("gpu", gpu::attribute(container.gpu));
    attributes.set_given("network_options", network_options(container));
    attributes
}

/// `127.0.0.1:8081:8080/tcp`.
pub(super) fn port(port: &Port) -> String {
    let Port { host_ip, host, container, protocol, span: _ } = port;
    format!("{}:{container}/{protocol}", std::net::SocketAddr::new(*host_ip, *host))
}

fn environment(container: &Container) -> Value {
    let value = |value: &super::EnvironmentValue| {
        if value.sensitive { container.context.secrets.seal(&value.text) } else { json!(value.text) }
    };
    container.environment.iter().map(|(key, given)| (key.clone(), value(given))).collect::<Map<_, _>>().into()
}

fn volumes(container: &Container) -> Value {
    let value = |mount: &Mount| {
        let Mount { source, read_only, options: _, span: _ } = mount;
        match source {
            MountSource::Bind(path) => json!({ "bind": path.display().to_string(), "read_only": read_only }),
            MountSource::Volume { address: _, name, subpath: _ } => json!({ "volume": name, "read_only": read_only }),
            MountSource::Tmpfs { .. } => json!({ "tmpfs": true, "read_only": read_only }),
            MountSource::Image { reference, subpath: _ } => json!({ "image": reference, "read_only": read_only }),
        }
    };
    container.mounts.iter().map(|(target, mount)| (target.clone(), value(mount))).collect::<Map<_, _>>().into()
}

fn volume_options(container: &Container) -> Value {
    let value = |mount: &Mount| match &mount.source {
        MountSource::Tmpfs { size_bytes, mode } => {
            json!({ "options": mount.options, "size": size_bytes, "mode": mode })
        }
        MountSource::Volume { subpath: Some(subpath), .. } | MountSource::Image { subpath: Some(subpath), .. } => {
            json!({ "options": mount.options, "subpath": subpath })
        }
        MountSource::Volume { .. } | MountSource::Image { .. } | MountSource::Bind(_) => {
            json!({ "options": mount.options })
        }
    };
    let told = |mount: &&Mount| !mount.options.is_empty() || !matches!(mount.source, MountSource::Bind(_));
    let given = container.mounts.iter().filter(|(_, mount)| told(mount));
    given.map(|(target, mount)| (target.clone(), value(mount))).collect::<Map<_, _>>().into()
}

fn networks(container: &Container) -> Value {
    let value = |attachment: &super::Attachment| {
        let mut aliases = attachment.aliases.clone();
        aliases.sort();
        json!({ "aliases": aliases, "static_ips": attachment.static_ips })
    };
    let given = container.networks.values();
    given.map(|attachment| (attachment.name.clone(), value(attachment))).collect::<Map<_, _>>().into()
}

fn network_options(container: &Container) -> Value {
    let given = container.networks.values().filter(|attachment| attachment.options != AttachmentOptions::default());
    given.map(|attachment| (attachment.name.clone(), json!(attachment.options))).collect::<Map<_, _>>().into()
}

/// Podman's part of a health check; times in nanoseconds, as podman keeps them.
fn healthcheck(check: &Healthcheck) -> Value {
    let Healthcheck { test, interval, timeout, retries, start_period } = check;
    let nanoseconds = |time: &std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut map = json!({
        "interval": nanoseconds(interval),
        "timeout": nanoseconds(timeout),
        "retries": retries,
        "start_period": nanoseconds(start_period),
    });
    match test {
        Test::Host(_) => return Value::Null,
        Test::Podman(words) if words.first().is_some_and(|word| word == "NONE") => return json!({ "test": words }),
        Test::Podman(words) => map["test"] = json!(words),
        Test::Image => {}
    }
    map
}
