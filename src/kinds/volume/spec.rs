//! A volume as written: Compose's keys.

use super::Volume;
use crate::address::Address;
use crate::desired::{Reading, Resource};
use crate::kinds::network::pairs;
use crate::stack::forms::{self, Map};
use crate::stack::forms::{Described, Form, key};
use crate::stack::yaml::{Key, Node};

pub(super) const KEYS: &[Described] = &[
    key("name", Form::Text, "What podman calls it; `<stack>_<name>` by itself"),
    key("external", Form::Boolean, "It is there already, and somebody else's"),
    key("driver", Form::Text, "The driver; `local` by itself"),
    key("driver_opts", Form::Pairs, "Options of the driver"),
    key("labels", Form::Pairs, "Labels"),
    key("protect", Form::Boolean, "Never removed, not by its name either, until that is accepted; outlives this line"),
    key("renamed_from", Form::Text, "What it was called here before; it keeps its place and its name on the machine"),
];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let stack = reading.context.stack.clone();
    let Some(mut map) = Map::new(node, "a volume", KEYS, reading.diagnostics) else {
        return Vec::new();
    };
    let renamed_from = map.read("renamed_from", forms::word);
    let first = renamed_from.as_deref().unwrap_or(&key.text);
    let name = map.read("name", forms::text).unwrap_or_else(|| format!("{stack}_{first}"));
    let volume = Volume {
        address: Address::new("volume", &key.text),
        was: renamed_from.map(|old| Address::new("volume", old)),
        name,
        stack,
        external: map.read("external", forms::boolean).unwrap_or(false),
        driver: map.read("driver", forms::text),
        options: map.read("driver_opts", pairs).unwrap_or_default(),
        labels: map.read("labels", pairs).unwrap_or_default(),
        protect: map.read("protect", forms::boolean),
    };
    map.finish();
    vec![Box::new(volume)]
}
