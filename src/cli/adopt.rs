//! `stackctl adopt`: what somebody made by hand becomes this stack's, in the ledger and its mirror, since podman labels nothing
//! after the fact. Nothing on the machine is touched.

use std::collections::BTreeMap;

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure};
use super::records::Records as _;
use super::ui::Ui;
use crate::address::Address;
use crate::plan;
use crate::report::adopted::{AdoptedJson, human};

/// Take over an object that stands under a declared name and was made by somebody else
///
/// A container, a network, a volume or a file. Nothing of it is touched; the next plan tells what differs, and what that costs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl adopt volume.notes\n  stackctl plan")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Of the resource, as the stack file declares it
    address: Address,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Change, ui)?;
    let address = &args.address;
    if !loaded.desired.resources.contains_key(address) {
        return Err(Failure::new(Exit::Usage, format!("{} declares no {address}", loaded.source))
            .hint("Declare it first, under the name that it has on the machine."));
    }
    let lock = app::lock(&loaded, &surroundings)?;
    let stack = loaded.desired.stack.clone();
    let name = app::block_on(async {
        let app = app::open(loaded, common, &surroundings)?;
        let observed = app.look(&plan::Options::default()).await?;
        let resource = app.desired.resources[address].as_ref();
        let (name, facts): (String, BTreeMap<_, _>) = app::adopted(resource, &observed, &stack)?;
        app.records.keep(&facts, &[])?;
        Ok::<_, Failure>(name)
    })?;
    drop(lock);
    let adopted = AdoptedJson::new(&stack, address, &name);
    if ui.is_json() {
        ui.document(&adopted);
    } else {
        ui.result(&human(&adopted));
    }
    Ok(Exit::Done)
}
