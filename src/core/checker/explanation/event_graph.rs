//! The order of events as a graph: what a node did before what, which message led to what, and what should
//! have come before what. A demand that contradicts the order of things lies on a circle.
//!
//! ```text
//! demanded: SEG_M is registered before SEG_M1 is consumed
//! happened: SEG_M1 is consumed, then SEG_M is registered        -> a circle: the order broke
//! ```

use super::node_events::{EventIndex, NodeEvents};
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::{BTreeSet, HashMap};

/// Why one event comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// A node did one after the other.
    ProgramOrder,
    /// The same, and both concern one segment in one incarnation.
    SameSegment,
    /// A message was created, then executed.
    Message,
    /// The one must come before the other.
    Demanded,
}

/// The first event must come before the second.
pub(crate) type Demand = (EventIndex, EventIndex);

/// The events of all nodes, and their order.
pub(crate) struct EventGraph {
    graph: DiGraph<EventIndex, Relation>,
    nodes: HashMap<EventIndex, NodeIndex>,
}

impl EventGraph {
    pub(crate) fn of(events: &NodeEvents) -> EventGraph {
        let mut all = EventGraph { graph: DiGraph::new(), nodes: HashMap::new() };
        for node in 0..events.logs.len() {
            let (mut of_segment, mut created, mut before) = (HashMap::new(), HashMap::new(), None);
            for (index, event) in events.of(node) {
                let at = all.graph.add_node(index);
                all.nodes.insert(index, at);
                if let Some(before) = before.replace(at) {
                    all.graph.add_edge(before, at, Relation::ProgramOrder);
                }
                let segment = event.segment.map(|segment| (segment, event.record.incarnation));
                if let Some(before) = segment.and_then(|segment| of_segment.insert(segment, at)) {
                    all.graph.add_edge(before, at, Relation::SameSegment);
                }
                match (event.kind(), event.message()) {
                    ("transition-created", Some(message)) => drop(created.insert(message, at)),
                    ("transition-started", Some(message)) => {
                        if let Some(created) = created.get(&message) {
                            all.graph.add_edge(*created, at, Relation::Message);
                        }
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// By demand: whether it contradicts the order in which things happened.
    pub(crate) fn broken(&mut self, demands: &[Demand]) -> Vec<bool> {
        let ends = |(first, then): &Demand| Some((*self.nodes.get(first)?, *self.nodes.get(then)?));
        let ends: Vec<Option<(NodeIndex, NodeIndex)>> = demands.iter().map(ends).collect();
        let demanded = |(a, b): &(NodeIndex, NodeIndex)| self.graph.add_edge(*a, *b, Relation::Demanded);
        let edges: Vec<_> = ends.iter().flatten().map(demanded).collect();
        let mut circle = vec![0; self.graph.node_count()];
        for (number, component) in kosaraju_scc(&self.graph).iter().enumerate() {
            component.iter().for_each(|node| circle[node.index()] = number);
        }
        // The last edge first, since removing an edge moves the last one to its place.
        for edge in edges.into_iter().rev() {
            self.graph.remove_edge(edge);
        }
        let on_circle = |(a, b): (NodeIndex, NodeIndex)| a != b && circle[a.index()] == circle[b.index()];
        ends.into_iter().map(|ends| ends.is_some_and(on_circle)).collect()
    }

    /// What led to an event: back along the events of its segment and the messages behind them; itself
    /// included. In program order.
    pub(crate) fn led_to(&self, event: EventIndex) -> Vec<EventIndex> {
        let Some(start) = self.nodes.get(&event) else { return Vec::new() };
        let mut found = BTreeSet::from([*start]);
        let mut open = vec![*start];
        while let Some(node) = open.pop() {
            let causes = self.graph.edges_directed(node, Direction::Incoming);
            let causes = causes.filter(|edge| *edge.weight() != Relation::ProgramOrder);
            open.extend(causes.map(|edge| edge.source()).filter(|source| found.insert(*source)));
        }
        found.into_iter().map(|node| self.graph[node]).collect()
    }
}
