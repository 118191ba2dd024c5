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
