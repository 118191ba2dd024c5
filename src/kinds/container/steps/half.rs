//! What an earlier run left half done: brought to where a replace begins, put back, or brought to its end.

use super::super::namespaces;
use super::super::observe::{Lies, is_as_desired, runs};
use super::super::together::{self, Phases};
use super::{Calls, remove_container, rename, serves};
use crate::change::{Step, joined, step};
use crate::observed;

impl Calls<'_> {
    /// Brings what an earlier run left half done to where a replace begins: one live container, nothing beside it.
    ///
    /// None of it can be taken back, and none has to: from its first step on the undo is that the one known to be good
    /// has its name and runs. To rename what was renamed already is done, as is to start what runs.
    pub(super) fn put_in_order(&self, lies: Lies<'_>) -> Phases {
        let container = self.container;
        let (live, parked) = (&container.name, &container.names.parked);
        let mut phases = Phases { clear: self.without(lies.next), ..Phases::default() };
        match (lies.live, lies.parked) {
            // The tail of the earlier replace, whose newcomer has proved itself since.
            (Some(_), Some(_)) => {
                phases.clear.extend(self.without(lies.parked));
                return phases;
            }
            (None, Some(_)) => {
                phases.clear.extend(self.way.return_steps());
                phases.order.push(step(rename(parked, live)));
            }
            (_, None) => {}
        }
        if !phases.clear.is_empty() || !phases.order.is_empty() {
            phases.back.extend(lies.parked.map(|_| rename(parked, live)));
            phases.back.extend(self.way.return_effect());
            phases.back.extend(serves(lies).then(|| self.start_effect()));
        }
        phases
    }

    /// Where the live one is a newcomer that never proved itself, and not what is wanted any more: the parked one, the last
    /// that was known to be good, has its name again, and does not run.
    ///
    /// However far this and what follows came, the undo is that it runs: the first step's, which is made last. It finds
    /// the newcomer under the name, or nothing: where the good one had the name already, it was parked again before.
    pub(super) fn put_back(&self, lies: Lies<'_>) -> Phases {
        let container = self.container;
        let (live, parked) = (&container.name, &container.names.parked);
        let mut clear = self.without(lies.next);
        clear.extend(self.halt(lies.parked));
        clear.push(step(self.stop_effect()));
        clear.extend(self.way.return_steps());
        clear.push(step(remove_container(live)));
        Phases {
            clear,
            order: vec![step(rename(parked, live)).undo(rename(live, parked))],
            // The way back that failed is tried again: without it the good one would run on what the newcomer wrote.
            away: [self.stop_effect()]
                .into_iter()
                .chain(self.way.return_effect())
                .chain([remove_container(live)])
                .collect(),
            back: std::iter::once(rename(parked, live)).chain(serves(lies).then(|| self.start_effect())).collect(),
            ..Phases::default()
        }
    }

    /// Finishes what an earlier run left half done, or puts it back.
    pub(in super::super) fn settle_half(&self, lies: Lies<'_>) -> Phases {
        let container = self.container;
        let (live, parked, next) = (&container.name, &container.names.parked, &container.names.next);
        let wanted = |found: Option<&observed::Container>| {
            found.is_some_and(|found| is_as_desired(container, found) && !namespaces::is_cut_off(found, self.observed))
        };
        let start = || step(self.start_effect());
        match (lies.live, lies.parked, lies.next) {
            // There is no way back: who lives in the newcomer's namespaces has been proved with it, or with whom the parked one lives
            // is gone, or stays parked.
            (Some(_), Some(_), beside) if self.is_settled() || self.is_doomed(lies.parked) => Phases {
                clear: self.without(beside).into_iter().chain(self.let_go(lies.parked)).collect(),
                start: self.start(),
                commit: self.commit(lies.parked),
                ..Phases::default()
            },
            (None, Some(_), Some(_)) if wanted(lies.next) && (self.is_settled() || self.is_doomed(lies.parked)) => {
                Phases {
                    clear: self.let_go(lies.parked),
                    start: std::iter::once(step(rename(next, live))).chain(self.start()).collect(),
                    commit: self.commit(lies.parked),
                    ..Phases::default()
                }
            }
            // The newcomer is in place, or one rename away from it: it has its chance, and the parked one comes back if it
            // does not get healthy.
            (Some(_), Some(_), beside) => Phases {
                clear: joined([self.without(beside), self.halt(lies.parked).into_iter().collect(), self.unfinished()]),
                start: joined([vec![start()], self.up(), self.still_holds()]),
                commit: joined([self.commit(lies.parked), self.way.keep()]),
                ..self.back()
            },
            (None, Some(_), Some(_)) if wanted(lies.next) => Phases {
                clear: joined([self.halt(lies.parked).into_iter().collect(), self.unfinished()]),
                start: joined([vec![step(rename(next, live)), start()], self.up(), self.still_holds()]),
                commit: joined([self.commit(lies.parked), self.way.keep()]),
                ..self.back()
            },
            // What is put back only rolls forward: there is nothing better to go back to.
            (None, Some(_), beside) => {
                let mut order = self.way.return_steps();
                order.push(step(rename(parked, live)).commit());
                order.extend(self.without(beside));
                Phases { order, start: self.start(), ..Phases::default() }
            }
            (Some(found), None, beside @ Some(_)) => Phases {
                clear: self.without(beside).into_iter().map(Step::commit).collect(),
                // One that a killed run's stop is still under way to runs no more by then.
                start: if runs(container, found, self.observed) { Vec::new() } else { self.start() },
                ..Phases::default()
            },
            (None, None, Some(_)) => {
                Phases { start: joined([vec![step(rename(next, live)).commit()], self.start()]), ..Phases::default() }
            }
            (_, None, None) => Phases::default(),
        }
    }

    /// Where data is on its way back, whoever is in place is stopped first.
    fn unfinished(&self) -> Vec<Step> {
        let finish = self.way.finish();
        let stop = (!finish.is_empty()).then(|| step(self.stop_effect()));
        stop.into_iter().chain(finish).collect()
    }

    /// Before anything is made where it cannot stay until the commit.
    fn let_go(&self, parked: Option<&observed::Container>) -> Vec<Step> {
        if self.is_doomed(parked) { self.without(parked) } else { self.halt(parked).into_iter().collect() }
    }

    fn is_settled(&self) -> bool {
        self.group.settled.contains(&self.container.name) || together::is_leaned_on(self.container, self.observed)
    }

    /// From a newcomer in place to the parked one serving again.
    fn back(&self) -> Phases {
        let container = self.container;
        let (live, parked, next) = (&container.name, &container.names.parked, &container.names.next);
        let (back, forget) = (self.way.return_effect(), self.way.forget());
        Phases {
            away_of_start: [self.stop_effect()].into_iter().chain(back).chain([rename(live, next)]).collect(),
            back_of_start: [rename(parked, live)].into_iter().chain(forget).chain([self.start_effect()]).collect(),
            discard: vec![remove_container(next)],
            ..Phases::default()
        }
    }
}
