//! `stackctl drift`: the read-only comparison for cron. It says nothing where there is nothing to say.

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure, has_risks};
use super::ui::Ui;
use crate::plan::{self, Plan};
use crate::report::plan::{PlanJson, View, human};

/// Tell whether the machine is still as the stack file says, and change nothing
///
/// Exits with 0 and prints nothing where it is, with 2 where it is not or a risk is seen, with 1 where something could not be told.
/// Every container is inspected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  */15 * * * * stackctl drift -f ~/stack.yaml || mail -s drift me < /dev/null")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    let options = plan::Options { deep: true, layers: true, ..plan::Options::default() };
    app::block_on(async {
        let app = app::open_to_look(loaded, common, &surroundings);
        let (_, plan) = app.planned(&options, |observed| app.plan(observed, &options)).await?;
        let exit = exit(&plan);
        let wanted = app.wanted(&options);
        let view = View { plan: &plan, wanted: &wanted, all: false, kept: &[], look: ui.look() };
        if ui.is_json() {
            ui.document(&PlanJson::from(&view));
        } else if exit != Exit::Done {
            ui.result(&human(&view));
        }
        Ok(exit)
    })
}

/// What could not be told comes before what was seen; a conflict is drift as any other.
fn exit(plan: &Plan) -> Exit {
    let unknown = (!plan.unknown.is_empty()).then_some(Exit::Failed);
    let differs = (!plan.is_empty() || has_risks(plan)).then_some(Exit::Changes);
    Exit::first(unknown.into_iter().chain(differs))
}

#[cfg(test)]
mod tests {
    use super::exit;
    use crate::address::Address;
    use crate::change::{Risk, Severity};
    use crate::cli::failure::Exit;
    use crate::plan::{Plan, Unknown};

    #[test]
    fn a_conflict_is_drift_and_what_is_unknown_comes_first() {
        let risk = |code, severity| Risk { code, severity, message: String::new(), remedies: Vec::new() };
        let risky = |code, severity| Plan { risks: vec![risk(code, severity)], ..Plan::default() };
        let unknown = Unknown { address: Address::new("container", "x"), why: String::new() };
        for (plan, wanted) in [
            (Plan::default(), Exit::Done),
            (risky("ORPHAN", Severity::Info), Exit::Done),
            (risky("PORT_TAKEN", Severity::Critical), Exit::Changes),
            (risky("DB_EMPTY", Severity::Critical), Exit::Changes),
            (Plan { reload_due: true, ..Plan::default() }, Exit::Changes),
            (Plan { unknown: vec![unknown], ..risky("DB_EMPTY", Severity::Critical) }, Exit::Failed),
        ] {
            assert_eq!(exit(&plan), wanted, "{plan:?}");
        }
    }
}
