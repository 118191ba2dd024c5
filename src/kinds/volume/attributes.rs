//! What the user may set of a volume. Podman changes none of it, and a volume is never replaced: a change is refused.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("driver", Action::Replace),
    attribute("options", Action::Replace).keys(),
    attribute("labels", Action::Replace).keys(),
];
