//! All tests in one binary.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at files and drive the test host")]

mod cli;
mod conformance;
mod dependencies;
mod host;
mod plans;
mod schemas;
mod simulation;
mod stacks;
mod tidy;
