//! What the user may set of the build of an image. Podman keeps none of it but in our label; whatever changes, it is built anew.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("dockerfile", Action::Update).blind(),
    attribute("dockerfile_inline", Action::Update).blind(),
    attribute("args", Action::Update).keys().blind(),
    attribute("target", Action::Update).blind(),
    attribute("labels", Action::Update).keys().blind(),
    attribute("network", Action::Update).blind(),
    attribute("extra_hosts", Action::Update).set().blind(),
    attribute("shm_size", Action::Update).blind(),
];
