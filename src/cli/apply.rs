//! `stackctl apply`: brings the machine to what the stack file says.

use super::args::Common;
use super::carry::{self, Wish};
use super::failure::{Exit, Failure};
use super::plan::Options;
use super::ui::Ui;

/// Bring the machine to what the stack file says
///
/// Shows the plan, asks, carries it out, and looks again: unless everything is then as the file says, it fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl apply -f stack.yaml\n  stackctl apply --yes --prune --format json")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub options: Options,
    #[command(flatten)]
    pub consent: Consent,
}

/// Options of every verb that changes the machine.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Consent {
    /// Do not ask; it confirms the plan, never a guard
    #[arg(short, long)]
    pub yes: bool,
    /// Work at so many changes at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallelism: u8,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    carry::run(Wish::Apply(&args.options), args.consent, common, ui)
}
