//! Networks of podman. None of their attributes can be changed in place, and removing one in use is refused: so a change is
//! one compound change that takes its containers off, makes the network anew, and puts them back as they were.

mod attributes;
mod spec;
mod steps;

use std::collections::BTreeMap;

use serde_json::{Map, json};

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Risk, Steps};
use crate::desired::{Dependency, Difference, Kind, Neighbours, Object, Resource};
use crate::hand_over::{self, HandOver};
use crate::kinds::labels::{self, Owner};
use crate::kinds::named::Named;
use crate::kinds::unit;
use crate::observed::{Observed, Query, Seen, Sort};

pub use spec::implied_default;
pub(super) use spec::pairs;

pub static KIND: Kind = Kind {
    name: "network",
    section: Some("networks"),
    keys: spec::KEYS,
    about: "Networks of podman; `default` is joined where a container names none",
    attributes: attributes::ATTRIBUTES,
    holds_data: false,
    read: Some(spec::read),
    owned: steps::owned,
    remove: steps::remove,
    loses: crate::desired::loses_nothing,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    address: Address,
    /// On the machine.
    name: String,
    stack: String,
    /// Made and removed by somebody else; it only must be there.
    external: bool,
    driver: Option<String>,
    options: BTreeMap<String, String>,
    internal: Option<bool>,
    ipv6: Option<bool>,
    /// Each with its gateway, where one is given.
    subnets: Vec<(String, Option<String>)>,
    labels: BTreeMap<String, String>,
}

impl Network {
    /// Whose it is, where it is not ours.
    fn owner(&self, live: &crate::observed::Network, observed: &Observed) -> Owner {
        let let_go = HandOver::RemoveNetwork(self.name.clone());
        let mut owner = labels::owner("network", &self.name, &live.labels, Some(let_go));
        let made = self.makers().into_iter().filter(|unit| observed.units.contains_key(unit));
        owner.hand_over.extend(made.flat_map(|unit| unit::remove(&unit, observed)));
        owner
    }

    /// Units that Quadlet and home-manager make for a network of this name.
    fn makers(&self) -> [String; 2] {
        [format!("podman-{}-network.service", self.name), format!("{}-network.service", self.name)]
    }

    fn is_foreign(&self, live: &crate::observed::Network) -> bool {
        self.named().is_anothers(&live.labels)
    }

    fn live<'o>(&self, observed: &'o Observed) -> Option<&'o crate::observed::Network> {
        observed.networks.get(&self.name)
    }

    fn named(&self) -> Named<'_> {
        let Self { name, stack, external, .. } = self;
        Named { sort: Sort::Networks, noun: "network", name, stack, external: *external }
    }
}

fn live_attributes(live: &crate::observed::Network) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("driver", live.driver.clone());
    attributes.set("options", json!(live.options));
    attributes.set("internal", live.internal);
    attributes.set("ipv6", live.ipv6_enabled);
    attributes.set("subnets", json!(live.subnets.iter().map(|(subnet, _)| subnet).collect::<Vec<_>>()));
    let gateways = live.subnets.iter().map(|(subnet, gateway)| (subnet.clone(), json!(gateway)));
    attributes.set("gateways", gateways.collect::<Map<_, _>>());
    attributes.set("labels", json!(live.labels));
    attributes
}

impl Resource for Network {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let Network { address: _, name: _, stack: _, external: _, driver, options, internal, ipv6, subnets, labels } =
            self;
        let mut attributes = Attributes::default();
        attributes.set_given("driver", json!(driver));
        attributes.set_given("options", json!(options));
        attributes.set_given("internal", json!(internal));
        attributes.set_given("ipv6", json!(ipv6));
        attributes.set_given("subnets", json!(subnets.iter().map(|(subnet, _)| subnet).collect::<Vec<_>>()));
        let gateways = subnets.iter().filter_map(|(subnet, gateway)| Some((subnet.clone(), json!(gateway.as_ref()?))));
        attributes.set_given("gateways", gateways.collect::<Map<_, _>>());
        attributes.set_given("labels", json!(labels));
        attributes
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn name_on_machine(&self) -> String {
        self.name.clone()
    }

    fn query(&self, query: &mut Query) {
        query.networks.insert(self.name.clone());
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        let live = self.live(observed);
        let attributes = || live.map(live_attributes).unwrap_or_default();
        self.named().seen(observed, live.map(|live| &live.labels), || self.attributes(), attributes)
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        match self.live(observed) {
            None => self.named().not_found(observed),
            Some(live) if self.is_foreign(live) => {
                vec![labels::name_conflict("network", &self.name, &self.owner(live, observed))]
            }
            Some(_) => Vec::new(),
        }
    }

    fn hand_over(&self, observed: &Observed) -> hand_over::Steps {
        let foreign = self.live(observed).filter(|live| self.is_foreign(live));
        foreign.map(|live| self.owner(live, observed).hand_over).unwrap_or_default()
    }

    fn query_more(&self, observed: &Observed, query: &mut Query) {
        if self.live(observed).is_some_and(|live| self.is_foreign(live)) {
            query.unit_details.extend(self.makers());
        }
    }

    fn steps(&self, difference: &Difference, observed: &Observed, neighbours: &Neighbours<'_>) -> Steps {
        steps::steps(self, difference, observed, neighbours)
    }
}
