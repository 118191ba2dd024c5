//! A network as written: Compose's keys.

use crate::stack::forms::{Described, Form, key};
use std::collections::BTreeMap;

use super::Network;
use crate::address::Address;
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::stack::forms::{self, Map};
use crate::stack::yaml::{Key, Node};

pub(super) const KEYS: &[Described] = &[
    key("name", Form::Text, "What podman calls it; `<stack>_<name>` by itself"),
    key("external", Form::Boolean, "It is there already, and somebody else's"),
    key("driver", Form::Text, "The driver; `bridge` by itself"),
    key("driver_opts", Form::Pairs, "Options of the driver"),
    key("internal", Form::Boolean, "Nothing beyond it can be reached"),
    key("enable_ipv6", Form::Boolean, "It has IPv6 addresses, too"),
    key("ipam", Form::Map(IPAM_KEYS), "Which addresses it has"),
    key("labels", Form::Pairs, "Labels"),
];
const UNSUPPORTED: &[(&str, &str)] =
    &[("attachable", "it has a meaning in Docker Swarm only"), ("enable_ipv4", "podman's networks always have IPv4")];
const IPAM_KEYS: &[Described] = &[key("config", Form::List(&Form::Map(POOL_KEYS)), "Pools of addresses")];
const IPAM_UNSUPPORTED: &[(&str, &str)] = &[("driver", "netavark chooses it"), ("options", "netavark takes none")];
const POOL_KEYS: &[Described] = &[
    key("subnet", Form::Text, "Such as `10.89.7.0/24`"),
    key("gateway", Form::Text, "The address of this machine on it"),
];
const POOL_UNSUPPORTED: &[(&str, &str)] =
    &[("ip_range", "podman takes it on the command line only"), ("aux_addresses", "podman has no such thing")];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let stack = reading.context.stack.clone();
    let Some(mut map) = Map::new(node, "a network", KEYS, reading.diagnostics) else {
        return Vec::new();
    };
    map = map.unsupported(UNSUPPORTED);
    let mut network = bare(&stack, &key.text);
    network.name = map.read("name", forms::text).unwrap_or(network.name);
    network.external = map.read("external", forms::boolean).unwrap_or(false);
    network.driver = map.read("driver", forms::text);
    network.options = map.read("driver_opts", pairs).unwrap_or_default();
    network.internal = map.read("internal", forms::boolean);
    network.ipv6 = map.read("enable_ipv6", forms::boolean);
    network.labels = map.read("labels", pairs).unwrap_or_default();
    network.subnets = map.read("ipam", ipam).unwrap_or_default();
    map.finish();
    vec![Box::new(network)]
}

/// The network that Compose joins a container to that names none.
pub fn implied_default(stack: &str) -> Network {
    bare(stack, "default")
}

fn bare(stack: &str, name: &str) -> Network {
    Network {
        address: Address::new("network", name),
        name: format!("{stack}_{name}"),
        stack: stack.to_owned(),
        external: false,
        driver: None,
        options: BTreeMap::new(),
        internal: None,
        ipv6: None,
        subnets: Vec::new(),
        labels: BTreeMap::new(),
    }
}

pub(in crate::kinds) fn pairs(node: &Node, diagnostics: &mut Diagnostics) -> Option<BTreeMap<String, String>> {
    let pairs = forms::map_or_list(node, diagnostics)?;
    Some(pairs.into_iter().map(|pair| (pair.key, pair.value)).collect())
}

fn ipam(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Option<String>)>> {
    let mut map = Map::new(node, "ipam", IPAM_KEYS, diagnostics)?.unsupported(IPAM_UNSUPPORTED);
    let pools = map.read("config", |node, diagnostics| {
        forms::list_of(node, "a list, such as `[{ subnet: 10.89.7.0/24 }]`", diagnostics, pool)
    });
    map.finish();
    pools
}

fn pool(node: &Node, diagnostics: &mut Diagnostics) -> Option<(String, Option<String>)> {
    let mut map = Map::new(node, "a pool of addresses", POOL_KEYS, diagnostics)?.unsupported(POOL_UNSUPPORTED);
    let subnet = map.require("subnet", "10.89.7.0/24", forms::text);
    let gateway = map.read("gateway", forms::text);
    map.finish();
    Some((subnet?, gateway))
}
