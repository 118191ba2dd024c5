//! What of the stack a plan is about, and what it does beyond what differs.

use std::collections::BTreeSet;

use super::together::Homes;
use crate::address::Address;
use crate::desired::Resources;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// These and what they depend on; everything where none is named.
    pub targets: BTreeSet<Address>,
    /// Not these, and nothing that depends on them.
    pub excludes: BTreeSet<Address>,
    /// Replaced whether anything differs or not.
    pub replace: BTreeSet<Address>,
    /// What left the file goes, but for data.
    pub prune: bool,
    /// Registries are asked what they have by now of the images that are here.
    pub check_updates: bool,
    /// Every container is inspected, however many there are.
    pub deep: bool,
    /// What every container wrote outside its mounts is looked at, and not only of those that go.
    pub layers: bool,
    /// Data that goes with the stack, each named by the user; of a destroy.
    pub data: BTreeSet<Address>,
    /// Guards that the user lets pass: code and address.
    pub accept: BTreeSet<(String, Address)>,
}

impl Options {
    /// Is part of the stack left out?
    pub fn is_partial(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty()
    }

    /// The same, for the look after it was carried out: what was replaced is not to be replaced again, nor asked for.
    pub fn once_done(&self) -> Self {
        Self { replace: BTreeSet::new(), check_updates: false, ..self.clone() }
    }

    /// Those of `order`, dependencies first, that the plan is about.
    pub(super) fn scope(&self, resources: &Resources, order: &[Address], homes: &Homes) -> Vec<Address> {
        let needs = |address: &Address| resources[address].dependencies().into_iter().map(|dependency| dependency.on);
        let mut wanted = self.targets.clone();
        if !wanted.is_empty() {
            for address in order.iter().rev() {
                if wanted.contains(address) {
                    wanted.extend(needs(address));
                }
            }
            // Who lives with one of them cannot stay where that is made anew.
            wanted = homes.with_tenants(wanted);
        }
        let mut barred = self.excludes.clone();
        if !barred.is_empty() {
            for address in order {
                if needs(address).any(|on| barred.contains(&on)) {
                    barred.insert(address.clone());
                }
            }
        }
        let is_in =
            |address: &&Address| (self.targets.is_empty() || wanted.contains(*address)) && !barred.contains(*address);
        order.iter().filter(is_in).cloned().collect()
    }
}
