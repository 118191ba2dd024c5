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

    /// As they are in this view of the machine.
    pub(super) fn neighbours<'b>(&self, observed: &'b Observed) -> Neighbours<'b>
    where
        'a: 'b,
    {
        Neighbours::new(&self.desired.resources, self.context, &self.options.replace, observed)
    }
}
