//! What a plan is made of: actions with their causes, risks, and steps. Plain data; nothing here decides anything.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::address::Address;
use crate::effect::Effect;

/// What is done to an address, from the cheapest to the dearest; the order is the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    None,
    /// Half done by an earlier run: what is left is the tail of that change.
    Finish,
    Start,
    Update,
    Reload,
    Restart,
    Replace,
    Create,
    Delete,
}

/// Who made desired and observed differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The stack file changed since the last apply.
    File,
    /// The machine changed behind the tool's back.
    Machine,
    Both,
}

/// One attribute that differs. Secrets stand here only as keyed hashes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AttributeChange {
    /// Such as `ports` or `environment.OLLAMA_HOST`.
    pub path: String,
    /// What the machine has; null where it has nothing.
    pub before: Value,
    /// What it is to have; null where it is to have nothing.
    pub after: Value,
    /// Who made them differ.
    pub cause: Cause,
    #[serde(skip)]
    pub on_change: Action,
}

/// `info` is never drift; a `critical` risk keeps `apply` from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// Something the plan warns of. A critical one keeps `apply` from starting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Risk {
    /// Stable, such as `PORT_TAKEN`; looked up with `stackctl explain`.
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What was seen, with names.
    pub message: String,
    /// What to do about it: whole sentences, or commands to copy, one a line.
    pub remedies: Vec<String>,
}

/// Steps one after the other.
pub fn joined<const N: usize>(parts: [Vec<Step>; N]) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

/// One call of the machine, the calls that take it back, and whether it is the point of no return of its change.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub effect: Effect,
    /// Made in this order. More than one where an earlier run's half is taken back with this one's.
    pub undo: Vec<Effect>,
    /// From this step on nothing of the change is undone: it only rolls forward.
    pub commit: bool,
}

pub fn step(effect: Effect) -> Step {
    Step { effect, undo: Vec::new(), commit: false }
}

impl Step {
    pub fn undo(mut self, effect: Effect) -> Self {
        self.undo.push(effect);
        self
    }

    pub fn commit(mut self) -> Self {
        self.commit = true;
        self
    }
}

/// The steps of one change. Unit files are written and removed outside the walk over the graph, so that systemd is
/// reloaded once before it and once after it, whatever the number of units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// Unit files and their enablement, before the reload that precedes the walk.
    pub prepare: Vec<Step>,
    /// The change itself.
    pub main: Vec<Step>,
    /// Unit files that go, before the reload that follows the walk.
    pub finish: Vec<Step>,
}

impl Steps {
    pub fn all(&self) -> impl Iterator<Item = &Step> {
        self.prepare.iter().chain(&self.main).chain(&self.finish)
    }
}

/// One row of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub address: Address,
    pub action: Action,
    /// Whole phrases for people: why this action. Never an input of apply.
    pub reasons: Vec<String>,
    pub attributes: Vec<AttributeChange>,
    pub risks: Vec<Risk>,
    pub steps: Steps,
    /// Changes of the same plan that come before this one.
    pub after: Vec<After>,
}

/// A change that comes before another, and how far it must be when that one begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct After {
    pub on: Address,
    pub until: Until,
}

/// From the least to the most. Where a change fails before it is that far, what waits for it does not begin, but for an
/// `Ended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// It has ended, well or not: an order and no need.
    Ended,
    /// What it starts runs; whether that gets healthy is not waited for.
    Started,
    /// It has ended well.
    Done,
}

/// `1.2 GB`, in powers of a thousand as `df -H` and the registries count.
pub fn in_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}
