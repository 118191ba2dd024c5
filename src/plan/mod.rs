//! PLAN, pure: desired, observed and last-applied in, a `Plan` out. No I/O, no clock, no environment.
//!
//! What is decided is decided here: execution has no meaningful choice left.

pub mod diff;
mod going;
mod hand_over;
mod inputs;
mod make;
mod options;
mod order;
mod ports;
pub mod preflight;
mod restarting;
mod saved;
mod together;

use crate::address::Address;
use crate::change::{Action, Change, Risk, Severity, Step};
use crate::effect::{Effect, Podman};

pub use going::{PROTECTED, destroy};
pub use inputs::Inputs;
pub use make::plan;
pub use options::Options;
pub use restarting::{restart, still_down};
pub use saved::{Asked, Saved};

/// What is going to be done, and what was seen on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub stack: String,
    /// In an order that respects every edge; `Change::after` says which must have ended before which.
    pub changes: Vec<Change>,
    /// Addresses that need nothing.
    pub unchanged: Vec<Address>,
    /// Risks that belong to no change.
    pub risks: Vec<Risk>,
    pub unknown: Vec<Unknown>,
    /// One-line remarks, such as that there is no user manager.
    pub notes: Vec<String>,
    /// Unit files on disk are newer than systemd's last load: reload even where no unit is written.
    pub reload_due: bool,
    /// For destroy: data that stays, as `address: where`.
    pub kept: Vec<Kept>,
}

/// Data that a destroy leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub address: Address,
    pub place: String,
}

/// What could not be told, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Unknown {
    /// Which one.
    pub address: Address,
    /// What kept it from being told.
    pub why: String,
}

/// The numbers of the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// Created or pulled.
    pub add: usize,
    /// Updated, reloaded, restarted, started or finished.
    pub change: usize,
    /// Replaced.
    pub replace: usize,
    /// Deleted.
    pub destroy: usize,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.reload_due
    }

    pub fn summary(&self) -> Summary {
        let count = |wanted: fn(Action) -> bool| self.changes.iter().filter(|change| wanted(change.action)).count();
        Summary {
            add: count(|action| action == Action::Create),
            change: count(|action| {
                matches!(action, Action::Finish | Action::Start | Action::Update | Action::Reload | Action::Restart)
            }),
            replace: count(|action| action == Action::Replace),
            destroy: count(|action| action == Action::Delete),
        }
    }

    /// Whose containers are removed on the way, be it for another one of the name.
    pub fn letting_go(&self) -> impl Iterator<Item = &Address> {
        let removes = |step: &Step| matches!(step.effect, Effect::Podman(Podman::RemoveContainer { .. }));
        self.changes.iter().filter(move |change| change.steps.all().any(removes)).map(|change| &change.address)
    }

    /// Every risk, of the plan and of its changes, with the address where it has one.
    pub fn all_risks(&self) -> impl Iterator<Item = (Option<&Address>, &Risk)> {
        let own = self.risks.iter().map(|risk| (None, risk));
        own.chain(self.changes.iter().flat_map(|change| change.risks.iter().map(|risk| (Some(&change.address), risk))))
    }

    /// Risks that keep `apply` from starting.
    pub fn blocking(&self) -> impl Iterator<Item = (Option<&Address>, &Risk)> {
        self.all_risks().filter(|(_, risk)| risk.severity == Severity::Critical)
    }
}
