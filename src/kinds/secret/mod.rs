//! Secrets of podman. Podman changes none: each value is a version of its own, `<name>.<n>`, and the containers that use the
//! one before are replaced, each of which takes the old one away at its commit. A value is never shown, logged or kept but by
//! podman; what it was made from is a keyed hash in the version's label.

mod attributes;
mod spec;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::address::Address;
use crate::attributes::{Attribute, Attributes, Hidden};
use crate::change::{Action, Risk, Severity, Steps, step};
use crate::desired::{Context, Dependency, Difference, Kind, Neighbours, Object, Ours, Owned, Resource};
use crate::diagnostic::Span;
use crate::effect::{Effect, Podman, SecretCreate, SecretSource};
use crate::kinds::named::Named;
use crate::kinds::{contract, labels};
use crate::observed::{self, Observed, Query, Seen, Sort};

/// In last-applied: the key that values were hashed with. With another key they are hashed anew.
const KEY: &str = "hash_key";
/// The row of the versions that nobody needs any more.
const SUPERSEDED: &str = "superseded";
/// In last-applied of a container: address of a secret -> the version that it was made with.
pub(super) const VERSIONS: &str = "secret_versions";

pub(super) use attributes::OF_A_CONFIG;
pub(super) use spec::{CONFIG_KEYS, read_config};

pub static KIND: Kind = Kind {
    name: "secret",
    section: Some("secrets"),
    keys: spec::SECRET_KEYS,
    about: "Values that nobody is to see, given to containers as files or variables",
    attributes: attributes::ATTRIBUTES,
    holds_data: true,
    read: Some(spec::read),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Secret {
    address: Address,
    span: Span,
    context: Context,
    /// On the machine, without the version.
    name: String,
    source: Source,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Generated {
        length: usize,
    },
    File(Hidden),
    Environment(Hidden),
    /// Of a config: it stands in the stack file.
    Content(Hidden),
    /// Somebody else's, under this very name.
    External,
}

impl Secret {
    fn named(&self) -> Named<'_> {
        Named {
            sort: Sort::Secrets,
            noun: "secret",
            name: &self.name,
            stack: &self.context.stack,
            external: self.source == Source::External,
        }
    }

    fn version(&self, number: u32) -> String {
        format!("{}.{number}", self.name)
    }

    /// Every version and what else is called as one, whoever made it.
    fn named_like<'o>(&self, observed: &'o Observed) -> impl Iterator<Item = &'o observed::Secret> {
        let prefix = format!("{}.", self.name);
        let from = observed.secrets.range(prefix.clone()..);
        from.take_while(move |(name, _)| name.starts_with(&prefix)).map(|(_, found)| found)
    }

    /// Ours on the machine, by number.
    fn versions<'o>(&self, observed: &'o Observed) -> BTreeMap<u32, &'o observed::Secret> {
        let ours = self.named_like(observed).filter(|found| {
            labels::belongs_to(&found.labels, &self.context.stack)
                && labels::address(&found.labels).as_ref() == Some(&self.address)
        });
        ours.filter_map(|found| Some((self.number(&found.name)?, found))).collect()
    }

    fn number(&self, name: &str) -> Option<u32> {
        name.strip_prefix(&self.name)?.strip_prefix('.')?.parse().ok()
    }

    /// The versions that containers of this stack were made with.
    fn used(&self, observed: &Observed) -> Vec<u32> {
        let used = |found: &observed::Container| versions_of(found)?.get(&self.address.to_string()).cloned();
        observed.containers.values().filter_map(used).filter_map(|name| self.number(&name)).collect()
    }

    /// Of the version after every one that there is or ever was in use.
    fn next(&self, observed: &Observed) -> u32 {
        let known = self.versions(observed).into_keys().chain(self.used(observed));
        known.max().map_or(1, |last| last.saturating_add(1))
    }

    /// Of the version that is made where there is none: the one that was removed by hand, if it is known to have held the same.
    fn first(&self, observed: &Observed) -> u32 {
        let applied = observed.facts.get("applied", &self.address);
        let same = !matches!(self.source, Source::Generated { .. }) && applied == Some(&json!(self.made_from()));
        match self.used(observed).into_iter().max() {
            Some(last) if same => last,
            Some(_) | None => self.next(observed),
        }
    }

    /// A generated value that was there and is not any more: nothing knows it but what was made with it.
    fn lost(&self, observed: &Observed) -> Option<Risk> {
        let is_known = || observed.facts.get("applied", &self.address).is_some() || !self.used(observed).is_empty();
        let is_gone = matches!(self.source, Source::Generated { .. })
            && !observed.blind.contains_key(&Sort::Secrets)
            && self.versions(observed).is_empty();
        (is_gone && is_known()).then(|| Risk {
            code: "SECRET_LOST",
            severity: Severity::Critical,
            message: format!(
                "{}: its value was generated by an earlier run, and podman does not have it any more; a new one would be another",
                self.address
            ),
            remedies: vec![
                "A container that was made with it has it still, in /run/secrets or among its variables: copy it from there into a file                  of mode 0600, and name that with `file:` in place of `generate:`."
                    .to_owned(),
                "Else another is generated, and whatever else knows the old one must be told.".to_owned(),
            ],
        })
    }

    fn sealed(&self, value: &str) -> Value {
        self.context.secrets.seal(value)
    }

    fn last_applied(&self, found: &observed::Secret) -> Option<Attributes> {
        let mut last = labels::last_applied(&found.labels)?;
        let key = last.0.remove(KEY);
        if let (true, Some(Hidden(value))) = (key != Some(json!(self.context.secrets.key_id())), &found.value) {
            for path in ["file", "environment", "content"] {
                last.0.entry(path.to_owned()).and_modify(|hash| *hash = self.sealed(value));
            }
        }
        Some(last)
    }

    fn table(&self) -> &'static [Attribute] {
        if self.address.kind() == KIND.name { attributes::ATTRIBUTES } else { OF_A_CONFIG }
    }

    /// Without what is a state of the machine.
    fn made_from(&self) -> Attributes {
        let mut attributes = self.attributes();
        attributes.0.remove(SUPERSEDED);
        attributes
    }

    fn create(&self, number: u32) -> Effect {
        let source = match &self.source {
            Source::Generated { length } => SecretSource::Generated { length: *length },
            Source::File(value) | Source::Environment(value) | Source::Content(value) => {
                SecretSource::Given(value.clone())
            }
            Source::External => SecretSource::Given(Hidden(String::new())),
        };
        let mut spec = self.made_from();
        spec.set(KEY, self.context.secrets.key_id());
        let labels = labels::ours(&self.context.stack, &self.address, &spec, &self.labels);
        Effect::Podman(Podman::CreateSecret(SecretCreate { name: self.version(number), labels, source }))
    }
}

/// Address of a secret -> the version that a container was made with, as its label tells.
pub(super) fn versions_of(found: &observed::Container) -> Option<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Found {
        secret_versions: BTreeMap<String, String>,
    }
    // Most have none.
    found.labels.get(labels::SPEC).filter(|spec| spec.contains(VERSIONS))?;
    let beside = labels::found::<Found>(&found.labels).map(|found| found.secret_versions);
    beside.or_else(|| serde_json::from_value(labels::applied(found)?.get(VERSIONS)?.clone()).ok())
}

/// Takes a version away that nobody needs any more.
pub(super) fn remove_version(name: String) -> Effect {
    Effect::Podman(Podman::RemoveSecret { name, named_in: labels::SPEC })
}

impl Resource for Secret {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let Secret { address: _, span: _, context: _, name: _, source, labels } = self;
        let mut attributes = Attributes::default();
        match source {
            Source::Generated { length } => attributes.set("generate", json!({ "length": length })),
            Source::File(Hidden(value)) => attributes.set("file", self.sealed(value)),
            Source::Environment(Hidden(value)) => attributes.set("environment", self.sealed(value)),
            Source::Content(Hidden(value)) => attributes.set("content", self.sealed(value)),
            Source::External => return attributes,
        }
        attributes.set_given("labels", json!(labels));
        attributes.set(SUPERSEDED, json!([]));
        attributes
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn name_on_machine(&self) -> String {
        self.name.clone()
    }

    fn name_after(&self, observed: &Observed, made_anew: bool) -> String {
        let newest = self.versions(observed).into_keys().max();
        let differs = || {
            let Seen::Present(object) = self.seen(observed) else { return false };
            let last = object.last_applied.clone();
            let found = crate::plan::diff::compare(self.table(), &self.attributes(), &object.attributes, last.as_ref());
            found.action == Action::Replace
        };
        match newest {
            _ if self.source == Source::External => self.name.clone(),
            None => self.version(self.first(observed)),
            Some(_) if made_anew || differs() => self.version(self.next(observed)),
            Some(newest) => self.version(newest),
        }
    }

    fn query(&self, query: &mut Query) {
        query.secrets.insert(self.name.clone());
    }

    /// A value that was hashed with a key that is lost is read out once more.
    fn query_more(&self, observed: &Observed, query: &mut Query) {
        let Some((_, newest)) = self.versions(observed).into_iter().next_back() else { return };
        let key = labels::last_applied(&newest.labels).and_then(|last| last.get(KEY).cloned());
        if !matches!(self.source, Source::Generated { .. }) && key != Some(json!(self.context.secrets.key_id())) {
            query.secret_values.insert(newest.name.clone());
        }
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        let versions = self.versions(observed);
        let newest = match &self.source {
            Source::External => observed.secrets.get(&self.name),
            Source::Generated { .. } | Source::File(_) | Source::Environment(_) | Source::Content(_) => {
                versions.last_key_value().map(|(_, newest)| *newest)
            }
        };
        let live = || {
            let used = if versions.len() > 1 { self.used(observed) } else { Vec::new() };
            let superseded = versions.iter().rev().skip(1).filter(|(number, _)| !used.contains(number));
            let mut attributes = Attributes::default();
            attributes.set("labels", json!(newest.map(|newest| &newest.labels)));
            attributes.set(SUPERSEDED, superseded.map(|(_, found)| json!(found.name)).collect::<Vec<_>>());
            attributes
        };
        match self.named().seen(observed, newest.map(|newest| &newest.labels), || self.attributes(), live) {
            Seen::Present(object) => {
                let last_applied = newest.and_then(|newest| self.last_applied(newest));
                Seen::Present(Object { last_applied, ..object })
            }
            seen => seen,
        }
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let lost = contract::weighed(&self.address, self.lost(observed), observed);
        if !lost.is_empty() {
            return lost;
        }
        if self.source == Source::External {
            return match observed.secrets.get(&self.name) {
                Some(_) => Vec::new(),
                None => self.named().not_found(observed),
            };
        }
        // Where nobody else has a name like it, none of them can be in the way.
        if self.named_like(observed).all(|found| !self.named().is_anothers(&found.labels)) {
            return Vec::new();
        }
        let next = self.name_after(observed, false);
        match observed.secrets.get(&next).filter(|found| self.named().is_anothers(&found.labels)) {
            Some(found) => {
                let owner = labels::owner("secret", &next, &found.labels, None);
                vec![labels::name_conflict("secret", &next, &owner)]
            }
            None => Vec::new(),
        }
    }

    fn steps(&self, difference: &Difference, observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        if self.source == Source::External {
            return Steps::default();
        }
        // Not undone: a value that nobody uses yet harms nobody, and a generated one may be all there is of it.
        let create = |number| vec![step(self.create(number)).commit()];
        let old = self.versions(observed);
        let mut main = match difference.action {
            Action::Create => create(self.first(observed)),
            Action::Replace => create(self.next(observed)),
            _ => Vec::new(),
        };
        let kept = usize::from(main.is_empty());
        let gone = old.values().rev().skip(kept).map(|found| step(remove_version(found.name.clone())));
        main.extend(gone);
        Steps { main, ..Steps::default() }
    }

    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}

fn owned(observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    owned_of("secret", observed, ours)
}

pub(super) fn owned_of(kind: &str, observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    let mut names: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    for found in observed.secrets.values() {
        if let Some(address) = labels::asked_for(&found.labels, ours).filter(|address| address.kind() == kind) {
            names.entry(address).or_default().push(found.name.clone());
        }
    }
    names.into_iter().map(|(address, names)| Owned { address, names, part_of: None }).collect()
}

fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
