//! `stackctl plan`: shows what apply would do. It is handed a machine that can only be looked at.

use super::app::{self, App, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure, blocked, has_risks};
use super::ui::Ui;
use crate::cli::records::Memory;
use crate::machine::Observe;
use crate::plan::Plan;
use crate::report::plan::{PlanJson, View, human};

/// Show what apply would change, and change nothing
///
/// Symbols: + create, ~ update, reload or restart, > start or finish, -/+ replace, - delete, ! risk, ? could not be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl plan --detailed-exitcode || echo \"changes, or an error\"")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Exit with 2 where there are changes or risks, with 1 where something could not be told
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub shown: Shown,
}

/// What of a plan is shown; `apply` takes it too.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Shown {
    /// Show what needs nothing, too
    #[arg(long)]
    pub all: bool,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    app::block_on(async {
        let app = app::open_to_look(loaded, common, &surroundings);
        show(&app, args, ui).await
    })
}

async fn show(app: &App<impl Observe, impl Memory>, args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let plan = app.plan(&app.look().await?);
    let wanted = app.wanted();
    let view = View { plan: &plan, wanted: &wanted, all: args.shown.all, kept: &[], look: ui.look() };
    if ui.is_json() {
        ui.document(&PlanJson::from(&view));
    } else {
        ui.result(&human(&view));
    }
    Ok(exit(&plan, args.detailed_exitcode))
}

/// A conflict is 6 whether or not the code is asked to tell more. Guards of data never make a plan fail: it is where they are read.
pub(super) fn exit(plan: &Plan, detailed: bool) -> Exit {
    let conflict = blocked(plan).filter(|exit| *exit == Exit::Preflight);
    let unknown = (detailed && !plan.unknown.is_empty()).then_some(Exit::Failed);
    let changes = (detailed && (!plan.is_empty() || has_risks(plan))).then_some(Exit::Changes);
    Exit::first(conflict.into_iter().chain(unknown).chain(changes))
}

#[cfg(test)]
mod tests {
    use super::exit;
    use crate::address::Address;
    use crate::change::{Risk, Severity};
    use crate::cli::failure::Exit;
    use crate::plan::{Plan, Unknown};

    fn risky(code: &'static str, severity: Severity) -> Plan {
        let risk = Risk { code, severity, message: String::new(), remedies: Vec::new() };
        Plan { risks: vec![risk], ..Plan::default() }
    }

    #[test]
    fn the_exit_code_tells_only_what_it_is_asked_to_tell() {
        let changed = Plan { reload_due: true, ..Plan::default() };
        let unknown = Unknown { address: Address::new("container", "x"), why: String::new() };
        let unknown = Plan { unknown: vec![unknown], reload_due: true, ..Plan::default() };
        for (plan, plain, detailed) in [
            (&Plan::default(), Exit::Done, Exit::Done),
            (&changed, Exit::Done, Exit::Changes),
            (&unknown, Exit::Done, Exit::Failed),
            (&risky("ORPHAN", Severity::Info), Exit::Done, Exit::Done),
            (&risky("LAN_EXPOSED", Severity::Warning), Exit::Done, Exit::Changes),
            (&risky("DB_EMPTY", Severity::Critical), Exit::Done, Exit::Changes),
            (&risky("PORT_TAKEN", Severity::Critical), Exit::Preflight, Exit::Preflight),
        ] {
            assert_eq!((exit(plan, false), exit(plan, true)), (plain, detailed), "{plan:?}");
        }
    }
}
