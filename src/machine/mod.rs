//! The only seam to the machine: two traits, and the real machine behind them. Nothing else in the crate knows podman,
//! systemd, the file system or the clock.
//!
//! A verb that only looks is handed an `impl Observe`: that plan, drift and status cannot change anything is said by the
//! compiler. What a call means is decided elsewhere; here it is made, and its answer or failure is told.

pub mod clock;
pub mod copy_out;
pub mod data;
pub mod files;
mod head;
pub mod host;
pub mod http;
pub mod inside;
pub mod layer;
pub mod podman;
pub mod real;
pub mod snapshot;
pub mod systemd;

use crate::effect::Effect;
use crate::observed::{Observed, Query};

/// Of a log, where its last lines explain a failure: they still fit on a screen beside the rest.
const LOG_LINES: usize = 20;

/// Looking. Cannot change anything (podman's API service may be started by its socket, which systemd does).
pub trait Observe {
    /// Answers what was asked, all at once. It does not fail: what cannot be told is `Unknown` in the answer.
    fn observe(&self, query: &Query) -> impl Future<Output = Observed>;
}

/// Doing.
pub trait Perform: Observe {
    /// Makes one call. A call that finds its end already reached (stopped a stopped container, removed an absent one)
    /// is done, not failed: after a crash the same step may be made again.
    ///
    /// # Errors
    /// What the machine answered, in words that a person can act on.
    fn perform(&self, effect: &Effect, progress: &Progress<'_>) -> impl Future<Output = Result<(), Failure>>;
}

/// Where a long call tells how far it is: one short line, replaced by the next.
pub type Progress<'a> = dyn Fn(&str) + 'a;

/// What came of a call that did not succeed; `kind` says what the caller can make of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    /// The machine's own words, with the names; no full stop.
    pub message: String,
    /// Last lines of the log of what failed to start, oldest first, at most 20.
    pub log: Vec<String>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The machine said no; nothing was changed.
    Refused,
    NotFound,
    /// A name, a port or an object is held by another.
    Conflict,
    /// No answer in time; whether anything was changed is not known.
    Timeout,
    /// The connection broke after the request was sent; whether anything was changed is not known.
    LostReply,
    /// No connection at all; nothing was changed.
    Unreachable,
    /// What was started did not come up as promised: it exited, or never got healthy.
    NotUp,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), log: Vec::new(), hint: None }
    }

    pub fn log(mut self, log: Vec<String>) -> Self {
        self.log = log;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
