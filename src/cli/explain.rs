//! `stackctl explain`: what a code means, and where it is seen now.

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure, exit_of};
use super::ui::Ui;
use crate::change::{Risk, Severity};
use crate::diagnostic::nearest;
use crate::plan;
use crate::report::explain::{ExplainJson, MEANINGS, human};

/// Tell what a code of a plan means, where it is seen, and what to do about it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl explain DB_SHRUNK")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// As a plan gives it, such as PORT_TAKEN
    #[arg(value_name = "CODE")]
    pub code: String,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let Some(meaning) = MEANINGS.iter().find(|meaning| meaning.code.eq_ignore_ascii_case(&args.code)) else {
        let unknown = Failure::new(Exit::Usage, format!("there is no code `{}`", args.code.escape_debug()));
        let codes = MEANINGS.iter().map(|meaning| meaning.code);
        return Err(match nearest(&args.code.to_uppercase(), codes.clone()) {
            Some(near) => unknown.hint(format!("did you mean {near}?")),
            None => unknown.hint(format!("there are {}", codes.collect::<Vec<_>>().join(", "))),
        });
    };
    let seen = seen(meaning.code, common, ui);
    let of_it = Risk { code: meaning.code, severity: Severity::Critical, message: String::new(), remedies: Vec::new() };
    let explained = ExplainJson::new(meaning, exit_of(&of_it).code(), seen.as_deref());
    if ui.is_json() {
        ui.document(&explained);
    } else {
        ui.result(&human(&explained));
    }
    Ok(Exit::Done)
}

/// None where there is no stack file that can be used: the code is explained all the same.
fn seen(code: &str, common: &Common, ui: &Ui) -> Option<Vec<Risk>> {
    let surroundings = app::surroundings().ok()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui).ok()?;
    let options = plan::Options { deep: true, layers: true, ..plan::Options::default() };
    let looking = app::block_on(async {
        let app = app::open_to_look(loaded, common, &surroundings);
        let (_, plan) = app.planned(&options, |observed| app.plan(observed, &options)).await?;
        Ok(plan.all_risks().map(|(_, risk)| risk).filter(|risk| risk.code == code).cloned().collect())
    });
    looking.ok()
}
