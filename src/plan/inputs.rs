//! What a plan is made from: handed in whole, so that planning asks nobody.

use super::Options;
use crate::address::Address;
use crate::desired::{Context, Desired, Kind, Neighbours};
use crate::graph::Graph;
use crate::observed::Observed;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub desired: &'a Desired,
    pub graph: &'a Graph,
    pub observed: &'a Observed,
    pub context: &'a Context,
    pub kinds: &'a [&'static Kind],
    pub options: &'a Options,
}

impl<'a> Inputs<'a> {
    pub(super) fn kind(&self, address: &Address) -> &'static Kind {
        self.kinds.iter().find(|kind| kind.name == address.kind()).expect("a resource is of a kind in the list")
    }

    pub(super) fn neighbours(&self) -> Neighbours<'a> {
        let systemd = !self.observed.manager.is_absent();
        let replace = &self.options.replace;
        Neighbours { resources: &self.desired.resources, context: self.context, replace, systemd }
    }
}
