//! What the user may set of a secret. Its value is told as a keyed hash. Podman keeps what it was made from in its label, and a
//! change of any of it makes the next version.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("generate", Action::Replace).blind(),
    attribute("file", Action::Replace).blind(),
    attribute("environment", Action::Replace).blind(),
    attribute("labels", Action::Replace).keys(),
    attribute(super::SUPERSEDED, Action::Finish).state(),
];

/// Of a config, which podman keeps as a secret too.
pub(in crate::kinds) const OF_A_CONFIG: &[Attribute] = &[
    attribute("content", Action::Replace).blind(),
    attribute("file", Action::Replace).blind(),
    attribute("environment", Action::Replace).blind(),
    attribute("labels", Action::Replace).keys(),
    attribute(super::SUPERSEDED, Action::Finish).state(),
];
