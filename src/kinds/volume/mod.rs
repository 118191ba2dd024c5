//! Named volumes of podman. They hold data: never replaced, never removed but by name. A change that podman could only make
//! by removing one is a risk that blocks, with the way out.

mod attributes;
mod spec;

use std::collections::BTreeMap;

use serde_json::json;

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, Risk, Severity, Steps, step};
use crate::desired::{Context, Dependency, Difference, Kind, Neighbours, Object, Ours, Owned, Resource};
use crate::effect::{Effect, Podman, VolumeCreate};
use crate::kinds::named::Named;
use crate::kinds::{container, labels};
use crate::observed::{Observed, Query, Seen, Sort};

pub static KIND: Kind = Kind {
    name: "volume",
    section: Some("volumes"),
    keys: spec::KEYS,
    about: "Volumes of podman",
    attributes: attributes::ATTRIBUTES,
    holds_data: true,
    read: Some(spec::read),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    address: Address,
    was: Option<Address>,
    name: String,
    stack: String,
    external: bool,
    driver: Option<String>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    protect: Option<bool>,
}

impl Resource for Volume {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let Volume { address: _, was: _, name: _, stack: _, external: _, driver, options, labels, protect: _ } = self;
        let mut attributes = Attributes::default();
        attributes.set_given("driver", json!(driver));
        attributes.set_given("options", json!(options));
        attributes.set_given("labels", json!(labels));
        attributes
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn name_on_machine(&self) -> String {
        self.name.clone()
    }

    fn was(&self) -> Option<Address> {
        self.was.clone()
    }

    fn protect(&self) -> Option<bool> {
        self.protect
    }

    fn query(&self, query: &mut Query) {
        query.volumes.insert(self.name.clone());
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        let live = observed.volumes.get(&self.name);
        let attributes = || live.map(live_attributes).unwrap_or_default();
        self.named().seen(observed, live.map(|live| &live.labels), || self.attributes(), attributes)
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        match observed.volumes.get(&self.name) {
            None => self.named().not_found(observed),
            Some(live) if self.named().is_anothers(&live.labels) => {
                let owner = labels::owner("volume", &self.name, &live.labels, None);
                let mut risk = labels::name_conflict("volume", &self.name, &owner);
                risk.remedies = vec![format!(
                    "To use it as it is, with its data, say `external: true` and `name: {}` in the stack file; else choose \
                     another name.",
                    self.name
                )];
                vec![risk]
            }
            Some(_) => self.unchangeable(observed),
        }
    }

    fn steps(&self, difference: &Difference, _observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        if self.external || difference.action != Action::Create {
            return Steps::default();
        }
        let create = VolumeCreate {
            name: self.name.clone(),
            driver: self.driver.clone(),
            label: labels::ours(&self.stack, &self.address, &self.attributes(), &self.labels),
            options: self.options.clone(),
        };
        // Not undone: an empty volume harms nobody, and removing a volume is never this tool's own idea.
        Steps { main: vec![step(Effect::Podman(Podman::CreateVolume(create))).commit()], ..Steps::default() }
    }
}

fn live_attributes(live: &crate::observed::Volume) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("driver", live.driver.clone());
    attributes.set("options", json!(live.options));
    attributes.set("labels", json!(live.labels));
    attributes
}

impl Volume {
    fn named(&self) -> Named<'_> {
        let Self { name, stack, external, .. } = self;
        Named { sort: Sort::Volumes, noun: "volume", name, stack, external: *external }
    }

    /// Podman can change nothing of a volume, and making it anew would lose what it holds.
    fn unchangeable(&self, observed: &Observed) -> Vec<Risk> {
        let Seen::Present(object) = self.seen(observed) else {
            return Vec::new();
        };
        let last = object.last_applied.clone();
        let found =
            crate::plan::diff::compare(attributes::ATTRIBUTES, &self.attributes(), &object.attributes, last.as_ref());
        if found.action == Action::None {
            return Vec::new();
        }
        let paths: Vec<&str> = found.attributes.iter().map(|change| change.path.as_str()).collect();
        vec![Risk {
            code: "VOLUME_UNCHANGEABLE",
            severity: Severity::Critical,
            message: format!(
                "podman cannot change {} of the volume `{}`, and a new one would not hold its data",
                paths.join(", "),
                self.name
            ),
            remedies: vec![
                "Put the old values back into the stack file, or declare a volume of another name and copy the data over."
                    .to_owned(),
            ],
        }]
    }
}

fn owned(observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    let one = |volume: &crate::observed::Volume| {
        let address = labels::asked_for(&volume.labels, ours)?;
        let place = if volume.mountpoint.is_empty() { volume.name.clone() } else { volume.mountpoint.clone() };
        Some(Owned { part_of: container::owner_of_undeclared(&address), address, names: vec![place] })
    };
    observed.volumes.values().filter_map(one).collect()
}

/// With what is in it: reached where the user names it, and in no other way.
fn remove(owned: &Owned, observed: &Observed, context: &Context) -> Steps {
    let is_its = |found: &&crate::observed::Volume| {
        labels::belongs_to(&found.labels, &context.stack)
            && labels::address(&found.labels).as_ref() == Some(&owned.address)
    };
    let remove = |found: &crate::observed::Volume| {
        step(Effect::Podman(Podman::RemoveVolume { name: found.name.clone() })).commit()
    };
    Steps { main: observed.volumes.values().filter(is_its).map(remove).collect(), ..Steps::default() }
}
