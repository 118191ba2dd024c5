//! A plan for programs (design §4). Keys that a plan mostly has no use for are left out where they would say nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::View;
use crate::address::Address;
use crate::change::{Action, AttributeChange, Change, Risk};
use crate::plan::{Plan, Summary, Unknown};
use crate::report::kept::KeptData;
use crate::report::words::FORMAT_VERSION;

/// What `plan --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlanJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// What would be done, in an order that respects every dependency.
    pub changes: Vec<ChangeJson<'a>>,
    /// Risks that belong to no change.
    pub risks: &'a [Risk],
    /// What could not be told, and why; nothing is done to it.
    pub unknown: &'a [Unknown],
    /// The numbers of the last line.
    pub summary: Summary,
    /// Remarks of one line.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub notes: &'a [String],
    /// Systemd would be made to read its unit files again though none changes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reload_due: bool,
    /// Of destroy: data that stays.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub kept: &'a [KeptData],
}

/// One change of a plan.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangeJson<'a> {
    /// What it is done to.
    pub address: &'a Address,
    /// What is done.
    pub action: Action,
    /// Phrases for people: why this action.
    pub reasons: &'a [String],
    /// What differs. A secret stands here as a keyed hash.
    pub attributes: &'a [AttributeChange],
    /// Risks that belong to this change.
    pub risks: &'a [Risk],
}

impl<'a> From<&'a Change> for ChangeJson<'a> {
    fn from(change: &'a Change) -> Self {
        let Change { address, action, reasons, attributes, risks, steps: _, after: _ } = change;
        Self { address, action: *action, reasons, attributes, risks }
    }
}

impl<'a> From<&View<'a>> for PlanJson<'a> {
    fn from(view: &View<'a>) -> Self {
        let View { plan, wanted: _, all, kept, look: _ } = *view;
        let Plan { stack, changes, unchanged, risks, unknown, notes, reload_due, kept: _ } = plan;
        let unchanged = if all { unchanged.as_slice() } else { &[] };
        let nothing = unchanged.iter().map(|address| ChangeJson {
            address,
            action: Action::None,
            reasons: &[],
            attributes: &[],
            risks: &[],
        });
        Self {
            format_version: FORMAT_VERSION,
            stack,
            changes: changes.iter().map(ChangeJson::from).chain(nothing).collect(),
            risks,
            unknown,
            summary: plan.summary(),
            notes,
            reload_due: *reload_due,
            kept,
        }
    }
}
