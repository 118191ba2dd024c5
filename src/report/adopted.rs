//! What `stackctl adopt` has taken over, for people and programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::FORMAT_VERSION;
use crate::address::Address;

/// What `stackctl adopt --format json` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "Adoption")]
pub struct AdoptedJson<'a> {
    /// Version of this format.
    pub format_version: &'static str,
    /// The stack's name.
    pub stack: &'a str,
    /// What it is in the stack file.
    pub address: &'a Address,
    /// The object's name on the machine.
    pub name: &'a str,
}

impl<'a> AdoptedJson<'a> {
    pub fn new(stack: &'a str, address: &'a Address, name: &'a str) -> Self {
        Self { format_version: FORMAT_VERSION, stack, address, name }
    }
}

pub fn human(adopted: &AdoptedJson<'_>) -> String {
    let AdoptedJson { format_version: _, stack, address, name } = adopted;
    format!(
        "{address} is `{name}` from now on: it belongs to stack {stack}.\nNothing of it was touched. See what differs:\n  stackctl plan --target {address}\n"
    )
}
