//! Progress on a terminal: one line for each change at work, with its last word and the time it has taken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ended;
use crate::address::Address;
use crate::change::Action;
use crate::execute::{Event, Fate};
use crate::report::text::{Look, elided, escaped};
use crate::report::words::{self, Colour};

/// Redraws a second for the spinner and the elapsed time of a change that says nothing.
const TICK: Duration = Duration::from_millis(200);
/// Columns of an address before what it does; longer ones are cut, they stand whole in the plan above.
const ADDRESS_MAX: usize = 32;

/// Draws on stderr.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    pub(super) work: RefCell<BTreeMap<Address, ProgressBar>>,
    look: Look,
}

impl Bars {
    pub fn new(look: Look) -> Self {
        Self::on(ProgressDrawTarget::stderr(), look)
    }

    pub(super) fn on(target: ProgressDrawTarget, look: Look) -> Self {
        Self { all: MultiProgress::with_draw_target(target), work: RefCell::default(), look }
    }

    pub(super) fn hear(&self, event: &Event) {
        match event {
            Event::ChangeStarted { address, action } => self.begin(address, *action),
            Event::StepStarted { address, text } | Event::Progress { address, text } => self.say(address, text),
            Event::StepEnded { .. } | Event::Reloading => {}
            Event::Undoing { address } => self.say(address, "taking it back"),
            Event::ChangeEnded { address, action, fate } => self.end(address, *action, fate),
        }
    }

    pub(super) fn beside(&self, write: impl FnOnce()) {
        self.all.suspend(write);
    }

    fn begin(&self, address: &Address, action: Action) {
        let style = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg} {elapsed}")
            .expect("the template is a constant with keys that indicatif knows");
        let going = words::action(address.kind(), action).going;
        let bar = self.all.add(ProgressBar::new_spinner().with_style(style));
        bar.set_prefix(elided(&escaped(&address.to_string()), ADDRESS_MAX));
        bar.set_message(going);
        bar.enable_steady_tick(TICK);
        self.work.borrow_mut().insert(address.clone(), bar);
    }

    fn say(&self, address: &Address, text: &str) {
        if let Some(bar) = self.work.borrow().get(address) {
            bar.set_message(escaped(text));
        }
    }

    fn end(&self, address: &Address, action: Action, fate: &Fate) {
        let (symbol, colour) = match fate {
            Fate::Done => (words::symbol(action), words::colour(action)),
            Fate::Undone { .. } | Fate::Failed { .. } => (words::FAILED, Colour::Bad),
            Fate::Skipped { .. } | Fate::Interrupted => (" ", Colour::Dim),
        };
        let symbol = self.look.paint(colour, &format!("{symbol:>3}"));
        if let Some(bar) = self.work.borrow_mut().remove(address) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        // A terminal that is gone is no reason to end the run.
        self.all.println(format!("{symbol} {}", ended(address, action, fate))).unwrap_or_default();
    }
}
