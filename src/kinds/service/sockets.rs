//! `sockets` of a service: systemd listens in its place, and starts it with what it listens on at the first connection
//! (systemd.socket(5), sd_listen_fds(3)). The service's second unit file, `NAME.socket`, stands enabled in its place.

use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Service;
use crate::attributes::Attributes;
use crate::change::Risk;
use crate::desired::HostPort;
use crate::diagnostic::{Diagnostics, Span, quoted};
use crate::kinds::container::port_taken;
use crate::kinds::unit::{Managed, Parts, Unit, directory_value, line_value};
use crate::observed::{Listener, Observed, Query, Seen};
use crate::stack::forms::{self, Places};
use crate::stack::yaml::Node;

const EXAMPLE: &str = "such as `8080`, `127.0.0.1:8080`, `[::1]:53/udp` or `~/run/api.sock`";

/// What is listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    place: Place,
    span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Stream(SocketAddr),
    Datagram(SocketAddr),
    Path(PathBuf),
}

/// As it is written, and as it stands in a plan.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Stream(address) => write!(f, "{address}"),
            Place::Datagram(address) => write!(f, "{address}/udp"),
            Place::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Socket {
    fn line(&self) -> String {
        match &self.place {
            Place::Stream(address) => format!("ListenStream={address}"),
            Place::Datagram(address) => format!("ListenDatagram={address}"),
            Place::Path(path) => format!("ListenStream={}", line_value(&path.display().to_string())),
        }
    }

    fn port(&self) -> Option<HostPort> {
        let (address, protocol) = match &self.place {
            Place::Stream(address) => (address, "tcp"),
            Place::Datagram(address) => (address, "udp"),
            Place::Path(_) => return None,
        };
        let (ip, port) = (address.ip(), address.port());
        Some(HostPort { ip, port, protocol: protocol.to_owned(), span: Some(self.span) })
    }
}

pub(super) fn read(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<Socket>> {
    let items: Vec<&Node> = match node.as_sequence() {
        Some(items) => items.iter().collect(),
        None => vec![node],
    };
    let sockets: Vec<Socket> = items.iter().filter_map(|item| one(item, places, diagnostics)).collect();
    (sockets.len() == items.len()).then_some(sockets)
}

fn one(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Socket> {
    let text = forms::word(node, diagnostics)?;
    let span = node.span;
    if text.starts_with(['/', '~', '.']) {
        let path = forms::host_path(node, places, diagnostics)?;
        let shown = path.display().to_string();
        if shown != directory_value(&shown).replace("%%", "%") {
            let detail = format!("systemd would read {} as another path", quoted(&shown));
            diagnostics
                .error(span, "Not a socket", detail)
                .help("give it a name without a blank or a backslash at its end");
            return None;
        }
        return Some(Socket { place: Place::Path(path), span });
    }
    let (address, protocol) = text.rsplit_once('/').unwrap_or((&text, "tcp"));
    let address = match address.parse::<u16>() {
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => address.parse().ok(),
    };
    let place = match (address.filter(|address| address.port() != 0), protocol) {
        (Some(address), "tcp") => Place::Stream(address),
        (Some(address), "udp") => Place::Datagram(address),
        (Some(_) | None, _) => {
            let detail = format!("{} is nothing to listen on", node.shown());
            diagnostics
                .error(span, "Not a socket", detail)
                .help(format!("a port, an address and a port, or a path: {EXAMPLE}"));
            return None;
        }
    };
    Some(Socket { place, span })
}

pub(super) fn attribute(sockets: &[Socket]) -> Value {
    json!(sockets.iter().map(ToString::to_string).collect::<Vec<_>>())
}

pub(super) fn unit_name(service: &Service) -> String {
    format!("{}.socket", service.address.name())
}

/// None where nothing is listened on.
pub(super) fn unit(service: &Service) -> Option<&Unit> {
    let Service { address, context, sockets, enabled, .. } = service;
    let made = || {
        let mut spec = Attributes::default();
        spec.set("enabled", *enabled);
        let mut body =
            format!("[Unit]\nDescription={} (sockets of stack {})\n\n[Socket]\n", address.name(), context.stack);
        for socket in sockets {
            writeln!(body, "{}", socket.line()).expect("a string takes all");
        }
        // Of a path: the user's alone, as its directory would be.
        body.push_str("SocketMode=0600\n\n[Install]\nWantedBy=sockets.target\n");
        let name = unit_name(service);
        Unit::new(
            context,
            Parts { name, address: address.clone(), spec, body, enabled: *enabled, target: "sockets.target" },
        )
    };
    (!sockets.is_empty()).then(|| service.socket.get_or_init(made))
}

fn wants_link(service: &Service) -> PathBuf {
    service.context.unit_directory.join("sockets.target.wants").join(unit_name(service))
}

fn path(service: &Service) -> PathBuf {
    service.context.unit_directory.join(unit_name(service))
}

pub(super) fn query(service: &Service, query: &mut Query) {
    match unit(service) {
        Some(unit) => unit.query(&service.context, query),
        // One that is left of an earlier file.
        None => {
            query.units.insert(unit_name(service));
            query.files.insert(path(service));
            query.paths.insert(wants_link(service));
        }
    }
    query.listeners |= ports(service).next().is_some();
}

pub(super) fn query_more(service: &Service, observed: &Observed, query: &mut Query) {
    for (port, _) in held(service, observed) {
        query.owners_of_ports.insert(port.port);
        query.all_containers = true;
    }
}

/// Our socket file as it stands there; of another's nothing is said here.
pub(super) fn found<'o>(service: &Service, observed: &'o Observed) -> Option<&'o str> {
    let content = observed.paths.get(&path(service)).and_then(Seen::present)?.content.as_deref()?;
    let managed = Managed::parse(content)?;
    (managed.stack == service.context.stack && managed.address == service.address).then_some(content)
}

/// The rows of the socket's unit. `had`: the service was written with sockets, so that one which differs in that alone is told by the
/// row of what the file says, and not once more as somebody's doing.
pub(super) fn seen(service: &Service, had: bool, observed: &Observed, into: &mut Attributes) {
    let linked = observed.paths.get(&wants_link(service)).is_some_and(|seen| seen.present().is_some());
    let text = found(service, observed);
    let is_intact = text.and_then(Managed::parse).is_some_and(|managed| managed.is_intact());
    let wanted = unit(service);
    let shown = match (wanted, had) {
        // As it was written, its rows tell.
        (Some(wanted), _) if is_intact => Some(wanted.text()),
        (Some(_), true) | (None, false) => text,
        (Some(wanted), false) => Some(wanted.text()),
        (None, true) => None,
    };
    into.set("socket_unit", shown.map_or(Value::Null, Value::from));
    into.set("listening", !had || listens(service, observed));
    let alone = into.get("enabled") == Some(&json!(true));
    match (wanted, had) {
        // Enabled beside its sockets, it would be started before anybody asks.
        (Some(wanted), true) => into.set("enabled", if alone { !wanted.enabled } else { linked }),
        (None, true) => {
            into.set("enabled", linked);
            into.set("running", true);
        }
        (Some(_) | None, false) => {}
    }
    if let Some(wanted) = wanted {
        let mut of_socket = Attributes::default();
        wanted.seen(observed, &service.context, &mut of_socket);
        if of_socket.get("loaded") == Some(&json!(false)) {
            into.set("loaded", false);
        }
    }
}

/// Of one that has none: no unit of ours is left of earlier ones.
pub(super) fn is_gone(service: &Service, observed: &Observed) -> bool {
    found(service, observed).is_none()
}

pub(super) fn listens(service: &Service, observed: &Observed) -> bool {
    observed.units.get(&unit_name(service)).is_some_and(crate::observed::Unit::is_active)
}

pub(super) fn ports(service: &Service) -> impl Iterator<Item = HostPort> {
    service.sockets.iter().filter_map(Socket::port)
}

/// Ports that somebody else listens on.
fn held<'o>(service: &'o Service, observed: &'o Observed) -> impl Iterator<Item = (HostPort, &'o Listener)> {
    // What listens for it already is its own socket: a service is stopped before its sockets change.
    let own = listens(service, observed);
    let holder = move |port: HostPort| {
        let mut listeners = observed.listeners.iter().filter(|_| !own);
        let found = listeners.find(|found| port.overlaps(found.ip, found.port, &found.protocol))?;
        Some((port, found))
    };
    ports(service).filter_map(holder)
}

pub(super) fn conflicts(service: &Service, observed: &Observed) -> Vec<Risk> {
    let stack = &service.context.stack;
    held(service, observed).map(|(port, listener)| port_taken(&port, listener, observed, stack)).collect()
}
