//! What the verbs want of the ledger, so that tests can hand them a table in its place.

use std::collections::BTreeMap;

use serde_json::Value;

use super::failure::{Exit, Failure};
use crate::address::Address;
use crate::execute::Journal;
use crate::ledger::Origin;
use crate::observed::Facts;
use crate::plan::Plan;

/// What is remembered, for verbs that only look.
pub trait Memory {
    /// # Errors
    /// It cannot be read.
    fn facts(&self) -> impl Future<Output = Result<Facts, Failure>>;
}

/// What is kept about a stack between runs; the ledger, or a table in a test.
pub trait Records: Memory {
    type Run: Journal;

    /// Opens a run, durably, before its first effect; one that can be taken back with what it is made from.
    ///
    /// # Errors
    /// It cannot be written; nothing may be done then.
    fn begin(&self, verb: &str, plan: &Plan, origin: Option<&Origin>) -> Result<Self::Run, Failure>;

    /// Closes it.
    ///
    /// # Errors
    /// It cannot be written; what was done on the machine stays done.
    fn end(&self, run: Self::Run, exit: Exit) -> Result<(), Failure>;

    /// Keeps what only the ledger can keep: facts by their keys, those of addresses that are gone dropped.
    ///
    /// # Errors
    /// It cannot be written.
    fn keep(&self, facts: &BTreeMap<String, Value>, gone: &[Address]) -> Result<(), Failure>;
}
