//! Progress of a run: listens to its events and decides nothing. On a terminal one line for each change at work, redrawn; elsewhere one
//! line when a change begins, one when it ends, and now and then how far it is. All of it goes to stderr.

mod bars;
mod lines;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::change::Action;
use crate::execute::{Event, Fate};

use super::text::escaped;
use super::words;

pub use bars::Bars;
pub use lines::Lines;

/// Who listens.
#[derive(Debug)]
pub enum Progress<'a> {
    Bars(Bars),
    Lines(Lines<'a>),
    Silent,
}

impl Progress<'_> {
    pub fn hear(&self, event: &Event) {
        match self {
            Progress::Bars(bars) => bars.hear(event),
            Progress::Lines(lines) => lines.hear(event),
            Progress::Silent => {}
        }
    }

    /// Draws what another writes to the terminal beside the lines that are redrawn, not through them.
    pub fn beside(&self, write: impl FnOnce()) {
        match self {
            Progress::Bars(bars) => bars.beside(write),
            Progress::Lines(_) | Progress::Silent => write(),
        }
    }
}

/// How a change ended, in the line that stays of it. The reason is told whole by the report of the run.
fn ended(address: &Address, action: Action, fate: &Fate) -> String {
    let words = words::fate(address.kind(), action, fate);
    let message = match fate {
        Fate::Undone { failure, .. } | Fate::Failed { failure, .. } => format!(": {}", failure.message),
        Fate::Done | Fate::Skipped { .. } | Fate::Interrupted => String::new(),
    };
    escaped(&format!("{address}: {words}{message}"))
}
