//! `stackctl restart`: restarts what is there, as it is.

use std::collections::BTreeSet;

use super::app::Loaded;
use super::args::{Accept, Common, Consent};
use super::carry::{self, Wish};
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::address::Address;
use crate::desired::Resource;
use crate::diagnostic::nearest;

/// Restart the stack, or some of it, in the order of its dependencies
///
/// What changed in the stack file stays as it is until `apply`. What runs once is restarted only where it is named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl restart\n  stackctl restart container.open-webui --yes")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Restart these alone, with those that live with them; a name without its kind will do
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    #[command(flatten)]
    pub accept: Accept,
    #[command(flatten)]
    pub consent: Consent,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    carry::run(Wish::Restart(&args.addresses, &args.accept), args.consent, common, ui)
}

/// # Errors
/// The stack declares none of this name, or what cannot be restarted.
pub(super) fn chosen(names: &[String], loaded: &Loaded) -> Result<BTreeSet<Address>, Failure> {
    names.iter().map(|name| one(name, loaded)).collect()
}

fn one(name: &str, loaded: &Loaded) -> Result<Address, Failure> {
    let resources = loaded.desired.resources.values().map(AsRef::as_ref);
    let mut all = resources.filter(|resource| resource.liveness().is_some()).map(Resource::address);
    let is_meant = |address: &&Address| address.as_str() == name || address.name() == name;
    if let Some(address) = all.clone().find(is_meant) {
        return Ok(address.clone());
    }
    let unknown = Failure::new(Exit::Usage, format!("{} declares nothing that runs as {name}", loaded.source));
    Err(match nearest(name, all.clone().flat_map(|address| [address.as_str(), address.name()])) {
        Some(near) => unknown.hint(format!("did you mean {near}?")),
        None => match all.next() {
            Some(first) => unknown.hint(format!("write it as {first}; `stackctl status` shows what runs")),
            None => unknown,
        },
    })
}
