//! What the verbs that change the machine are out for, and the one way they all go: look, plan, then carry it out under the lock.
//! Where nobody can agree to the plan they only look, and write nothing.

use std::collections::BTreeSet;

use super::{Goal, offer, out, unconfirmed};
use crate::address::Address;
use crate::cli::app::{self, App, Back, Loaded, Purpose, Surroundings};
use crate::cli::args::{Accept, Common, Consent};
use crate::cli::failure::{Exit, Failure};
use crate::cli::plan::Options;
use crate::cli::records::Memory;
use crate::cli::ui::Ui;
use crate::cli::{destroy, restart, rollback};
use crate::ledger::Ledger;
use crate::machine::Observe;
use crate::observed::Observed;
use crate::plan::{self, Plan, Saved};
use crate::report::kept::KeptData;

/// What was typed.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    Apply(&'a Options),
    /// Exactly this one.
    Saved {
        plan: &'a Saved,
        all: bool,
    },
    /// With the data of these names.
    Destroy(&'a Accept, &'a [String]),
    /// These, or all.
    Restart(&'a [String], &'a Accept),
    Rollback(&'a rollback::Args),
}

/// How the plan is made, and what is said around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// As the stack file says; `all` shows what needs nothing, too.
    Apply { all: bool, options: plan::Options, saved: Option<Box<Saved>> },
    /// Nothing is left but data.
    Destroy(plan::Options),
    /// As they are; all of them where none is named.
    Restart(BTreeSet<Address>, plan::Options),
    /// As it was before a run.
    Rollback(Box<Back>, plan::Options),
}

impl Wish<'_> {
    /// The stack that it is about, and what is to be made of that.
    fn intent(
        self,
        common: &Common,
        surroundings: &Surroundings,
        purpose: Purpose,
        ui: &Ui,
    ) -> Result<(Loaded, Intent), Failure> {
        let of_file = |intent: &dyn Fn(&Loaded) -> Result<Intent, Failure>| {
            let loaded = app::load(common, surroundings, purpose, ui)?;
            let intent = intent(&loaded)?;
            Ok((loaded, intent))
        };
        match self {
            Wish::Apply(options) => {
                of_file(&|loaded| Ok(Intent::Apply { all: options.all, options: options.chosen(loaded)?, saved: None }))
            }
            Wish::Saved { plan, all } => {
                of_file(&|_| Ok(Intent::Apply { all, options: plan.options(), saved: Some(Box::new(plan.clone())) }))
            }
            Wish::Destroy(accept, names) => {
                of_file(&|_| Ok(Intent::Destroy(plan::Options { data: destroy::data(names)?, ..accepting(accept) })))
            }
            Wish::Restart(names, accept) => {
                of_file(&|loaded| Ok(Intent::Restart(restart::chosen(names, loaded)?, accepting(accept))))
            }
            Wish::Rollback(args) => {
                let now = app::load(common, surroundings, Purpose::Look, ui)?;
                let choose = |ledger: &Ledger| Back::choose(ledger, args.run, args.data);
                let back = app::past(&now.desired.stack, surroundings, choose)??;
                let loaded =
                    app::load_recorded(&back.origin, common, surroundings, purpose, ui).map_err(|failure| {
                        failure.context(format!("the stack as it was before run {} cannot be read", back.run))
                    })?;
                let options = plan::Options { prune: args.prune, ..accepting(&args.accept) };
                Ok((loaded, Intent::Rollback(Box::new(back), options)))
            }
        }
    }
}

fn accepting(accept: &Accept) -> plan::Options {
    plan::Options { accept: accept.set(), ..plan::Options::default() }
}

/// The plan, and what it was made from.
struct Prepared {
    observed: Observed,
    plan: Plan,
    wanted: String,
    kept: Vec<KeptData>,
}

impl Intent {
    fn plan<M, R>(&self, app: &App<M, R>, observed: &Observed) -> Plan {
        match self {
            Intent::Apply { all: _, options, saved: _ } => app.plan(observed, options),
            Intent::Destroy(options) => app.destroy_plan(observed, options),
            Intent::Restart(named, _) => app.restart_plan(observed, named),
            Intent::Rollback(back, options) => back.plan(app, observed, options),
        }
    }

    fn options(&self) -> &plan::Options {
        match self {
            Intent::Apply { all: _, options, saved: _ }
            | Intent::Destroy(options)
            | Intent::Restart(_, options)
            | Intent::Rollback(_, options) => options,
        }
    }

    /// After it was carried out.
    fn plan_again<M, R>(&self, app: &App<M, R>, done: &Plan, observed: &Observed) -> Plan {
        match self {
            Intent::Apply { all: _, options, saved: _ } | Intent::Rollback(_, options) => {
                app.plan(observed, &options.once_done())
            }
            Intent::Destroy(options) => app.destroy_plan(observed, options),
            Intent::Restart(..) => plan::still_down(app.plan(observed, &plan::Options::default()), done),
        }
    }

    async fn prepare(&mut self, app: &App<impl Observe, impl Memory>, common: &Common) -> Result<Prepared, Failure> {
        if let Intent::Rollback(back, _) = self {
            back.look_for_images(app).await?;
        }
        let (mut observed, plan) = app.planned(self.options(), |observed| self.plan(app, observed)).await?;
        if let Intent::Destroy(options) = self {
            destroy::check(&options.data, &plan)?;
        }
        if let Intent::Rollback(back, _) = self {
            back.check(app, &observed)?;
            let accepted = back.accepted(app, &observed);
            observed.accepted.extend(accepted);
        }
        if let Intent::Apply { all: _, options, saved: Some(saved) } = self {
            let reasons = saved.stale(&app.saved(&plan, &observed, options, common));
            if !reasons.is_empty() {
                let stale = Failure::new(Exit::Stale, "the saved plan is stale; nothing was done");
                let stale = reasons.into_iter().fold(stale, Failure::hint);
                return Err(stale.hint("Make it anew, and look at it again:").hint("  stackctl plan -o FILE"));
            }
        }
        let (wanted, kept) = match self {
            Intent::Apply { all: _, options, saved: _ } => (app.wanted(options), Vec::new()),
            Intent::Destroy(_) => ("Nothing of the stack is left but its data.".to_owned(), app.kept(&plan, &observed)),
            Intent::Restart(..) => ("Everything that is there runs.".to_owned(), Vec::new()),
            Intent::Rollback(back, _) => (format!("The machine is as it was before run {}.", back.run), Vec::new()),
        };
        Ok(Prepared { observed, plan, wanted, kept })
    }

    fn goal<'a>(&self, prepared: &'a Prepared, replan: &'a dyn Fn(&Observed) -> Plan) -> Goal<'a> {
        let Prepared { observed: _, plan, wanted, kept } = prepared;
        let (verb, question, all, healthy) = match self {
            Intent::Apply { all, options: _, saved: _ } => ("Apply", "Apply these changes?", *all, true),
            Intent::Destroy(_) => (
                "Destroy",
                if plan.kept.is_empty() {
                    "Destroy all of this?"
                } else {
                    "Destroy all of this? What is listed stays."
                },
                false,
                false,
            ),
            Intent::Restart(..) => ("Restart", "Restart these?", false, true),
            Intent::Rollback(..) => ("Rollback", "Go back to this?", false, true),
        };
        let is_taken_back = matches!(self, Intent::Apply { .. } | Intent::Rollback(..));
        Goal { verb, question, wanted, all, kept, healthy, is_taken_back, replan }
    }
}

/// # Errors
/// The stack file is invalid, another run holds the stack, nobody agrees, or what must be written cannot be.
pub(in crate::cli) fn run(wish: Wish<'_>, consent: Consent, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    if !consent.yes && !ui.can_ask() {
        let (loaded, mut intent) = wish.intent(common, &surroundings, Purpose::Look, ui)?;
        return app::block_on(async {
            let app = app::open_to_look(loaded, common, &surroundings);
            let prepared = intent.prepare(&app, common).await?;
            let replan = |observed: &Observed| intent.plan_again(&app, &prepared.plan, observed);
            let goal = intent.goal(&prepared, &replan);
            offer(&app, &prepared.plan, &goal, ui).await?.ok_or_else(unconfirmed)
        });
    }
    let (loaded, mut intent) = wish.intent(common, &surroundings, Purpose::Change, ui)?;
    let lock = app::lock(&loaded, &surroundings)?;
    let exit = app::block_on(async {
        let app = app::open(loaded, common, &surroundings)?;
        let prepared = intent.prepare(&app, common).await?;
        let replan = |observed: &Observed| intent.plan_again(&app, &prepared.plan, observed);
        let goal = intent.goal(&prepared, &replan);
        out(&app, &prepared.plan, &prepared.observed, &goal, consent, ui).await
    });
    drop(lock);
    exit
}
