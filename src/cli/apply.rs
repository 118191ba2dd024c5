//! `stackctl apply`: brings the machine to what the stack file says.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::app;
use super::args::{Common, Consent};
use super::carry::{self, Wish};
use super::failure::{Exit, Failure};
use super::plan::Options;
use super::ui::Ui;

/// Bring the machine to what the stack file says
///
/// Shows the plan, asks, carries it out, and looks again: unless everything is then as the file says, it fails.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stackctl apply -f stack.yaml\n  stackctl apply --yes --prune --format json\n  stackctl plan -o change.plan && stackctl apply change.plan"
)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Carry out exactly this plan, saved with `plan -o`; refused with exit code 7 where it is stale
    #[arg(value_name = "FILE")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub options: Options,
    #[command(flatten)]
    pub consent: Consent,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let Some(file) = &args.plan else {
        return carry::run(Wish::Apply(&args.options), args.consent, common, ui);
    };
    if common.names_a_stack() || !args.options.is_empty() {
        return Err(Failure::new(Exit::Usage, "a saved plan says itself of which files and with which options it is")
            .hint("Apply it alone:")
            .hint(format!("  stackctl apply {}", file.display())));
    }
    let saved = app::saved_plan(file)?;
    let given: BTreeSet<String> = common.vars.iter().map(|(name, _)| name.clone()).collect();
    if given != saved.vars {
        let names: Vec<String> = saved.vars.iter().map(|name| format!("--var {name}=…")).collect();
        return Err(Failure::new(Exit::Usage, format!("the plan was made with {}", names.join(" ")))
            .hint("Give the same variables again; their values are not saved."));
    }
    let common = common.of_saved(&saved);
    carry::run(Wish::Saved { plan: &saved, all: args.options.all }, args.consent, &common, ui)
}
