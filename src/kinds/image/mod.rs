//! Images, implied by the containers that use them. A pull is a change of its own, made before anything is stopped; units
//! never pull, and no registry is asked about an image that is here.

mod reference;

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Risk, Severity, Steps, step};
use crate::desired::{Context, Dependency, Difference, Kind, Neighbours, Object, Owned, Resource};
use crate::effect::{Effect, Podman};
use crate::observed::{Observed, Query, Seen};

pub use reference::normalised;

pub static KIND: Kind =
    Kind { name: "image", section: None, attributes: &[], holds_data: false, read: None, owned, remove };

/// When a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    Missing,
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    address: Address,
    pull: Pull,
}

impl Image {
    /// `reference` is a full one: registry, path, and tag or digest.
    pub fn new(reference: &str, pull: Pull) -> Self {
        Self { address: Address::new("image", reference), pull }
    }
}

impl Resource for Image {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn query(&self, query: &mut Query) {
        query.images.insert(self.address.name().to_owned());
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        match observed.images.get(self.address.name()) {
            Some(Seen::Present(_)) => Seen::Present(Object::default()),
            Some(Seen::Absent) => Seen::Absent,
            Some(Seen::Unknown(why)) => Seen::Unknown(why.clone()),
            None => Seen::Unknown("it was not looked at".to_owned()),
        }
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let reference = self.address.name();
        let absent = observed.images.get(reference).is_some_and(Seen::is_absent);
        if self.pull == Pull::Missing || !absent {
            return Vec::new();
        }
        vec![Risk {
            code: "IMAGE_MISSING",
            severity: Severity::Critical,
            message: format!("the image {reference} is not here, and `pull: never` forbids to fetch it"),
            remedies: vec![
                "Fetch, load or build it, or say `pull: missing`:".to_owned(),
                format!("  podman pull {reference}"),
            ],
        }]
    }

    fn steps(&self, _difference: &Difference, _observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        // Nothing to undo: an image that nobody uses takes nothing but space, and the next try finds it.
        let pull = Effect::Podman(Podman::PullImage { reference: self.address.name().to_owned() });
        Steps { main: vec![step(pull)], ..Steps::default() }
    }
}

/// Images carry no mark of ours: they are shared with everything else on the machine.
fn owned(_observed: &Observed, _stack: &str) -> Vec<Owned> {
    Vec::new()
}

fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
