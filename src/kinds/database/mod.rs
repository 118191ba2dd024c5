//! Databases of native programs (`databases:`), by their paths on the host: what must survive of them. Nothing of one is ever made,
//! changed or removed; what is the matter with it stands in the way of every change, as with the data of a container. What is to be
//! set aside where it is hollow is a change of the service that writes it, which has to stop for that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::contract::{self, Contract, FACT, Held, weighed};
use super::directory;
use crate::address::Address;
use crate::attributes::{Attribute, Attributes};
use crate::change::{Action, Risk, Steps};
use crate::desired::{
    self, Condition, Context, Declared, Dependency, Difference, Kind, Neighbours, Object, Ours, Owned, Reading,
    Resource,
};
use crate::diagnostic::{Diagnostics, Span};
use crate::observed::{Observed, Query, Seen};
use crate::stack::forms::{self, Map};
use crate::stack::yaml::{Key, Node};

pub static KIND: Kind = Kind {
    name: "database",
    section: Some("databases"),
    keys: contract::KEYS_ON_HOST,
    about: "Databases of native programs, by their paths: what must survive of them",
    attributes: ATTRIBUTES,
    holds_data: true,
    read: Some(read),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

/// It is looked at, and never changed.
const ATTRIBUTES: &[Attribute] = &[];

#[derive(Clone, Debug)]
struct Database {
    address: Address,
    contract: Contract,
    path: PathBuf,
    protect: Option<bool>,
    /// Who writes it.
    service: Option<Address>,
    /// The nearest declared directory above; filled by linking.
    above: Option<Address>,
    context: Context,
    span: Span,
}

fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let path = forms::host_path_text(&key.text, key.span, reading.places, reading.diagnostics);
    let Some(mut map) = Map::new(node, "a database", contract::KEYS_ON_HOST, reading.diagnostics) else {
        return Vec::new();
    };
    let text = path.as_ref().map(|path| path.display().to_string());
    let contract = contract::read(&mut map, text, key.span);
    let protect = map.read("protect", forms::boolean);
    let service = map.read("service", forms::text);
    if service.is_none() && contract.as_ref().is_some_and(|contract| contract.is_quarantined) {
        let detail = "what is set aside is made anew by the service that writes it, and none is named";
        map.diagnostics.error(key.span, "Whose database", detail).help("add `service: NAME`, one of `services`");
    }
    map.finish();
    let (Some(path), Some(contract)) = (path, contract) else { return Vec::new() };
    let place = directory::address(&path, &reading.context.home);
    vec![Box::new(Database {
        address: Address::new(KIND.name, place.name()),
        contract,
        path,
        protect,
        service: service.map(|name| Address::new("service", name)),
        above: None,
        context: reading.context.clone(),
        span: key.span,
    })]
}

impl Database {
    fn held(&self) -> Held<'_> {
        Held { address: &self.address, name: self.address.name(), contract: &self.contract, place: self.path.clone() }
    }
}

impl Resource for Database {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let above = |on: &Address| Dependency { on: on.clone(), condition: Condition::Exists, restart: false };
        self.above.iter().map(above).collect()
    }

    fn link(&mut self, declared: &Declared<'_>, diagnostics: &mut Diagnostics) {
        self.above = declared.root(&self.path).map(|root| directory::address(&root, &declared.context.home));
        let is_known =
            |service: &Address| declared.resources.contains_key(service) || declared.inactive.contains_key(service);
        if let Some(service) = self.service.as_ref().filter(|service| !is_known(service)) {
            let detail = format!("{} names a service that is not declared: {}", self.address, service.name());
            diagnostics.error(self.span, "Unknown service", detail).help("write the name of one of `services`");
        }
    }

    fn database(&self) -> Option<desired::Database> {
        Some(desired::Database {
            address: self.address.clone(),
            path: self.path.clone(),
            service: self.service.clone()?,
            requirement: self.contract.requirement(),
            is_quarantined: self.contract.is_quarantined,
        })
    }

    fn query(&self, query: &mut Query) {
        self.held().query(query);
    }

    fn query_closer(&self, _action: Action, observed: &Observed, query: &mut Query) {
        let is_looked_at = query.looks_closely;
        self.held().query_closer(observed, &self.context, is_looked_at, query);
    }

    /// There is nothing that an apply would make of it, be it there or not.
    fn seen(&self, _observed: &Observed) -> Seen<Object> {
        Seen::Present(Object { attributes: Attributes::default(), last_applied: None })
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        weighed(&self.address, self.held().judge(observed), observed)
    }

    fn protect(&self) -> Option<bool> {
        self.protect
    }

    fn steps(&self, _difference: &Difference, _observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        Steps::default()
    }

    fn facts(&self, observed: &Observed) -> BTreeMap<&'static str, Value> {
        let fact = self.held().fact(observed);
        fact.map(|(path, reading)| (FACT, json!({ path: reading }))).into_iter().collect()
    }

    fn name_on_machine(&self) -> String {
        self.path.display().to_string()
    }

    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}

/// A database carries no mark of ours.
fn owned(_observed: &Observed, _ours: Ours<'_>) -> Vec<Owned> {
    Vec::new()
}

/// It goes with the directory that it lies in, where that is named.
fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
