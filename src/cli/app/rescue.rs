//! What `rescue` needs of the kinds: which containers an address stands for, what is copied out of them, and what is remembered of that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{App, Surroundings, now_us};
use crate::address::Address;
use crate::cli::failure::{Exit, Failure};
use crate::cli::records::Memory;
use crate::diagnostic::nearest;
use crate::effect::podman::CopyOut;
use crate::kinds::container;
use crate::kinds::labels;
use crate::machine::Observe;
use crate::observed::copied::{CopiedFile, Manifest};
use crate::observed::{Facts, Observed};
use crate::plan;
use crate::time;

/// Where a copy made now goes: `~/.local/share/stackctl/STACK/rescued/ADDRESS/TIME`.
pub fn rescued(stack: &str, address: &Address, surroundings: &Surroundings) -> PathBuf {
    let place = surroundings.data.join("stackctl").join(stack).join("rescued").join(address.as_str());
    place.join(time::rfc3339(now_us()).replace([':', '-'], ""))
}

impl<M: Observe, R: Memory> App<M, R> {
    /// The containers of one address, declared or left over, and what they wrote outside their mounts.
    ///
    /// # Errors
    /// There is no such container, or what is remembered cannot be read.
    pub async fn look_into(&self, name: &str) -> Result<(Address, Observed), Failure> {
        let options = plan::Options { deep: true, ..plan::Options::default() };
        let (mut query, observed) = self.look_in_rounds(&options).await?;
        let ours: BTreeMap<Address, Vec<String>> = observed
            .containers
            .values()
            .filter(|found| labels::belongs_to(&found.labels, &query.stack))
            .filter_map(|found| Some((labels::address(&found.labels)?, found.name.clone())))
            .fold(BTreeMap::new(), |mut all, (address, name)| {
                all.entry(address).or_insert_with(Vec::new).push(name);
                all
            });
        let is_meant = |address: &&Address| address.as_str() == name || address.name() == name;
        let Some(address) = ours.keys().find(is_meant).cloned() else {
            let unknown =
                Failure::new(Exit::Usage, format!("{} has no container of {name} on this machine", self.source));
            return Err(match nearest(name, ours.keys().flat_map(|address| [address.as_str(), address.name()])) {
                Some(near) => unknown.hint(format!("did you mean {near}?")),
                None => unknown.hint("`stackctl status` shows what there is"),
            });
        };
        // Of a rescue nothing is passed over: `ephemeral:` says what may go, not what may not be copied.
        for name in &ours[&address] {
            query.layers.insert(name.clone(), container::wanted_of_layer(&[]));
        }
        let observed = self.observe(&query).await?;
        Ok((address, observed))
    }

    pub fn copy_outs(
        &self,
        address: &Address,
        paths: &BTreeSet<String>,
        observed: &Observed,
        to: &Path,
    ) -> Vec<CopyOut> {
        container::copy_outs(address, &self.desired.stack, paths, observed, to)
    }

    /// What is mounted where these files lie, so that the next ones are kept.
    pub fn volumes_for(&self, address: &Address, files: &[CopiedFile]) -> Vec<String> {
        let resource = self.desired.resources.get(address).map(AsRef::as_ref);
        container::volumes(resource, files, &self.context.home)
    }

    /// With what was copied before.
    ///
    /// # Errors
    /// What is remembered cannot be read.
    pub async fn rescued_facts(
        &self,
        address: &Address,
        copies: &[(&CopyOut, Manifest)],
    ) -> Result<BTreeMap<String, Value>, Failure> {
        let facts = self.records.facts().await?;
        let before = facts.get(container::RESCUED, address).cloned();
        let mut rescued: container::Rescued =
            before.and_then(|fact| serde_json::from_value(fact).ok()).unwrap_or_default();
        rescued.extend(copies.iter().flat_map(|(copy, manifest)| container::remembered(copy, &manifest.files)));
        let value = serde_json::to_value(rescued).unwrap_or_default();
        Ok(BTreeMap::from([(Facts::key(container::RESCUED, address), value)]))
    }
}
