//! A run and what the machine still lacks after it, for people and for programs.

pub mod human;
pub mod json;
#[cfg(test)]
mod tests;

pub use human::human;
pub use json::RunJson;

use super::text::Look;
use crate::execute::Run;
use crate::plan::Plan;
use crate::report::kept::KeptData;

/// What the faces of a run are made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// `Apply`, `Destroy`: the word that opens the last line.
    pub verb: &'a str,
    /// What was to be done.
    pub plan: &'a Plan,
    /// What became of it.
    pub run: &'a Run,
    /// The plan made afterwards.
    pub remaining: &'a Plan,
    /// What there is to say when everything is as wanted.
    pub wanted: &'a str,
    /// Data that a destroy leaves.
    pub kept: &'a [KeptData],
    /// Everything was done, and the plan made afterwards is empty.
    pub converged: bool,
    pub exit_code: u8,
    pub look: Look,
}
