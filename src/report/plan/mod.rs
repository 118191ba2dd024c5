//! A plan, for people and for programs. What is shown is the plan alone; what apply makes of it never depends on this.

pub mod attribute;
pub mod human;
pub mod json;
#[cfg(test)]
mod tests;

pub use human::{changes, human, risks};
pub use json::{ChangeJson, PlanJson};

use super::kept::KeptData;
use super::text::Look;
use crate::plan::Plan;

/// What the faces of a plan are made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub plan: &'a Plan,
    /// What holds when nothing is to be done, as a sentence: `The machine is as stack.yaml says.`
    pub wanted: &'a str,
    /// Show what needs nothing too.
    pub all: bool,
    /// For destroy: the data that stays.
    pub kept: &'a [KeptData],
    pub look: Look,
}
