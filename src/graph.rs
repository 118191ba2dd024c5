//! GRAPH: resources and their edges as a petgraph DAG. Knows addresses and edges alone; what a kind is, it does not know.

use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::address::Address;
use crate::desired::{Dependency, Resources};

/// Edges run from what is needed to what needs it. It has no cycle. A node has the place of its resource among all.
#[derive(Debug)]
pub struct Graph {
    dag: DiGraph<Address, Dependency>,
}

/// Addresses that wait for each other, the first one repeated at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<Address>);

impl Graph {
    /// # Errors
    /// One cycle for every knot of the graph.
    pub fn build(resources: &Resources) -> Result<Self, Vec<Cycle>> {
        let mut dag = DiGraph::with_capacity(resources.len(), resources.len() * 2);
        let nodes: Vec<NodeIndex> = resources.keys().map(|address| dag.add_node(address.clone())).collect();
        for (resource, node) in resources.values().zip(&nodes) {
            for dependency in resource.dependencies() {
                if let Some(needed) = resources.get_index_of(&dependency.on) {
                    dag.add_edge(nodes[needed], *node, dependency);
                }
            }
        }
        let graph = Self { dag };
        let cycles = graph.cycles();
        if cycles.is_empty() { Ok(graph) } else { Err(cycles) }
    }

    /// Dependencies first, and by address as far as they allow of it: the same for the same resources, whatever their order
    /// in the file, and where one looks for them.
    pub fn order(&self) -> Vec<Address> {
        let needs = |node| self.dag.neighbors_directed(node, Direction::Incoming).count();
        let mut waits: Vec<usize> = self.dag.node_indices().map(needs).collect();
        // Nodes are in the order of their addresses.
        let mut ready: BTreeSet<NodeIndex> = self.dag.node_indices().filter(|node| waits[node.index()] == 0).collect();
        let mut order = Vec::with_capacity(waits.len());
        while let Some(node) = ready.pop_first() {
            order.push(self.dag[node].clone());
            for next in self.dag.neighbors(node) {
                waits[next.index()] -= 1;
                if waits[next.index()] == 0 {
                    ready.insert(next);
                }
            }
        }
        order
    }

    /// What the resource in this place of [`Resources`] needs, and the places of that.
    pub fn needs(&self, place: usize) -> impl Iterator<Item = (usize, &Dependency)> {
        let edges = self.dag.edges_directed(NodeIndex::new(place), Direction::Incoming);
        edges.map(|edge| (edge.source().index(), edge.weight()))
    }

    /// What needs something, and what it needs.
    pub fn edges(&self) -> impl Iterator<Item = (&Address, &Dependency)> {
        self.dag.edge_references().map(|edge| (&self.dag[edge.target()], edge.weight()))
    }

    fn cycles(&self) -> Vec<Cycle> {
        let mut cycles = Vec::new();
        for knot in tarjan_scc(&self.dag) {
            let start = *knot.iter().min_by_key(|node| &self.dag[**node]).expect("a component has a node");
            if knot.len() > 1 || self.dag.contains_edge(start, start) {
                cycles.push(self.walk_round(start, &knot));
            }
        }
        cycles
    }

    /// Follows what is needed from `start` within its knot until a node comes up twice.
    fn walk_round(&self, start: NodeIndex, knot: &[NodeIndex]) -> Cycle {
        let mut path = vec![start];
        loop {
            let here = *path.last().expect("the path has its start");
            let next = self
                .dag
                .neighbors_directed(here, Direction::Incoming)
                .find(|node| knot.contains(node))
                .expect("every node of a knot has a way on within it");
            if let Some(first) = path.iter().position(|&node| node == next) {
                path.push(next);
                return Cycle(path[first..].iter().map(|&node| self.dag[node].clone()).collect());
            }
            path.push(next);
        }
    }
}
