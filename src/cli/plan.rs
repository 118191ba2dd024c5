//! `stackctl plan`: shows what apply would do. It is handed a machine that can only be looked at.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::app::{self, App, Loaded, Purpose};
use super::args::{Accept, Common};
use super::failure::{Exit, Failure, blocked, has_risks};
use super::ui::Ui;
use crate::address::Address;
use crate::cli::records::Memory;
use crate::diagnostic::nearest;
use crate::machine::Observe;
use crate::plan::{self, Plan};
use crate::report::plan::{PlanJson, View, human};

/// Show what apply would change, and change nothing
///
/// Symbols: + create, ~ update, reload or restart, > start or finish, -/+ replace, - delete, ! risk, ? could not be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stackctl plan --detailed-exitcode || echo \"changes, or an error\"\n  stackctl plan --target container.ollama"
)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Exit with 2 where there are changes or risks, with 1 where something could not be told
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Save the plan, for `apply FILE` to carry out exactly it
    #[arg(short, long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub options: Options,
}

/// What is planned, and what of it is shown; `apply` takes it too.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Show what needs nothing, too
    #[arg(long)]
    pub all: bool,
    /// Plan this one and what it depends on, and nothing else; may be given again
    #[arg(long = "target", value_name = "ADDRESS")]
    targets: Vec<Address>,
    /// Leave this one out, and what depends on it; may be given again
    #[arg(long = "exclude", value_name = "ADDRESS")]
    excludes: Vec<Address>,
    /// Replace this one, whether anything differs or not; may be given again
    #[arg(long = "replace", value_name = "ADDRESS")]
    replace: Vec<Address>,
    /// Remove what left the stack file; its data stays
    #[arg(long)]
    prune: bool,
    /// Ask the registries whether they have newer images under the same names; elsewhere only `pull: always` does
    #[arg(long)]
    check_updates: bool,
    /// Inspect every container; in a stack of more than 50 only those are that their labels say differ
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    accept: Accept,
}

impl Options {
    /// Does a saved plan say already what these would say?
    pub fn is_empty(&self) -> bool {
        let Options { all: _, targets, excludes, replace, prune, check_updates, deep, accept } = self;
        [targets, excludes, replace].iter().all(|addresses| addresses.is_empty())
            && !prune
            && !check_updates
            && !deep
            && accept.accept.is_empty()
    }

    /// # Errors
    /// The stack declares no such resource, or one that is never replaced.
    pub fn chosen(&self, loaded: &Loaded) -> Result<plan::Options, Failure> {
        let Options { all: _, targets, excludes, replace, prune, check_updates, deep, accept } = self;
        let declared = &loaded.desired.resources;
        // What left the file is declared nowhere.
        let accepted = accept.accept.iter().map(|(_, address)| address).filter(|_| !prune);
        let mut named = [targets, excludes, replace].into_iter().flatten().chain(accepted);
        if let Some(address) = named.find(|address| !declared.contains_key(*address)) {
            let names: Vec<String> = declared.keys().map(Address::to_string).collect();
            let unknown = Failure::new(Exit::Usage, format!("{} declares no {address}", loaded.source));
            return Err(match nearest(&address.to_string(), names.iter().map(String::as_str)) {
                Some(near) => unknown.hint(format!("did you mean {near}?")),
                None => unknown.hint("`stackctl graph` shows what it declares"),
            });
        }
        if let Some(never) = replace.iter().find(|address| !app::is_replaceable(address)) {
            return Err(Failure::new(Exit::Usage, format!("a {} is never replaced: {never}", never.kind())));
        }
        let set = |addresses: &[Address]| addresses.iter().cloned().collect();
        Ok(plan::Options {
            targets: set(targets),
            excludes: set(excludes),
            replace: set(replace),
            prune: *prune,
            check_updates: *check_updates,
            deep: *deep,
            layers: false,
            data: BTreeSet::new(),
            accept: accept.set(),
        })
    }
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    let options = args.options.chosen(&loaded)?;
    app::block_on(async {
        let app = app::open_to_look(loaded, common, &surroundings);
        show(&app, args, common, &options, ui).await
    })
}

async fn show(
    app: &App<impl Observe, impl Memory>,
    args: &Args,
    common: &Common,
    options: &plan::Options,
    ui: &Ui,
) -> Result<Exit, Failure> {
    let (observed, plan) = app.planned(options, |observed| app.plan(observed, options)).await?;
    let wanted = app.wanted(options);
    let view = View { plan: &plan, wanted: &wanted, all: args.options.all, kept: &[], look: ui.look() };
    if ui.is_json() {
        ui.document(&PlanJson::from(&view));
    } else {
        ui.result(&human(&view));
    }
    if let Some(file) = &args.out {
        app::save(&app.saved(&plan, &observed, options, common), file)?;
        ui.status(&format!("\nSaved. Carry out exactly this with:\n  stackctl apply {}\n", file.display()));
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
