//! `stackctl destroy`: takes the stack down and leaves its data.

use std::collections::BTreeSet;

use super::args::{Accept, Common, Consent};
use super::carry::{self, Wish};
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::address::Address;
use crate::diagnostic::nearest;
use crate::plan::Plan;

/// What holds data that can be named.
const KINDS: [&str; 2] = ["volume", "directory"];

/// Take the stack down; its data stays
///
/// Removes containers, units and networks. Volumes, directories and images stay and are listed with their places, but for data that is
/// named.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stackctl destroy -f stack.yaml\n  stackctl destroy --data volume.notes --accept PROTECTED:volume.notes"
)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Remove the data of this volume or directory too, for good; may be given again
    #[arg(long = "data", value_name = "NAME")]
    pub data: Vec<String>,
    #[command(flatten)]
    pub accept: Accept,
    #[command(flatten)]
    pub consent: Consent,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    carry::run(Wish::Destroy(&args.accept, &args.data), args.consent, common, ui)
}

/// A name without its kind is that of a volume or of a directory.
///
/// # Errors
/// It can be the name of neither.
pub(super) fn data(names: &[String]) -> Result<BTreeSet<Address>, Failure> {
    let mut all = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(Failure::new(Exit::Usage, "--data wants the name of what is to go"));
        }
        let given = name.parse::<Address>().ok().filter(|address| KINDS.contains(&address.kind()));
        match given {
            Some(address) => drop(all.insert(address)),
            None => all.extend(KINDS.map(|kind| Address::new(kind, name.clone()))),
        }
    }
    Ok(all)
}

/// # Errors
/// One of them stands for nothing that is there.
pub(super) fn check(named: &BTreeSet<Address>, plan: &Plan) -> Result<(), Failure> {
    let goes = |address: &Address| plan.changes.iter().any(|change| change.address == *address);
    let unknown = |address: &&Address| !named.iter().any(|other| other.name() == address.name() && goes(other));
    let Some(address) = named.iter().find(unknown) else { return Ok(()) };
    let failure =
        Failure::new(Exit::Usage, format!("there is no data of the name {}; nothing was done", address.name()));
    let names: Vec<&str> = plan.kept.iter().map(|kept| kept.address.name()).collect();
    Err(match nearest(address.name(), names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint("`stackctl destroy` lists what stays, and then asks"),
    })
}
