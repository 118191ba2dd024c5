//! `stackctl destroy`: takes the stack down and leaves its data.

use super::args::{Accept, Common, Consent};
use super::carry::{self, Wish};
use super::failure::{Exit, Failure};
use super::ui::Ui;

/// Take the stack down; its data stays
///
/// Removes containers, units and networks. Volumes, directories and images stay and are listed with their places.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl destroy -f stack.yaml")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub accept: Accept,
    #[command(flatten)]
    pub consent: Consent,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    carry::run(Wish::Destroy(&args.accept), args.consent, common, ui)
}
