//! What the user may set of a directory.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[attribute("mode", Action::Update)];
