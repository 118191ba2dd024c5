//! EXECUTE: a `Plan` in, a `Run` out. Walks the graph in parallel, journals each step before and after its effect,
//! undoes what is not committed when something fails, and tells each change's fate. It decides nothing about the machine:
//! what is done stands in the plan.

pub mod event;
pub mod journal;
mod ready;
mod schedule;
#[cfg(test)]
mod tests;
mod unwind;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::address::Address;
use crate::machine::Failure;

pub use event::Event;
pub use journal::{Journal, StepState};
pub use schedule::execute;

/// What was carried out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    pub fates: BTreeMap<Address, Fate>,
    /// A signal ended it early.
    pub interrupted: bool,
    /// The reload of systemd itself failed, or the journal could not be written.
    pub failure: Option<Failure>,
}

impl Run {
    pub fn succeeded(&self) -> bool {
        !self.interrupted && self.failure.is_none() && self.fates.values().all(|fate| *fate == Fate::Done)
    }
}

/// What became of one change.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Done,
    /// It failed, and what it had done was taken back: the machine is as before.
    Undone {
        step: String,
        failure: Failure,
    },
    /// It failed, and something of it stays: after its commit, or because taking back failed too.
    Failed {
        step: String,
        failure: Failure,
        undo_failure: Option<Failure>,
    },
    /// Not begun, because this one failed (or was skipped itself).
    Skipped {
        because: Address,
    },
    /// Not begun, or undone, because the run was interrupted.
    Interrupted,
}

/// How a run goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Changes at work at the same time, those aside that only wait for something. Beyond twice the cores podman gains nothing (measured at 2 cores: 4).
    pub parallelism: usize,
}

/// A request to stop, shared with whoever listens for signals: the steps in hand end, nothing new begins, what is not
/// committed is undone.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cancel {
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the request is made; at once where it was made already.
    pub async fn cancelled(&self) {
        let mut requests = self.0.subscribe();
        drop(requests.wait_for(|requested| *requested).await.expect("the sender lives as long as `self`"));
    }
}
