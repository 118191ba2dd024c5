//! `stackctl rollback`: takes a run back, with everything that came after it.

use super::args::{Accept, Common, Consent};
use super::carry::{self, Wish};
use super::failure::{Exit, Failure};
use super::ui::Ui;

/// Go back to how the stack was before a run
///
/// The configuration is that of the stack file then, and a name that means another image by now means the old one again. Data stays as it
/// is, unless --data asks for the copies that were made of it; what they replace is set aside beside them. The stack file is not written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl rollback\n  stackctl rollback 12 --data --yes")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// The first run that is taken back, as `stackctl history` numbers them; else the last one
    #[arg(value_name = "RUN")]
    pub run: Option<i64>,
    /// Bring back the copies that were made of the data since that run began
    #[arg(long)]
    pub data: bool,
    /// Remove what the stack did not have then; its data stays
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub accept: Accept,
    #[command(flatten)]
    pub consent: Consent,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let exit = carry::run(Wish::Rollback(args), args.consent, common, ui)?;
    if exit == Exit::Done {
        ui.status(
            "The stack file was not written: where it says otherwise, the next `stackctl apply` brings that again.\n",
        );
    }
    Ok(exit)
}
