//! What a container or service says of others: dependencies, networks, environment files.

use super::list::{list_of, map_or_list};
use super::map::{Map, expected};
use super::path::{Places, host_path};
use super::scalar::{boolean, one_of, word};
use super::{Described, Form, TEXTS, key};
use crate::diagnostic::{Diagnostics, Span, quoted};
use crate::stack::yaml::{Node, Value};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    Started,
    Healthy,
    Completed,
}

/// One edge of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// As written; what it names is for the resolver to find.
    pub name: String,
    pub condition: Condition,
    /// Restart the dependent when the other is restarted or replaced.
    pub restart: bool,
    /// Without it, an absent or failed dependency is only a warning.
    pub required: bool,
    pub span: Span,
}

const CONDITIONS: &[&str] = &["service_started", "service_healthy", "service_completed_successfully"];
pub const DEPENDENCY_KEYS: &[Described] = &[
    key(
        "condition",
        Form::OneOf(&["service_started", "service_healthy", "service_completed_successfully"]),
        "What is waited for",
    ),
    key("restart", Form::Boolean, "Restart this one whenever the other is replaced or restarted"),
    key("required", Form::Boolean, "It is an error if the other is not there; true by itself"),
];

/// `depends_on`: a list of names (each has to be started), or a mapping of names to conditions.
pub fn depends_on(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Dependency>> {
    let plain = |name: &str, span| Dependency {
        name: name.to_owned(),
        condition: Condition::Started,
        restart: false,
        required: true,
        span,
    };
    let Some(entries) = node.as_mapping() else {
        let what = "a list of names, or a mapping such as `name: { condition: service_healthy }`";
        let dependencies: Vec<Dependency> = list_of(node, what, diagnostics, |item, diagnostics| {
            word(item, diagnostics).map(|name| plain(&name, item.span))
        })?;
        once(dependencies.iter().map(|dependency| (dependency.name.as_str(), dependency.span)), diagnostics);
        return Some(dependencies);
    };
    let read = |(key, node): &(crate::stack::yaml::Key, Node)| {
        let mut dependency = plain(&key.text, key.span);
        let mut map = Map::new(node, "a dependency", DEPENDENCY_KEYS, diagnostics)?;
        match map.read("condition", |node, diagnostics| one_of(CONDITIONS, node, diagnostics)) {
            Some("service_healthy") => dependency.condition = Condition::Healthy,
            Some("service_completed_successfully") => dependency.condition = Condition::Completed,
            _ => {}
        }
        dependency.restart = map.read("restart", boolean).unwrap_or(false);
        dependency.required = map.read("required", boolean).unwrap_or(true);
        map.finish();
        Some(dependency)
    };
    Some(entries.iter().filter_map(read).collect())
}

/// Reports what is named twice in a list.
fn once<'a>(names: impl Iterator<Item = (&'a str, Span)>, diagnostics: &mut Diagnostics) {
    let mut seen: Vec<(&str, Span)> = Vec::new();
    for (name, span) in names {
        match seen.iter().find(|(known, _)| *known == name) {
            Some((_, first)) => {
                let detail = format!("{} is named twice", quoted(name));
                diagnostics.error(span, "Named twice", detail).related(*first, "first named here");
            }
            None => seen.push((name, span)),
        }
    }
}

/// A container on a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The key of the network in the stack.
    pub name: String,
    pub aliases: Vec<String>,
    pub ipv4_address: Option<Ipv4Addr>,
    pub ipv6_address: Option<Ipv6Addr>,
    pub mac_address: Option<String>,
    pub interface_name: Option<String>,
    pub driver_opts: Vec<(String, String)>,
    pub span: Span,
}

pub const ATTACHMENT_KEYS: &[Described] = &[
    key("aliases", TEXTS, "More names that it answers to on this network"),
    key("ipv4_address", Form::Text, "A fixed address"),
    key("ipv6_address", Form::Text, "A fixed address"),
    key("mac_address", Form::Text, "A fixed hardware address, such as `02:42:ac:11:00:02`"),
    key("interface_name", Form::Text, "What the interface is called in the container"),
    key("driver_opts", Form::Pairs, "Options of the network's driver"),
];
const ATTACHMENT_UNSUPPORTED: &[(&str, &str)] = &[
    ("link_local_ips", "podman's networks give no link-local addresses"),
    ("priority", "podman connects networks in the order of their names"),
    ("gw_priority", "podman takes the default route from its first network"),
];

/// `networks` of a container: a list of names, or a mapping of names to settings.
pub fn attachments(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Attachment>> {
    let Some(entries) = node.as_mapping() else {
        let what = "a list of networks, or a mapping such as `name: { aliases: [db] }`";
        let attachments: Vec<Attachment> = list_of(node, what, diagnostics, |item, diagnostics| {
            word(item, diagnostics).map(|name| Attachment { name, span: item.span, ..Attachment::default() })
        })?;
        once(attachments.iter().map(|attachment| (attachment.name.as_str(), attachment.span)), diagnostics);
        return Some(attachments);
    };
    let read = |(key, node): &(crate::stack::yaml::Key, Node)| attachment(&key.text, key.span, node, diagnostics);
    Some(entries.iter().filter_map(read).collect())
}

fn attachment(name: &str, span: Span, node: &Node, diagnostics: &mut Diagnostics) -> Option<Attachment> {
    let map = Map::new(node, "a network of a container", ATTACHMENT_KEYS, diagnostics)?;
    let mut map = map.unsupported(ATTACHMENT_UNSUPPORTED);
    let attachment = Attachment {
        name: name.to_owned(),
        aliases: map
            .read("aliases", |node, diagnostics| list_of(node, "a list of names", diagnostics, word))
            .unwrap_or_default(),
        ipv4_address: map.read("ipv4_address", |node, diagnostics| {
            parsed(node, "an IPv4 address, such as `10.89.0.5`", diagnostics)
        }),
        ipv6_address: map
            .read("ipv6_address", |node, diagnostics| parsed(node, "an IPv6 address, such as `fd00::5`", diagnostics)),
        mac_address: map.read("mac_address", mac_address),
        interface_name: map.read("interface_name", word),
        driver_opts: map
            .read("driver_opts", map_or_list)
            .map(|pairs| pairs.into_iter().map(|pair| (pair.key, pair.value)).collect())
            .unwrap_or_default(),
        span,
    };
    map.finish();
    Some(attachment)
}

/// Six bytes in hexadecimal, with colons; in small letters, as podman gives it back.
pub fn mac_address(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = word(node, diagnostics)?;
    let bytes: Vec<&str> = text.split(':').collect();
    let good = bytes.len() == 6
        && bytes.iter().all(|byte| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if !good {
        expected(node, "a MAC address, such as `02:42:ac:11:00:02`", diagnostics);
    }
    good.then(|| text.to_lowercase())
}

fn parsed<T: std::str::FromStr>(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<T> {
    let value = node.written().and_then(|text| text.parse().ok());
    if value.is_none() {
        expected(node, what, diagnostics);
    }
    value
}

/// A file of `NAME=value` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFile {
    pub path: PathBuf,
    /// An optional file may be absent.
    pub required: bool,
    /// `format: raw`: no quotes, no variables.
    pub raw: bool,
    pub span: Span,
}

pub const ENV_FILE_KEYS: &[Described] = &[
    key("path", Form::Path, "The file"),
    key("required", Form::Boolean, "It is an error if it is not there; true by itself"),
    key("format", Form::OneOf(&["raw"]), "Take lines as they are: no quotes, no variables"),
];

/// `env_file`: a path, or a list of paths and of mappings with `path`, `required`, `format`.
pub fn env_files(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<EnvFile>> {
    let one = |item: &Node, diagnostics: &mut Diagnostics| match &item.value {
        Value::Mapping(_) => {
            let mut map = Map::new(item, "an environment file", ENV_FILE_KEYS, diagnostics)?;
            let path = map.require("path", "./settings.env", |node, diagnostics| host_path(node, places, diagnostics));
            let required = map.read("required", boolean).unwrap_or(true);
            let format = map.read("format", |node, diagnostics| one_of(&["raw"], node, diagnostics));
            map.finish();
            Some(EnvFile { path: path?, required, raw: format.is_some(), span: item.span })
        }
        _ => {
            let path = host_path(item, places, diagnostics)?;
            Some(EnvFile { path, required: true, raw: false, span: item.span })
        }
    };
    if node.as_sequence().is_some() {
        return list_of(node, "a list of files", diagnostics, one);
    }
    one(node, diagnostics).map(|file| vec![file])
}
