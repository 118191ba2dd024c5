//! A plan that is carried out later, exactly as it was shown, or not at all. What is kept of it is what it was made from and
//! what it would do, as names and keyed hashes: it is made anew from the same files, and refused where anything came out
//! differently. No value stands in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::together::Homes;
use super::{Inputs, Options, Plan};
use crate::address::Address;
use crate::change::Change;

const FORMAT_VERSION: &str = "1";

/// As it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    pub format_version: String,
    /// The version of stackctl that made it.
    pub stackctl: String,
    pub stack: String,
    /// Absolute.
    pub files: Vec<PathBuf>,
    pub env_files: Vec<PathBuf>,
    /// Of `--profile` and of the environment.
    pub profiles: Vec<String>,
    /// Names of the variables that were given with `--var`; their values are not kept.
    pub vars: BTreeSet<String>,
    pub targets: BTreeSet<Address>,
    pub excludes: BTreeSet<Address>,
    pub replace: BTreeSet<Address>,
    pub prune: bool,
    pub check_updates: bool,
    pub deep: bool,
    pub accept: BTreeSet<(String, Address)>,
    /// Keyed hashes of what is wanted and of what was seen of it, by address.
    pub objects: BTreeMap<String, String>,
    /// What is done, by address and in the plan's order, without any content.
    pub steps: Vec<(String, Vec<String>)>,
    /// A keyed hash of the steps with their content.
    pub content: String,
}

/// What was typed for it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub files: Vec<PathBuf>,
    pub env_files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    pub vars: BTreeSet<String>,
}

impl Saved {
    pub fn new(plan: &Plan, inputs: &Inputs<'_>, asked: Asked) -> Self {
        let secrets = &inputs.context.secrets;
        let resources = &inputs.desired.resources;
        let Options { targets, excludes, replace, prune, check_updates, deep, layers: _, data: _, accept } =
            inputs.options.clone();
        let object = |address: &Address| {
            let resource = &resources[address];
            let ids =
                inputs.observed.containers.get(&resource.name_on_machine()).map(|found| (&found.id, &found.state));
            let told = format!("{:?} {:?} {ids:?}", resource.attributes(), resource.seen(inputs.observed));
            (address.to_string(), secrets.hash(&told))
        };
        let order = inputs.options.scope(resources, &inputs.graph.order(), &Homes::of(inputs, inputs.observed));
        let steps = |change: &Change| {
            (change.address.to_string(), change.steps.all().map(|step| step.effect.to_string()).collect())
        };
        let content: Vec<_> =
            plan.changes.iter().map(|change| (&change.address, &change.steps, &change.after)).collect();
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            stackctl: env!("CARGO_PKG_VERSION").to_owned(),
            stack: plan.stack.clone(),
            files: asked.files,
            env_files: asked.env_files,
            profiles: asked.profiles,
            vars: asked.vars,
            targets,
            excludes,
            replace,
            prune,
            check_updates,
            deep,
            accept,
            objects: order.iter().map(object).collect(),
            steps: plan.changes.iter().map(steps).collect(),
            content: secrets.hash(&format!("{content:?}")),
        }
    }

    pub fn options(&self) -> Options {
        Options {
            targets: self.targets.clone(),
            excludes: self.excludes.clone(),
            replace: self.replace.clone(),
            prune: self.prune,
            check_updates: self.check_updates,
            deep: self.deep,
            accept: self.accept.clone(),
            layers: false,
            data: BTreeSet::new(),
        }
    }

    /// Can this version of stackctl read it?
    pub fn is_readable(&self) -> bool {
        self.format_version == FORMAT_VERSION
    }

    /// Why it is not what would be planned now; empty where it is.
    pub fn stale(&self, now: &Saved) -> Vec<String> {
        if self.stackctl != now.stackctl {
            return vec![format!("it was made by stackctl {}, and this is {}", self.stackctl, now.stackctl)];
        }
        if self.stack != now.stack {
            return vec![format!("it is for the stack {}, and the file is for {}", self.stack, now.stack)];
        }
        let addresses: BTreeSet<&String> = self.objects.keys().chain(now.objects.keys()).collect();
        let changed: Vec<String> = addresses
            .into_iter()
            .filter(|address| self.objects.get(*address) != now.objects.get(*address))
            .map(|address| format!("{address} has changed since, in the file or on the machine"))
            .collect();
        if changed.is_empty() && (&self.steps, &self.content) != (&now.steps, &now.content) {
            return vec!["what it rests on has changed since: the plan comes out differently now".to_owned()];
        }
        changed
    }
}
