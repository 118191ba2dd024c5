//! What depends on what: as a picture for people, as DOT and Mermaid for programs that draw, and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{Page, elided, escaped, width};
use super::words::{FORMAT_VERSION, WIDTH};
use crate::address::Address;
use crate::desired::{Condition, Dependency};
use crate::graph::Graph;

/// What `graph --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GraphJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// Every address, what is needed before what needs it.
    pub nodes: Vec<Address>,
    /// What needs what.
    pub edges: Vec<EdgeJson<'a>>,
}

/// One dependency.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EdgeJson<'a> {
    /// What needs the other.
    pub from: &'a Address,
    /// What is needed.
    pub to: &'a Address,
    /// What is waited for: `exists`, `service_started`, `service_healthy` or `service_completed_successfully`.
    pub condition: &'static str,
    /// It is restarted where the other is replaced or restarted.
    pub restart: bool,
}

impl<'a> GraphJson<'a> {
    pub fn new(stack: &'a str, graph: &'a Graph) -> Self {
        let edge = |(from, on): (&'a Address, &'a Dependency)| {
            let Dependency { on: to, condition, restart } = on;
            EdgeJson { from, to, condition: word(*condition).unwrap_or("exists"), restart: *restart }
        };
        Self { format_version: FORMAT_VERSION, stack, nodes: graph.order(), edges: edges(graph).map(edge).collect() }
    }
}

/// By address, so that the same file gives the same text.
fn edges(graph: &Graph) -> impl Iterator<Item = (&Address, &Dependency)> {
    let mut edges: Vec<(&Address, &Dependency)> = graph.edges().collect();
    edges.sort_by(|a, b| (a.0, &a.1.on).cmp(&(b.0, &b.1.on)));
    edges.into_iter()
}

/// None: that it is there is all that is waited for.
fn word(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Exists => None,
        Condition::Started => Some("service_started"),
        Condition::Healthy => Some("service_healthy"),
        Condition::CompletedSuccessfully => Some("service_completed_successfully"),
    }
}

/// For Graphviz; edges run from what needs to what is needed, as `terraform graph` draws them.
pub fn dot(stack: &str, graph: &Graph) -> String {
    let quoted = |text: &str| format!("\"{}\"", escaped(text).replace('\\', "\\\\").replace('"', "\\\""));
    let mut page = Page::default();
    page.line(0, &format!("digraph {} {{", quoted(stack)));
    page.line(2, "rankdir = \"BT\";");
    page.line(2, "node [shape = box];");
    for address in graph.order() {
        page.line(2, &format!("{};", quoted(&address.to_string())));
    }
    for (from, Dependency { on, condition, restart: _ }) in edges(graph) {
        let label = word(*condition).map(|word| format!(" [label = {}]", quoted(word))).unwrap_or_default();
        page.line(2, &format!("{} -> {}{label};", quoted(&from.to_string()), quoted(&on.to_string())));
    }
    page.line(0, "}");
    page.0
}

/// A Mermaid flowchart. Its nodes have names of their own, since an address holds signs that mean something there.
pub fn mermaid(graph: &Graph) -> String {
    let order = graph.order();
    let ids: BTreeMap<&Address, usize> = order.iter().enumerate().map(|(id, address)| (address, id)).collect();
    // Mermaid's own way to write a character by its number or name.
    let quoted = |text: &str| escaped(text).replace('#', "#35;").replace('"', "#quot;");
    let mut page = Page::default();
    page.line(0, "flowchart BT");
    for (id, address) in order.iter().enumerate() {
        page.line(2, &format!("n{id}[\"{}\"]", quoted(&address.to_string())));
    }
    for (from, Dependency { on, condition, restart: _ }) in edges(graph) {
        let label = word(*condition).map(|word| format!("|{word}|")).unwrap_or_default();
        page.line(2, &format!("n{} -->{label} n{}", ids[from], ids[on]));
    }
    page.0
}

/// A tree of what needs what, from what nothing needs. What was told with its needs before is not told with them again.
pub fn picture(graph: &Graph) -> String {
    let mut needs: BTreeMap<&Address, Vec<&Dependency>> = BTreeMap::new();
    let mut needed: BTreeSet<&Address> = BTreeSet::new();
    for (from, dependency) in edges(graph) {
        needs.entry(from).or_default().push(dependency);
        needed.insert(&dependency.on);
    }
    let order = graph.order();
    let mut picture = Picture { needs, told: BTreeSet::new(), page: Page::default() };
    for root in order.iter().filter(|address| !needed.contains(address)) {
        picture.node(root, None, "", "");
    }
    picture.page.0
}

struct Picture<'g> {
    needs: BTreeMap<&'g Address, Vec<&'g Dependency>>,
    told: BTreeSet<Address>,
    page: Page,
}

impl Picture<'_> {
    /// `own` leads up to the node itself, `below` to what stands under it.
    fn node(&mut self, address: &Address, condition: Option<&'static str>, own: &str, below: &str) {
        let needs = self.needs.get(address).cloned().unwrap_or_default();
        let again = !needs.is_empty() && !self.told.insert(address.clone());
        let mut behind = condition.map(|word| format!("  ({word})")).unwrap_or_default();
        behind.push_str(if again { "  ..." } else { "" });
        let room = WIDTH.saturating_sub(width(own) + width(&behind));
        self.page.line(0, &format!("{own}{}{behind}", elided(&escaped(&address.to_string()), room)));
        if again {
            return;
        }
        for (at, dependency) in needs.iter().enumerate() {
            let (branch, trunk) = if at + 1 == needs.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let (own, below) = (format!("{below}{branch}"), format!("{below}{trunk}"));
            self.node(&dependency.on, word(dependency.condition), &own, &below);
        }
    }
}
