//! What the user may set of a network, and what a change costs: podman changes none of it in place.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("driver", Action::Replace),
    attribute("options", Action::Replace).keys(),
    attribute("internal", Action::Replace),
    attribute("ipv6", Action::Replace),
    attribute("subnets", Action::Replace).set(),
    attribute("gateways", Action::Replace).keys(), // by their subnet
    attribute("labels", Action::Replace).keys(),
];
