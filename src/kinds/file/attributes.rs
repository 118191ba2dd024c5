//! What the user may set of a file.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[attribute("content", Action::Update), attribute("mode", Action::Update)];
