//! The top level of a stack file: which keys there are, the name, the version, and the sections as lists of entries.

use super::{Loader, Model, Section, Stack};
use crate::diagnostic::{Diagnostics, Span, nearest, quoted};
use crate::stack::forms::{Described, Form, TEXT_OR_TEXTS, key};
use crate::stack::yaml::{Key, Node, Value};

/// Keys of the top level beside the sections.
pub(in crate::stack) const KEYS: &[Described] = &[
    key("version", Form::Integer, "Of this format: 1"),
    key("stack", Form::Text, "The stack's name, which the names of its containers begin with"),
    key(
        "renamed_from",
        Form::Text,
        "What the stack was called before; everything of it keeps its place and its name on the machine",
    ),
    key("vars", Form::Names(&Form::Text), "Variables for this file, used as `${NAME}`"),
    key("include", Form::Either(&[Form::Path, INCLUDES]), "More files, which are part of this one"),
    key("profiles", TEXT_OR_TEXTS, "Profiles that are active without being asked for"),
];
const INCLUDES: Form = Form::List(&Form::Either(&[Form::Path, Form::Map(super::include::KEYS)]));
/// Of entries of [`super::profiles::SECTIONS`]; they are gone before a kind reads its entries.
pub(in crate::stack) const ENTRY_KEYS: &[Described] = &[
    key("profiles", TEXT_OR_TEXTS, "It is left out unless one of these is active"),
    key(
        "extends",
        Form::Either(&[Form::Text, Form::Map(super::extends::EXTENDS_KEYS)]),
        "Another entry that this one begins with",
    ),
];
/// The one version of the format.
const VERSION: i64 = 1;
/// As long as a DNS label: the name is part of container and network names.
const NAME_MAX: usize = 63;

impl Loader<'_> {
    /// Reports the unknown keys of one file.
    pub(super) fn top_keys(&mut self, root: &Node) {
        for (key, _) in root.as_mapping().unwrap_or_default() {
            let name = key.text.as_str();
            let sections = self.options.sections;
            if KEYS.iter().any(|known| known.key == name) || sections.contains(&name) || name.starts_with("x-") {
                continue;
            }
            let detail = format!("{} is not a key of a stack file", quoted(name));
            let diagnostic = self.diagnostics.error(key.span, "Unknown key", detail);
            if name == "name" {
                diagnostic.help("the stack's name is given as `stack: NAME`");
            } else if let Some(near) = nearest(name, KEYS.iter().map(|known| known.key).chain(sections.iter().copied()))
            {
                diagnostic.help(format!("did you mean `{near}`?"));
            }
        }
    }

    /// The model as a stack. What is missing is reported and stands in with a harmless value.
    pub(super) fn stack(&mut self, model: Model) -> Stack {
        let Model { mut root, vars } = model;
        let top = Span { file: root.span.file, line: 1, column: 1, start: 0, end: 0 };
        version(root.remove("version"), top, &mut self.diagnostics);
        let (name, name_span) = name(root.remove("stack"), top, &mut self.diagnostics);
        let renamed_from = root.remove("renamed_from").and_then(|(_, node)| name_in(&node, &mut self.diagnostics));
        let profiles = profiles(root.remove("profiles"), &mut self.diagnostics);
        // A document whose top is no mapping never gets here.
        let entries = if let Value::Mapping(entries) = root.value { entries } else { Vec::new() };
        let sections = entries.into_iter().filter(|(key, _)| self.options.sections.contains(&key.text.as_str()));
        let sections: Vec<(Key, Node)> = sections.collect();
        let sections = sections.into_iter().filter_map(|(key, node)| section(key, node, &mut self.diagnostics));
        let mut sections: Vec<Section> = sections.collect();
        let active = profiles.iter().map(|(name, _)| name).chain(&self.options.profiles).cloned().collect();
        let inactive = super::profiles::choose(&mut sections, &active, &mut self.diagnostics);
        Stack {
            version: 1,
            renamed_from: renamed_from.filter(|old| *old != name),
            name,
            name_span,
            vars,
            profiles,
            sections,
            inactive,
            environment_used: std::mem::take(&mut self.used),
        }
    }
}

fn version(entry: Option<(Key, Node)>, top: Span, diagnostics: &mut Diagnostics) {
    match entry {
        None => {
            diagnostics
                .error(top, "Missing key", "a stack file says which version of the format it is written in")
                .help("add the line `version: 1`");
        }
        Some((_, node)) if matches!(node.value, Value::Integer(VERSION)) => {}
        Some((_, node)) => {
            let detail = format!("the version of the format is the number 1; found {}", node.shown());
            diagnostics.error(node.span, "Unknown version", detail).help("write `version: 1`");
        }
    }
}

fn name(entry: Option<(Key, Node)>, top: Span, diagnostics: &mut Diagnostics) -> (String, Span) {
    const STAND_IN: &str = "unnamed";
    let Some((_, node)) = entry else {
        diagnostics
            .error(top, "Missing key", "a stack has a name, which the names of its containers begin with")
            .help("add a line such as `stack: local-ai`");
        return (STAND_IN.to_owned(), top);
    };
    let name = name_in(&node, diagnostics);
    (name.unwrap_or_else(|| STAND_IN.to_owned()), node.span)
}

fn name_in(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let written = node.written().filter(|_| matches!(node.value, Value::Text(_) | Value::Integer(_)));
    let name = written.filter(|name| {
        name.len() <= NAME_MAX
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    });
    if name.is_none() {
        let detail = format!("{} cannot be the name of a stack", node.shown());
        diagnostics.error(node.span, "Not a name", detail).help(format!(
            "small letters, digits, `_` and `-`, a letter or digit first, at most {NAME_MAX}; for example `local-ai`"
        ));
    }
    name.map(str::to_owned)
}

fn profiles(entry: Option<(Key, Node)>, diagnostics: &mut Diagnostics) -> Vec<(String, Span)> {
    let Some((_, node)) = entry.filter(|(_, node)| !node.is_null()) else { return Vec::new() };
    crate::stack::forms::list_of(&node, "a list of profiles, such as `[debug]`", diagnostics, |item, diagnostics| {
        Some((crate::stack::forms::word(item, diagnostics)?, item.span))
    })
    .unwrap_or_default()
}

fn section(key: Key, node: Node, diagnostics: &mut Diagnostics) -> Option<Section> {
    let mut entries = match node.value {
        Value::Null => Vec::new(),
        Value::Mapping(entries) => entries,
        _ => {
            let detail = format!("`{}` is a mapping of names to what they declare; found {}", key.text, node.kind());
            diagnostics.error(node.span, "Wrong type", detail);
            return None;
        }
    };
    if key.text == "services" {
        entries.retain(|(name, node)| !is_container(name, node, diagnostics));
    }
    Some(Section { key: key.text, span: key.span, entries })
}

/// A container of a Compose file among the services; it is reported once, not key by key.
fn is_container(name: &Key, node: &Node, diagnostics: &mut Diagnostics) -> bool {
    let Some(key) = ["image", "build"].into_iter().find(|key| node.get(key).is_some()) else { return false };
    let detail = format!("{} has `{key}:`, but `services:` holds native systemd services", quoted(&name.text));
    diagnostics
        .error(name.span, "Container among the services", detail)
        .help("containers go under `containers:`; in a Compose file, rename `services:`");
    true
}
