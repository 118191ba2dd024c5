//! The secrets that a container is given, as files or as variables: which version it was made with, and which it is to have.

use crate::stack::forms::{Described, Form, key};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value, json};

use super::Container;
use crate::address::Address;
use crate::desired::Neighbours;
use crate::diagnostic::{Diagnostics, Span};
use crate::effect::ContainerCreate;
use crate::effect::podman::SecretMount;
use crate::stack::forms::{self, Map};
use crate::stack::yaml::Node;

/// Compose's default: everybody in the container may read it.
const MODE: u32 = 0o444;
pub(super) const KEYS: &[Described] = &[
    key("source", Form::Text, "The name under `secrets` or `configs` of the stack"),
    key("target", Form::Text, "The path in the container, or the variable"),
    key("type", Form::OneOf(&["mount", "env"]), "A file, or a variable; a file by itself"),
    key("uid", Form::Integer, "Owner of the file"),
    key("gid", Form::Integer, "Group of the file"),
    key("mode", Form::Mode, "Mode of the file, in octal; \"0444\" by itself"),
];

/// One use of a secret; the key beside it is where it appears, which is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) secret: Address,
    place: Place,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Variable,
    File { uid: u32, gid: u32, mode: u32 },
}

/// By path in the container, or by the variable's name.
pub(super) type Uses = BTreeMap<String, Use>;

/// Address of a secret -> its version's name at podman.
pub(super) type Versions = BTreeMap<String, String>;

/// `secrets` and `configs` of a container: alike but for where they appear by themselves.
pub(super) fn read(map: &mut Map<'_, '_>) -> Uses {
    let mut uses = Uses::new();
    for (key, kind, root) in [("secrets", "secret", "/run/secrets/"), ("configs", "config", "/")] {
        let what = if kind == "secret" { "a list of secrets, such as `[api-key]`" } else { "a list of configs" };
        let one = |node: &Node, diagnostics: &mut Diagnostics| one(kind, root, node, diagnostics);
        let given = map.read(key, |node, diagnostics| forms::list_of(node, what, diagnostics, one));
        for (target, each) in given.into_iter().flatten() {
            if uses.insert(target.clone(), each).is_some() {
                let span = map.span_of(key);
                map.diagnostics.error(span, "Named twice", format!("`{}` is the place of two", target.escape_debug()));
            }
        }
    }
    uses
}

fn one(kind: &str, root: &str, node: &Node, diagnostics: &mut Diagnostics) -> Option<(String, Use)> {
    let span = node.span;
    if node.as_mapping().is_none() {
        let name = forms::word(node, diagnostics)?;
        let place = Place::File { uid: 0, gid: 0, mode: MODE };
        return Some((format!("{root}{name}"), Use { secret: Address::new(kind, &name), place, span }));
    }
    let mut map = Map::new(node, "a secret of a container", KEYS, diagnostics)?;
    let name = map.require("source", "api-key", forms::word);
    let target = map.read("target", forms::word);
    let form = map.read("type", |node, diagnostics| forms::one_of(&["mount", "env"], node, diagnostics));
    let mut number =
        |key| map.read(key, |node, diagnostics| forms::integer_in(0..=i64::from(u32::MAX), node, diagnostics));
    let (uid, gid): (Option<i64>, Option<i64>) = (number("uid"), number("gid"));
    let mode = map.read("mode", forms::mode);
    let of_file = uid.is_some() || gid.is_some() || mode.is_some();
    if form == Some("env") && of_file {
        map.diagnostics.error(span, "Contradiction", "a variable has no `uid`, `gid` and `mode`");
    }
    map.finish();
    let name = name?;
    let secret = Address::new(kind, &name);
    if form == Some("env") {
        let variable = target.unwrap_or_else(|| name.replace(['-', '.'], "_").to_uppercase());
        return Some((variable, Use { secret, place: Place::Variable, span }));
    }
    let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    let place = Place::File { uid: id(uid), gid: id(gid), mode: mode.unwrap_or(MODE) };
    let target = target.unwrap_or(name);
    let target = if target.starts_with('/') { target } else { format!("{root}{target}") };
    Some((target, Use { secret, place, span }))
}

/// Without any version: which one it is changes with what is on the machine.
pub(super) fn attribute(kind: &str, uses: &Uses) -> Value {
    let value = |of: &Use| match of.place {
        Place::Variable => json!({ kind: of.secret.name(), "type": "env" }),
        Place::File { uid, gid, mode } => {
            json!({ kind: of.secret.name(), "type": "mount", "uid": uid, "gid": gid, "mode": format!("{mode:04o}") })
        }
    };
    let uses = uses.iter().filter(|(_, of)| of.secret.kind() == kind);
    uses.map(|(target, of)| (target.clone(), value(of))).collect::<JsonMap<_, _>>().into()
}

pub(super) fn addresses(uses: &Uses) -> BTreeSet<Address> {
    uses.values().map(|of| of.secret.clone()).collect()
}

/// What it is made with now.
pub(super) fn versions(container: &Container, neighbours: &Neighbours<'_>) -> Versions {
    let version = |of: &Use| Some((of.secret.to_string(), neighbours.name_after(&of.secret)?));
    container.secrets.values().filter_map(version).collect()
}

pub(super) fn create(uses: &Uses, versions: &Versions, body: &mut ContainerCreate) {
    for (target, of) in uses {
        let Some(name) = versions.get(&of.secret.to_string()) else { continue };
        match of.place {
            Place::Variable => drop(body.secret_env.insert(target.clone(), name.clone())),
            Place::File { uid, gid, mode } => {
                body.secrets.push(SecretMount { source: name.clone(), target: target.clone(), uid, gid, mode });
            }
        }
    }
}
