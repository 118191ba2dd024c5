//! A container as written: Compose's keys, in Compose's forms. Every key maps or errors.

mod keys;
mod link;
mod parts;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::namespaces::Namespaces;
use super::security::Security;
use super::settings::Settings;
use super::{Container, NEXT, Names, Once, PARKED, Restart, UnitDependencies, data, gpu, layer, secrets, unit_name};
use crate::address::Address;
use crate::desired::{Context, Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::kinds::image::{self, Build, Pull};
use crate::kinds::network::pairs;
use crate::stack::forms::{self, Map, Places};
use crate::stack::yaml::{Key, Node};

pub(super) use keys::KEYS;
pub(super) use link::link;
pub(in crate::kinds) use link::needs as link_needs;
pub(super) use link::nowhere;
pub(in crate::kinds) use parts::{extra_hosts, host_readiness, needs, signal as stop_signal};

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let name = &key.text;
    if !is_named(key, reading.diagnostics) {
        return Vec::new();
    }
    let environment = parts::environment(node, reading);
    let (places, context, files) = (reading.places, reading.context, reading.files);
    let Some(map) = Map::new(node, "a container", keys::KEYS, reading.diagnostics) else {
        return Vec::new();
    };
    let mut map = map.unsupported(keys::UNSUPPORTED).elsewhere(&["environment", "env_file"]);
    let (image, pull, build) = image(&mut map, name, context, places, &|path| files.resolved(path).is_some());
    let limits = parts::limits(&mut map);
    let security = Security::of(&mut map, places);
    let (mode, networks) = parts::networking(&mut map, name);
    let (called, names) = called(&mut map, name, context);
    let container = Container {
        address: Address::new("container", name),
        span: key.span,
        context: context.clone(),
        name: called,
        names,
        image,
        pull,
        build,
        command: map.read("command", forms::command).map(|command| command.words),
        entrypoint: map.read("entrypoint", forms::command).map(|command| command.words),
        environment,
        working_dir: map.read("working_dir", forms::container_path),
        user: map.read("user", forms::word),
        hostname: map.read("hostname", forms::word),
        ports: map.read("ports", forms::ports).map(parts::ports).unwrap_or_default(),
        expose: map.read("expose", forms::exposed).map(parts::exposed).unwrap_or_default(),
        mounts: parts::mounts(&mut map, places),
        networks,
        mode,
        depends_on: map.read("depends_on", forms::depends_on).map(parts::needs).unwrap_or_default(),
        restart: map.read("restart", forms::restart_policy).map_or(Restart::UnlessStopped, Restart::from),
        one_shot: map.read("one_shot", forms::boolean).unwrap_or(false),
        healthcheck: map.read("healthcheck", parts::healthcheck),
        stop_grace_period: map.read("stop_grace_period", forms::duration),
        stop_signal: map.read("stop_signal", parts::signal),
        labels: map.read("labels", parts::labels).unwrap_or_default(),
        devices: parts::devices(&mut map, &limits),
        cap_add: map.read("cap_add", parts::capabilities).unwrap_or_default(),
        cap_drop: map.read("cap_drop", parts::capabilities).unwrap_or_default(),
        privileged: map.read("privileged", forms::boolean),
        read_only: map.read("read_only", forms::boolean),
        init: map.read("init", forms::boolean),
        no_new_privileges: security.no_new_privileges,
        extra_hosts: map.read("extra_hosts", parts::extra_hosts).unwrap_or_default(),
        shm_size: map.read("shm_size", forms::size_bytes),
        memory: limits.memory,
        cpus: limits.cpus,
        pids_limit: limits.pids,
        settings: Settings::read(&mut map, limits.reservation),
        namespaces: Namespaces::read(&mut map),
        security,
        secrets: secrets::read(&mut map),
        gpu: map.read("gpu", gpu::read),
        data: data::read(&mut map),
        ephemeral: layer::read(&mut map),
        was: map.read("renamed_from", forms::word).map(|old| Address::new("container", old)),
        boot_waits: Vec::new(),
        siblings: Arc::default(),
        unit_dependencies: UnitDependencies::default(),
        once: Once::default(),
    };
    parts::one_shot_restarts(&mut map, &container);
    map.finish();
    vec![Box::new(Arc::new(container))]
}

/// The full reference, and how the image comes here. What is built needs no name, and a short one is the machine's own.
fn image(
    map: &mut Map<'_, '_>,
    name: &str,
    context: &Context,
    places: Places<'_>,
    exists: &dyn Fn(&Path) -> bool,
) -> (String, Pull, Option<Build>) {
    let is_built = map.take("build").is_some_and(|build| !build.is_null());
    let build = map.read("build", |node, diagnostics| Build::read(node, places, exists, diagnostics));
    let reference = if is_built {
        let given = map.read("image", forms::word).unwrap_or_else(|| format!("{}-{name}", context.stack));
        image::normalised_built(&given)
    } else {
        let given = map.require("image", "docker.io/library/redis:8", forms::word);
        given.as_deref().map(image::normalised).unwrap_or_default()
    };
    (reference, parts::pull(map, is_built), build)
}

fn is_named(key: &Key, diagnostics: &mut Diagnostics) -> bool {
    let is_named = is_name(&key.text);
    if !is_named {
        let detail = format!("`{}` cannot be the name of a container", key.text.escape_debug());
        diagnostics
            .error(key.span, "Not a name", detail)
            .help("a letter or digit first, then letters, digits, `_`, `.` and `-`");
    }
    is_named
}

/// Podman's own rule for names (`define.NameRegex`), without the endings that mark a replace's half.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
        && name.len() <= 128
        && !name.ends_with(".parked")
        && !name.ends_with(".next")
}

fn container_name(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = forms::word(node, diagnostics)?;
    if !is_name(&name) {
        let detail = format!("{} cannot be the name of a container", node.shown());
        diagnostics.error(node.span, "Not a name", detail);
        return None;
    }
    Some(name)
}

/// Its name on the machine, and the others that follow from it.
fn called(map: &mut Map<'_, '_>, name: &str, context: &Context) -> (String, Names) {
    let called = map.read("container_name", container_name).unwrap_or_else(|| format!("{}-{name}", context.stack));
    let parked = format!("{called}{PARKED}");
    let next = format!("{called}{NEXT}");
    (called, Names { parked, next, unit: unit_name(&context.stack, name) })
}

/// What two sources of labels or variables give together; the later one wins.
type Pairs = BTreeMap<String, String>;
