//! What a run tells while it goes: the report listens, and decides nothing.

use crate::address::Address;
use crate::change::Action;
use crate::execute::Fate;

/// The events of one change come in this order: steps of its unit files, `ChangeStarted`, its own steps, `ChangeEnded`.
/// A change that is not begun has a `ChangeEnded` alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    ChangeStarted {
        address: Address,
        action: Action,
    },
    StepStarted {
        address: Address,
        text: String,
    },
    /// One short line that replaces the one before it.
    Progress {
        address: Address,
        text: String,
    },
    StepEnded {
        address: Address,
        text: String,
        failed: bool,
    },
    /// Something failed or the run was interrupted: what the change had done is being taken back.
    Undoing {
        address: Address,
    },
    ChangeEnded {
        address: Address,
        action: Action,
        fate: Fate,
    },
    /// Systemd is being reloaded, once for all unit files of a direction.
    Reloading,
}
