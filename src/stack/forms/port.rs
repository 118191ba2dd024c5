//! `ports`: which ports of the host lead to which of a container.

use super::list::list_of;
use super::map::{Map, expected};
use super::scalar::{one_of, port_digits, port_number, word};
use super::{Described, Form, key};
use crate::diagnostic::{Diagnostics, Span, quoted};
use crate::stack::yaml::{Node, Value};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// One published port. A range gives one per number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Loopback unless the file says otherwise.
    pub host_ip: IpAddr,
    pub host: u16,
    pub container: u16,
    pub protocol: Protocol,
    pub span: Span,
}

const EXAMPLE: &str = "such as `8080:80`, `127.0.0.1:8080:80/udp` or `[::1]:8080:80`";
pub const KEYS: &[Described] = &[
    key("target", Form::Integer, "The port in the container"),
    key("published", Form::Text, "The port of this machine, or a range"),
    key("host_ip", Form::Text, "The address of this machine; 127.0.0.1 by itself"),
    key("protocol", Form::OneOf(&["tcp", "udp", "sctp"]), "tcp by itself"),
    key("mode", Form::OneOf(&["host", "ingress"]), "Has a meaning in Docker Swarm only"),
];
const UNSUPPORTED: &[(&str, &str)] = &[
    ("name", "podman keeps no name for a port; write it as a comment"),
    ("app_protocol", "podman keeps no such hint; write it as a comment"),
];

/// A list of ports in short and long form.
pub fn ports(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Port>> {
    let what = format!("a list of ports, {EXAMPLE}");
    let lists = list_of(node, &what, diagnostics, |item, diagnostics| match &item.value {
        Value::Mapping(_) => long(item, diagnostics),
        Value::Text(_) | Value::Integer(_) => short(item, diagnostics),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Sequence(_) => {
            expected(item, &format!("a port, {EXAMPLE}"), diagnostics);
            None
        }
    })?;
    Some(lists.into_iter().flatten().collect())
}

/// `expose`: ports that other containers may use; nothing of the host.
pub fn exposed(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(u16, Protocol)>> {
    let lists =
        list_of(node, "a list of ports, such as `[\"8080\", \"53/udp\"]`", diagnostics, |item, diagnostics| {
            let text = item.written().unwrap_or_default();
            let read = protocol(text).and_then(|(port, protocol)| Some((range(port)?, protocol)));
            if read.is_none() {
                expected(item, "a port of the container, such as `8080` or `53/udp`", diagnostics);
            }
            read.map(|(range, protocol)| range.map(|port| (port, protocol)).collect::<Vec<_>>())
        })?;
    Some(lists.into_iter().flatten().collect())
}

fn short(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Port>> {
    let text = node.written().unwrap_or_default();
    let invalid = |why: &str, diagnostics: &mut Diagnostics| {
        diagnostics
            .error(node.span, "Bad port", format!("{} {why}", node.shown()))
            .help(format!("write HOST:CONTAINER, {EXAMPLE}"));
    };
    let Some((text, protocol)) = protocol(text) else {
        invalid("has a protocol other than tcp, udp and sctp", diagnostics);
        return None;
    };
    let (address, host, container) = match text.rsplit_once(':') {
        None => ("", None, text),
        Some((rest, container)) => match rest.rsplit_once(':') {
            None => ("", Some(rest), container),
            Some((address, host)) => (address, Some(host), container),
        },
    };
    let host_ip = match address {
        "" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => address.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    };
    let Some(host_ip) = host_ip else {
        invalid(&format!("has {} where an IP address is due", shown_part(node, address)), diagnostics);
        return None;
    };
    let Some(container) = range(container) else {
        invalid("names no port from 1 to 65535 of the container", diagnostics);
        return None;
    };
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return random(node.span, *container.start(), diagnostics);
    };
    let Some(host) = range(host) else {
        invalid("names no port from 1 to 65535 of the host", diagnostics);
        return None;
    };
    pair(host_ip, host, container, protocol, node.span, diagnostics)
}

/// A part of a text that a message may show only where the whole may be shown.
fn shown_part(node: &Node, part: &str) -> String {
    if node.sensitive { "something".into() } else { quoted(part) }
}

/// Compose would let the engine choose the host's port, another one after each replace.
fn random<T>(span: Span, container: u16, diagnostics: &mut Diagnostics) -> Option<T> {
    diagnostics
        .error(span, "No host port", "the port of the host is not named, so that it would change with every replace")
        .help(format!("write `{container}:{container}`, or `expose` for a port that only other containers use"));
    None
}

fn long(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Port>> {
    let mut map = Map::new(node, "a port", KEYS, diagnostics)?.unsupported(UNSUPPORTED);
    let target = map.require("target", "80", port_number);
    let published = map.read("published", |node, diagnostics| {
        let read = node.written().and_then(range);
        if read.is_none() {
            expected(node, "a port from 1 to 65535 of the host, such as `8080`", diagnostics);
        }
        read
    });
    let host_ip = map.read("host_ip", |node, diagnostics| {
        let text = word(node, diagnostics)?;
        let address = text.parse::<IpAddr>().ok();
        if address.is_none() {
            expected(node, "an IP address, such as `127.0.0.1`", diagnostics);
        }
        address
    });
    let protocol = map.read("protocol", |node, diagnostics| one_of(&["tcp", "udp", "sctp"], node, diagnostics));
    // Without a cluster, both modes publish on this one host.
    let _mode = map.read("mode", |node, diagnostics| one_of(&["host", "ingress"], node, diagnostics));
    let wrong =
        ["published", "host_ip", "protocol"].iter().zip([published.is_none(), host_ip.is_none(), protocol.is_none()]);
    let wrong = wrong.filter(|(key, none)| *none && node.get(key).is_some_and(|node| !node.is_null())).count() > 0;
    map.finish();
    let target = target?;
    if wrong {
        return None;
    }
    let Some(published) = published else { return random(node.span, target, diagnostics) };
    let protocol = match protocol {
        Some("udp") => Protocol::Udp,
        Some("sctp") => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    let host_ip = host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    pair(host_ip, published, target..=target, protocol, node.span, diagnostics)
}

fn pair(
    host_ip: IpAddr,
    host: RangeInclusive<u16>,
    container: RangeInclusive<u16>,
    protocol: Protocol,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Port>> {
    if host.len() != container.len() {
        diagnostics
            .error(
                span,
                "Bad port",
                format!("{} ports of the host cannot lead to {} of the container", host.len(), container.len()),
            )
            .help("give both ranges the same length, such as `8000-8002:80-82`");
        return None;
    }
    Some(host.zip(container).map(|(host, container)| Port { host_ip, host, container, protocol, span }).collect())
}

fn protocol(text: &str) -> Option<(&str, Protocol)> {
    match text.rsplit_once('/') {
        None => Some((text, Protocol::Tcp)),
        Some((port, "tcp")) => Some((port, Protocol::Tcp)),
        Some((port, "udp")) => Some((port, Protocol::Udp)),
        Some((port, "sctp")) => Some((port, Protocol::Sctp)),
        Some(_) => None,
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port_digits(first)?, port_digits(last)?);
    (first <= last).then_some(first..=last)
}
