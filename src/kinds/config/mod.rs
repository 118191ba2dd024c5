//! Compose's configs: text that is mounted into containers, and no secret. Podman has none, so each is kept as a secret of
//! podman's, a version for each text; it differs in where it appears, and in that its text may be shown.

use crate::attributes::{Attribute, attribute};
use crate::change::{Action, Steps};
use crate::desired::{Context, Kind, Owned};
use crate::kinds::secret;
use crate::observed::Observed;

pub static KIND: Kind = Kind {
    name: "config",
    section: Some("configs"),
    keys: secret::CONFIG_KEYS,
    about: "Text that containers are given as files",
    attributes: ATTRIBUTES,
    holds_data: true,
    read: Some(secret::read_config),
    owned,
    remove,
};

const ATTRIBUTES: &[Attribute] = &[
    attribute("content", Action::Replace).blind(),
    attribute("file", Action::Replace).blind(),
    attribute("environment", Action::Replace).blind(),
    attribute("labels", Action::Replace).keys(),
    attribute(secret::SUPERSEDED, Action::Finish).state(),
];

fn owned(observed: &Observed, stack: &str) -> Vec<Owned> {
    secret::owned_of("config", observed, stack)
}

fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
