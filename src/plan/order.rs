//! The order of changes: edges forward for what is made, reversed for what goes, and the restarts that follow from
//! another's replace.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::change::{Action, Change};
use crate::desired::Resource;

/// Fills `Change::after`: the nearest changed ancestors, through resources that need nothing.
pub(super) fn link(changes: &mut [Change], resources: &BTreeMap<Address, Box<dyn Resource>>, order: &[Address]) {
    let changed: BTreeSet<Address> = changes.iter().map(|change| change.address.clone()).collect();
    let mut nearest: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for address in order {
        let mut above = BTreeSet::new();
        for dependency in resources[address].dependencies() {
            if changed.contains(&dependency.on) {
                above.insert(dependency.on);
            } else if let Some(further) = nearest.get(&dependency.on) {
                above.extend(further.iter().cloned());
            }
        }
        nearest.insert(address.clone(), above);
    }
    for change in changes {
        change.after = nearest.remove(&change.address).unwrap_or_default().into_iter().collect();
    }
}

/// Who must restart because what it depends on is replaced or restarted (Compose's `restart: true`), and why.
pub(super) fn restarts(
    actions: &BTreeMap<Address, Action>,
    resources: &BTreeMap<Address, Box<dyn Resource>>,
    order: &[Address],
) -> BTreeMap<Address, Address> {
    let mut due: BTreeMap<Address, Address> = BTreeMap::new();
    for address in order {
        if actions.get(address).is_some_and(|action| *action >= Action::Restart) {
            continue;
        }
        let because =
            resources[address].dependencies().into_iter().filter(|dependency| dependency.restart).find(|dependency| {
                due.contains_key(&dependency.on)
                    || matches!(actions.get(&dependency.on), Some(Action::Restart | Action::Replace))
            });
        if let Some(dependency) = because {
            due.insert(address.clone(), dependency.on);
        }
    }
    due
}
