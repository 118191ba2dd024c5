//! Profiles, as in Compose: what lists some is declared only where one of them is active. What is not is taken out of the
//! sections before any kind reads them, and remembered, since it may be on the machine all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Section;
use crate::diagnostic::{Diagnostics, quoted};
use crate::stack::forms;
use crate::stack::yaml::Node;

/// Of these the user starts some and not others.
pub(in crate::stack) const SECTIONS: [&str; 2] = ["containers", "services"];
/// Compose's word for all of them.
const ALL: &str = "*";

/// The profiles that would bring it in, by section and name.
pub type Inactive = BTreeMap<(String, String), Vec<String>>;

/// Takes `profiles` out of every entry, and the entry with it where none of them is active.
pub(super) fn choose(sections: &mut [Section], active: &BTreeSet<String>, diagnostics: &mut Diagnostics) -> Inactive {
    let mut inactive = Inactive::new();
    for section in sections.iter_mut().filter(|section| SECTIONS.contains(&section.key.as_str())) {
        section.entries.retain_mut(|(name, node)| {
            let Some((_, listed)) = node.remove("profiles").filter(|(_, listed)| !listed.is_null()) else {
                return true;
            };
            let profiles = names(&listed, diagnostics);
            let is_active = |profile: &String| active.contains(profile) || active.contains(ALL);
            let is_in = profiles.is_empty() || profiles.iter().any(is_active);
            if !is_in {
                inactive.insert((section.key.clone(), name.text.clone()), profiles);
            }
            is_in
        });
    }
    inactive
}

fn names(node: &Node, diagnostics: &mut Diagnostics) -> Vec<String> {
    let read = |item: &Node, diagnostics: &mut Diagnostics| {
        let name = forms::word(item, diagnostics)?;
        let rest = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(rest) {
            return Some(name);
        }
        let detail = format!("{} cannot be the name of a profile", quoted(&name));
        diagnostics.error(item.span, "Not a name", detail).help("letters, digits, `_`, `.` and `-`");
        None
    };
    forms::list_of(node, "a list of profiles, such as `[debug]`", diagnostics, read).unwrap_or_default()
}
