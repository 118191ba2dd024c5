//! The secrets that a container is given, as files or as variables: which version it was made with, and which it is to have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value, json};

use super::Container;
use super::observe::Lies;
use crate::address::Address;
use crate::change::{Action, AttributeChange, Cause};
use crate::desired::Neighbours;
use crate::diagnostic::{Diagnostics, Span};
use crate::effect::ContainerCreate;
use crate::effect::podman::SecretMount;
use crate::kinds::secret;
use crate::observed::{Observed, Sort};
use crate::stack::forms::{self, Map};
use crate::stack::yaml::Node;

/// Compose's default: everybody in the container may read it.
const MODE: u32 = 0o444;
const KEYS: &[&str] = &["source", "target", "type", "uid", "gid", "mode"];

/// One use of a secret; the key beside it is where it appears, which is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// As the stack file calls it.
    pub(super) secret: String,
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

/// Secret -> its version's name at podman.
pub(super) type Versions = BTreeMap<String, String>;

pub(super) fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Uses> {
    let all = forms::list_of(node, "a list of secrets, such as `[api-key]`", diagnostics, one)?;
    Some(all.into_iter().collect())
}

fn one(node: &Node, diagnostics: &mut Diagnostics) -> Option<(String, Use)> {
    let span = node.span;
    if node.as_mapping().is_none() {
        let secret = forms::word(node, diagnostics)?;
        let place = Place::File { uid: 0, gid: 0, mode: MODE };
        return Some((format!("/run/secrets/{secret}"), Use { secret, place, span }));
    }
    let mut map = Map::new(node, "a secret of a container", KEYS, diagnostics)?;
    let secret = map.require("source", "api-key", forms::word);
    let target = map.read("target", forms::word);
    let kind = map.read("type", |node, diagnostics| forms::one_of(&["mount", "env"], node, diagnostics));
    let mut number =
        |key| map.read(key, |node, diagnostics| forms::integer_in(0..=i64::from(u32::MAX), node, diagnostics));
    let (uid, gid): (Option<i64>, Option<i64>) = (number("uid"), number("gid"));
    let mode = map.read("mode", forms::mode);
    let of_file = uid.is_some() || gid.is_some() || mode.is_some();
    if kind == Some("env") && of_file {
        map.diagnostics.error(span, "Contradiction", "a variable has no `uid`, `gid` and `mode`");
    }
    map.finish();
    let secret = secret?;
    if kind == Some("env") {
        let variable = target.unwrap_or_else(|| secret.replace(['-', '.'], "_").to_uppercase());
        return Some((variable, Use { secret, place: Place::Variable, span }));
    }
    let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    let place = Place::File { uid: id(uid), gid: id(gid), mode: mode.unwrap_or(MODE) };
    let target = target.unwrap_or_else(|| secret.clone());
    let target = if target.starts_with('/') { target } else { format!("/run/secrets/{target}") };
    Some((target, Use { secret, place, span }))
}

/// Without any version: which one it is changes with what is on the machine.
pub(super) fn attribute(uses: &Uses) -> Value {
    let value = |of: &Use| match of.place {
        Place::Variable => json!({ "secret": of.secret, "type": "env" }),
        Place::File { uid, gid, mode } => {
            json!({ "secret": of.secret, "type": "mount", "uid": uid, "gid": gid, "mode": format!("{mode:04o}") })
        }
    };
    uses.iter().map(|(target, of)| (target.clone(), value(of))).collect::<JsonMap<_, _>>().into()
}

pub(super) fn addresses(uses: &Uses) -> BTreeSet<Address> {
    uses.values().map(|of| Address::new("secret", &of.secret)).collect()
}

/// What it is made with now.
pub(super) fn versions(container: &Container, observed: &Observed, neighbours: &Neighbours<'_>) -> Versions {
    let version =
        |of: &Use| Some((of.secret.clone(), neighbours.name_after(&Address::new("secret", &of.secret), observed)?));
    container.secrets.values().filter_map(version).collect()
}

pub(super) fn create(uses: &Uses, versions: &Versions, body: &mut ContainerCreate) {
    for (target, of) in uses {
        let Some(name) = versions.get(&of.secret) else { continue };
        match of.place {
            Place::Variable => drop(body.secret_env.insert(target.clone(), name.clone())),
            Place::File { uid, gid, mode } => {
                body.secrets.push(SecretMount { source: name.clone(), target: target.clone(), uid, gid, mode });
            }
        }
    }
}

/// What it was made with and is not to be made with any more.
pub(super) fn outdated(
    container: &Container,
    observed: &Observed,
    neighbours: &Neighbours<'_>,
) -> Vec<AttributeChange> {
    if observed.blind.contains_key(&Sort::Secrets) {
        return Vec::new();
    }
    let Some(subject) = Lies::of(container, observed).subject(container) else { return Vec::new() };
    let has = secret::versions_of(subject).unwrap_or_default();
    let wanted = versions(container, observed, neighbours);
    let changes = wanted.into_iter().filter_map(|(name, version)| {
        let before = has.get(&name).filter(|before| **before != version)?;
        // A version that is there already was made by a run that did not come as far as this container, or by hand.
        let is_made = observed.secrets.contains_key(&version) || !observed.secrets.contains_key(before);
        Some(AttributeChange {
            path: format!("{}.{name}", secret::VERSIONS),
            before: json!(before),
            after: json!(version),
            cause: if is_made { Cause::Machine } else { Cause::File },
            on_change: Action::Replace,
        })
    });
    changes.collect()
}

/// The versions that nobody may need once this container is made anew: not the newest of a secret that it only lets go of.
pub(super) fn superseded(lies: Lies<'_>, observed: &Observed, neighbours: &Neighbours<'_>) -> BTreeSet<String> {
    let old = [lies.live, lies.parked, lies.next].into_iter().flatten().filter_map(secret::versions_of).flatten();
    let is_old = |(secret, name): &(String, String)| {
        neighbours.name_after(&Address::new("secret", secret), observed).is_some_and(|newest| newest != *name)
    };
    old.filter(is_old).map(|(_, name)| name).collect()
}
