//! The kinds, one folder each; reading each `steps.rs` or `steps/` down shows every effect of the tool. A kind does no I/O.
//! `contract.rs`, `quarantine.rs`, `labels.rs`, `named.rs`, `unit/` and `quadlet.rs` are what several of them share.

pub mod config;
pub mod container;
mod contract;
pub mod database;
pub mod directory;
mod env_file;
pub mod file;
pub mod image;
pub mod labels;
mod named;
pub mod network;
mod quadlet;
mod quarantine;
pub mod secret;
pub mod service;
pub mod timer;
pub mod unit;
pub mod volume;

use crate::desired::Kind;

/// Every kind of the tool, in the order in which their objects are listed.
pub const ALL: &[&Kind] = &[
    &directory::KIND,
    &file::KIND,
    &network::KIND,
    &volume::KIND,
    &secret::KIND,
    &config::KIND,
    &image::KIND,
    &container::KIND,
    &database::KIND,
    &service::KIND,
    &timer::KIND,
];
