//! What the user may set of a directory.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("mode", Action::Update),
    // The file by which units tell it from the empty place where its disk is not mounted.
    attribute(super::IDENTITY, Action::Update).state(),
];
