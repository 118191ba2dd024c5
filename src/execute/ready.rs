//! Which changes may begin: those whose predecessors are all as far as is waited for. Knows positions in the plan and nothing of the
//! machine, of steps or of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Change, Until};
use crate::machine::{Failure, FailureKind};

/// Far beyond any real change; a plan that passes it was made by a planner in a loop.
const STEPS_MAX: usize = 10_000;

/// Each position is taken once, withdrawn once, or left.
pub(super) struct Ready {
    ready: BTreeSet<usize>,
    unmet: Vec<usize>,
    /// Who waits for each position, and until when; each edge is taken out when it is met.
    dependents: Vec<Vec<(usize, Until)>>,
    withdrawn: Vec<bool>,
}

impl Ready {
    /// # Errors
    /// The plan cannot be walked: two changes of one address, a cycle, or a change without end.
    pub(super) fn new(changes: &[Change]) -> Result<Self, Failure> {
        let mut positions = BTreeMap::new();
        for (position, change) in changes.iter().enumerate() {
            if change.steps.all().count() > STEPS_MAX {
                return Err(bug(format!("{} has more than {STEPS_MAX} steps", change.address)));
            }
            if positions.insert(&change.address, position).is_some() {
                return Err(bug(format!("{} stands twice in the plan", change.address)));
            }
        }
        let mut unmet = vec![0; changes.len()];
        let mut dependents = vec![Vec::new(); changes.len()];
        for (position, change) in changes.iter().enumerate() {
            // What is not among the changes needs nothing, and holds nobody up.
            let mut after: BTreeMap<usize, Until> = BTreeMap::new();
            for edge in &change.after {
                if let Some(predecessor) = positions.get(&edge.on) {
                    let until = after.entry(*predecessor).or_insert(edge.until);
                    *until = edge.until.max(*until);
                }
            }
            unmet[position] = after.len();
            for (predecessor, until) in after {
                dependents[predecessor].push((position, until));
            }
        }
        let ready = (0..changes.len()).filter(|position| unmet[*position] == 0).collect();
        let ready = Self { ready, unmet, dependents, withdrawn: vec![false; changes.len()] };
        match ready.in_a_cycle() {
            Some(position) => Err(bug(format!("{} waits for itself", changes[position].address))),
            None => Ok(ready),
        }
    }

    /// The first in the plan's order that may begin.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// What the change starts runs.
    pub(super) fn started(&mut self, position: usize) {
        self.meet(position, |until| until == Until::Started);
    }

    pub(super) fn done(&mut self, position: usize) {
        self.meet(position, |_| true);
    }

    fn meet(&mut self, position: usize, is_met: impl Fn(Until) -> bool) {
        let (met, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.dependents[position]).into_iter().partition(|(_, until)| is_met(*until));
        self.dependents[position] = open;
        for (dependent, _) in met {
            self.unmet[dependent] -= 1;
            if self.unmet[dependent] == 0 && !self.withdrawn[dependent] {
                self.ready.insert(dependent);
            }
        }
    }

    /// The change will not end well: neither it nor anything that needs it begins any more. Gives those that need it,
    /// directly or not, and were not withdrawn before; what only comes after it no longer waits.
    pub(super) fn withdraw(&mut self, position: usize) -> Vec<usize> {
        self.withdrawn[position] = true;
        self.ready.remove(&position);
        let mut with_it = Vec::new();
        let mut open = vec![position];
        while let Some(position) = open.pop() {
            self.meet(position, |until| until == Until::Ended);
            for (dependent, _) in self.dependents[position].clone() {
                if !self.withdrawn[dependent] {
                    self.withdrawn[dependent] = true;
                    with_it.push(dependent);
                    open.push(dependent);
                }
            }
        }
        with_it.sort_unstable();
        with_it
    }

    pub(super) fn is_withdrawn(&self, position: usize) -> bool {
        self.withdrawn[position]
    }

    /// One that could never begin, however well all others end.
    fn in_a_cycle(&self) -> Option<usize> {
        let mut unmet = self.unmet.clone();
        let mut open: Vec<usize> = self.ready.iter().copied().collect();
        while let Some(position) = open.pop() {
            for (dependent, _) in &self.dependents[position] {
                unmet[*dependent] -= 1;
                if unmet[*dependent] == 0 {
                    open.push(*dependent);
                }
            }
        }
        unmet.iter().position(|unmet| *unmet > 0)
    }
}

fn bug(what: String) -> Failure {
    Failure::new(FailureKind::Refused, format!("the plan cannot be carried out: {what}"))
        .hint("This is a bug of stackctl; nothing was changed.")
}
