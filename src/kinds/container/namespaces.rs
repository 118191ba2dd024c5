//! The namespaces that a container does not have to itself: of processes, of shared memory, and of another container's network.
//!
//! Podman keeps the id of the container whose namespace it is, and starts that one with it, whatever it is called by then. So who
//! lives in another's is made anew in that one's change ([`super::together`]), and never with one that lies parked.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Container, Needs, NetworkMode};
use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, AttributeChange, Cause, Risk, Severity};
use crate::desired::{Condition, Declared};
use crate::diagnostic::{Diagnostics, Span};
use crate::effect::ContainerCreate;
use crate::effect::podman::Namespace;
use crate::observed::{self, Observed, Sort};
use crate::stack::forms::Map;
use crate::stack::yaml::Node;

/// Another container's, as podman shows it and as it is compared.
const OTHERS: &str = "container:";
/// The key in the file and in the table, and where podman shows it.
const PLACES: [(&str, &str); 3] = [("network_mode", "NetworkMode"), ("pid", "PidMode"), ("ipc", "IpcMode")];

/// Whose namespace it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// `host`, `private`, `shareable`.
    Named(&'static str),
    Of(Joined),
}

/// Another container, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// Compose's `service:`: a name of the file, not podman's.
    by_key: bool,
    /// On the machine, once linked.
    name: String,
    /// Where it is one of the file's.
    on: Option<Address>,
    span: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Namespaces {
    pub(super) network: Option<Joined>,
    pid: Option<Space>,
    ipc: Option<Space>,
}

impl Namespaces {
    pub(super) fn read(map: &mut Map<'_, '_>) -> Self {
        // What is none of another's is read as a mode of its own.
        let network = map.read("network_mode", |node, _| joined(node));
        if network.is_some() {
            judge(map);
        }
        Self {
            network,
            pid: map.read("pid", |node, diagnostics| space(node, &["host", "private"], diagnostics)),
            ipc: map.read("ipc", |node, diagnostics| space(node, &["host", "private", "shareable"], diagnostics)),
        }
    }

    fn joined(&self) -> impl Iterator<Item = &Joined> {
        let of = |space| match space {
            &Some(Space::Of(ref joined)) => Some(joined),
            Some(Space::Named(_)) | None => None,
        };
        self.network.iter().chain([&self.pid, &self.ipc].into_iter().filter_map(of))
    }

    /// Those that are somebody else's, by name.
    pub(super) fn strangers(&self) -> impl Iterator<Item = &String> {
        self.joined().filter(|joined| joined.on.is_none()).map(|joined| &joined.name)
    }

    /// Those of the file, by their names on the machine.
    pub(super) fn hosts(&self) -> BTreeSet<&String> {
        self.joined().filter(|joined| joined.on.is_some()).map(|joined| &joined.name).collect()
    }

    pub(super) fn attributes(&self, into: &mut Attributes) {
        let Self { network, pid, ipc } = self;
        let value = |joined: &Joined| json!(format!("container:{}", joined.name));
        let of_space = |space: &Option<Space>| match space {
            Some(Space::Named(name)) => json!(name),
            Some(Space::Of(joined)) => value(joined),
            None => Value::Null,
        };
        into.set_given("network_mode", network.as_ref().map_or(Value::Null, value));
        into.set_given("pid", of_space(pid));
        into.set_given("ipc", of_space(ipc));
    }

    /// `called` tells what the other is called when this one is made.
    pub(super) fn create(&self, called: &dyn Fn(&str) -> String, body: &mut ContainerCreate) {
        let of = |joined: &Joined| Namespace { nsmode: "container".to_owned(), value: Some(called(&joined.name)) };
        let of_space = |space: &Space| match space {
            Space::Named(name) => Namespace { nsmode: (*name).to_owned(), value: None },
            Space::Of(joined) => of(joined),
        };
        if let Some(joined) = &self.network {
            body.netns = of(joined);
        }
        body.pidns = self.pid.as_ref().map(of_space);
        body.ipcns = self.ipc.as_ref().map(of_space);
    }
}

/// `container:NAME` and Compose's `service:NAME`.
fn joined(node: &Node) -> Option<Joined> {
    let (kind, name) = node.written()?.split_once(':')?;
    let by_key = match kind {
        "container" => false,
        "service" => true,
        _ => return None,
    };
    (!name.is_empty()).then(|| Joined { by_key, name: name.to_owned(), on: None, span: node.span })
}

fn space(node: &Node, words: &'static [&'static str], diagnostics: &mut Diagnostics) -> Option<Space> {
    match joined(node) {
        Some(joined) => Some(Space::Of(joined)),
        None => {
            let named = node.written().and_then(|word| words.iter().find(|known| **known == word));
            if named.is_none() {
                let known: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                let detail = format!("{} is none of {}", node.shown(), known.join(", "));
                diagnostics.error(node.span, "Unknown value", detail).help("or another container's: `service:NAME`");
            }
            named.map(|word| Space::Named(word))
        }
    }
}

/// What only the owner of a network can have: podman refuses it, or drops it without a word.
fn judge(map: &mut Map<'_, '_>) {
    for key in ["ports", "extra_hosts", "dns", "dns_search", "dns_opt"] {
        let Some(span) = map.take(key).filter(|node| !node.is_null()).map(|node| node.span) else { continue };
        let detail = format!("`{key}` belongs to the network, which is another container's here");
        map.diagnostics.error(span, "Contradiction", detail).help(format!("move `{key}` to that container"));
    }
}

/// Names become addresses, and each a need: it starts after, and is restarted with, whose namespace it lives in.
pub(super) fn link(container: &mut Container, declared: &Declared<'_>, diagnostics: &mut Diagnostics) {
    let mut found = Vec::new();
    let Namespaces { network, pid, ipc } = &mut container.namespaces;
    let spaces = [pid, ipc].into_iter().filter_map(|space| match space {
        Some(Space::Of(joined)) => Some(joined),
        Some(Space::Named(_)) | None => None,
    });
    for joined in network.iter_mut().chain(spaces) {
        if joined.by_key {
            let address = Address::new("container", &joined.name);
            match declared.resources.get(&address) {
                Some(known) => joined.name.clone_from(&known.name_on_machine),
                None => super::spec::nowhere("container", address.name(), Some(joined.span), declared, diagnostics),
            }
            joined.on = declared.resources.contains_key(&address).then_some(address);
        } else {
            let named = |(address, known): (&Address, &crate::desired::Known)| {
                (address.kind() == "container" && known.name_on_machine == joined.name).then(|| address.clone())
            };
            joined.on = declared.resources.iter().find_map(named);
        }
        found.extend(joined.on.clone().map(|on| (on, joined.span)));
    }
    for (on, span) in found {
        match container.depends_on.iter_mut().find(|needs| needs.name == on.name()) {
            Some(needs) => needs.restart = true,
            None => container.depends_on.push(Needs {
                name: on.name().to_owned(),
                on: Some(on),
                condition: Condition::Started,
                restart: true,
                required: true,
                span,
            }),
        }
    }
}

/// What is shown of the namespaces of others: by the name that whose they are has now.
pub(super) fn seen(inspect: &Value, observed: &Observed, into: &mut Attributes) {
    for (row, key) in PLACES {
        let Some(id) = inspect["HostConfig"][key].as_str().and_then(|mode| mode.strip_prefix(OTHERS)) else {
            continue;
        };
        let name = observed.containers.with_id(id).map_or(id, |other| &other.name);
        into.set(row, format!("container:{name}"));
    }
}

/// Lives it where the file says? That is all that the list does not tell of it.
pub(super) fn is_at_home(container: &Container, inspect: &Value, observed: &Observed) -> bool {
    let (mut seen, mut wanted) = (Attributes::default(), Attributes::default());
    self::seen(inspect, observed, &mut seen);
    container.namespaces.attributes(&mut wanted);
    wanted.0.retain(|_, value| value.as_str().is_some_and(|space| space.starts_with(OTHERS)));
    seen == wanted
}

/// The containers whose namespaces it lives in, as far as they can be seen.
pub(super) fn homes<'o>(
    found: &'o observed::Container,
    observed: &'o Observed,
) -> impl Iterator<Item = &'o observed::Container> {
    found.needs().into_iter().filter_map(|id| observed.containers.with_id(id))
}

/// Lives it with one that is not in service any more, or not yet? With such a one it would start that one as well.
pub(super) fn is_cut_off(found: &observed::Container, observed: &Observed) -> bool {
    homes(found, observed).any(|home| is_half(&home.name))
}

/// Names that only the halves of a replace have.
pub(super) fn is_half(name: &str) -> bool {
    [super::PARKED, super::NEXT].iter().any(|ending| name.ends_with(ending))
}

/// It runs since before the last start of whose namespace it lives in: what it has of that is the one of an earlier run.
pub(super) fn outlived(
    container: &Container,
    subject: &observed::Container,
    observed: &Observed,
) -> Option<AttributeChange> {
    let network = container.namespaces.network.as_ref()?;
    let home = observed.containers.get(&network.name).filter(|home| home.is_running() && subject.is_running())?;
    let [own, of_home] = [subject, home].map(|found| crate::time::parse(&found.started_at));
    (own? < of_home?).then(|| AttributeChange {
        path: "network_mode".to_owned(),
        before: json!(format!("container:{}, before it started last", network.name)),
        after: json!(format!("container:{}", network.name)),
        cause: Cause::Machine,
        on_change: Action::Restart,
    })
}

/// Containers of others that are named and not there.
pub(super) fn missing(container: &Container, observed: &Observed) -> Vec<Risk> {
    if observed.blind.contains_key(&Sort::Containers) {
        return Vec::new();
    }
    let absent = container.namespaces.strangers().filter(|name| !observed.containers.contains_key(*name));
    let risk = |name: &String| Risk {
        code: "NAME_NOT_FOUND",
        severity: Severity::Critical,
        message: format!("the container `{name}`, whose namespace {} is to live in, does not exist", container.name),
        remedies: vec![format!("Make it first, or name a container of this file: `service:{}`.", name.escape_debug())],
    };
    absent.map(risk).collect()
}

impl From<&NetworkMode> for Namespace {
    fn from(mode: &NetworkMode) -> Self {
        let nsmode = match mode {
            NetworkMode::Pasta(_) => "pasta",
            NetworkMode::Bridge => "bridge",
            NetworkMode::Host => "host",
            NetworkMode::None => "none",
            NetworkMode::Joined => "container",
        };
        Namespace { nsmode: nsmode.to_owned(), value: None }
    }
}
