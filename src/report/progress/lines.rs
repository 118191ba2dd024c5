//! Progress as a log: for cron, pipes and CI.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::ended;
use crate::address::Address;
use crate::execute::Event;
use crate::report::text::{duration, escaped};
use crate::report::words;

/// Between two lines of progress of one change: a pull of ten minutes may fill a screen, not a log.
const QUIET: Duration = Duration::from_secs(10);
/// What is new is told at once: a layer that is whole, another answer of a probe. One whose answer never repeats is cut off here.
const NEWS_MAX: usize = 40;
/// Below it the time that a change took is not worth telling.
const NOTABLE: Duration = Duration::from_secs(1);

/// Hands each line, without a line end, to `write`; `clock` tells the time since the run began.
pub struct Lines<'a> {
    write: Box<dyn Fn(&str) + 'a>,
    clock: Box<dyn Fn() -> Duration + 'a>,
    work: RefCell<BTreeMap<Address, Work>>,
}

/// A change at work.
#[derive(Debug)]
struct Work {
    began: Duration,
    told: Duration,
    /// What stood before the first comma of each text so far.
    heads: BTreeSet<String>,
}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("work", &self.work).finish_non_exhaustive()
    }
}

impl<'a> Lines<'a> {
    pub fn new(write: impl Fn(&str) + 'a, clock: impl Fn() -> Duration + 'a) -> Self {
        Self { write: Box::new(write), clock: Box::new(clock), work: RefCell::default() }
    }

    pub(super) fn hear(&self, event: &Event) {
        let now = (self.clock)();
        match event {
            Event::ChangeStarted { address, action } => {
                self.work.borrow_mut().insert(address.clone(), Work { began: now, told: now, heads: BTreeSet::new() });
                let going = words::action(address.kind(), *action).going;
                (self.write)(&escaped(&format!("{address}: {going}")));
            }
            Event::Progress { address, text } => {
                if self.is_due(address, text, now) {
                    (self.write)(&escaped(&format!("{address}: {text}")));
                }
            }
            Event::Undoing { address } => (self.write)(&escaped(&format!("{address}: taking it back"))),
            Event::ChangeEnded { address, action, fate } => {
                let took = self.work.borrow_mut().remove(address).map(|work| now.saturating_sub(work.began));
                let took = took.filter(|took| *took >= NOTABLE).map(|took| format!(" ({})", duration(took)));
                (self.write)(&format!("{}{}", ended(address, *action, fate), took.unwrap_or_default()));
            }
            Event::Reloading => (self.write)("systemd: reloading"),
            Event::StepStarted { .. } | Event::StepEnded { .. } => {}
        }
    }

    fn is_due(&self, address: &Address, text: &str, now: Duration) -> bool {
        let mut work = self.work.borrow_mut();
        let Some(work) = work.get_mut(address) else { return false };
        let head = text.split(", ").next().unwrap_or_default();
        let is_news = work.heads.len() < NEWS_MAX && work.heads.insert(head.to_owned());
        let due = is_news || now.saturating_sub(work.told) >= QUIET;
        if due {
            work.told = now;
        }
        due
    }
}
