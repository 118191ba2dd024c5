//! Carrying a plan out, the one way there is for every verb: show it, refuse it where a risk stands in the way, ask, execute, look again,
//! remember, tell. What is done stands in the plan; what it comes to is told by the second look, never by the calls alone.

mod intent;

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde_json::Value;

use super::app::{self, App};
use super::args::Consent;
use super::failure::{Exit, Failure, blocked};
use super::records::{Memory, Records};
use super::status;
use super::ui::Ui;
use crate::address::Address;
use crate::execute::{Cancel, Event, Fate, Journal, Options, Run, execute};
use crate::machine::{FailureKind, Observe, Perform};
use crate::observed::Observed;
use crate::plan::{self, Plan};
use crate::report::kept::KeptData;
use crate::report::progress::Progress;
use crate::report::{Look, plan as plan_report, run as run_report, status as status_report};

pub use intent::Wish;
pub(super) use intent::run;

/// What a verb is about, beside its plan.
pub struct Goal<'a> {
    /// Opens the last line: `Apply`.
    pub verb: &'a str,
    pub question: &'a str,
    /// What holds when everything is done.
    pub wanted: &'a str,
    pub all: bool,
    pub kept: &'a [KeptData],
    /// Is more promised than what the plan compares: that everything answers as its health check says?
    pub healthy: bool,
    /// Can `rollback` take it back?
    pub is_taken_back: bool,
    /// The plan after the second look, which must be empty.
    pub replan: &'a dyn Fn(&Observed) -> Plan,
}

impl std::fmt::Debug for Goal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Goal").field("verb", &self.verb).finish_non_exhaustive()
    }
}

/// What came of it.
struct Outcome {
    run: Run,
    observed: Observed,
    remaining: Plan,
}

pub(super) async fn out(
    app: &App<impl Perform, impl Records>,
    plan: &Plan,
    observed: &Observed,
    goal: &Goal<'_>,
    consent: Consent,
    ui: &Ui,
) -> Result<Exit, Failure> {
    if plan.is_empty() && blocked(plan).is_none() {
        // What a lost ledger no longer knows is learned anew.
        let (facts, _) = learned(app, plan, &Run::default(), plan, observed);
        app.records.keep(&facts, &[])?;
    }
    if let Some(exit) = offer(app, plan, goal, ui).await? {
        return Ok(exit);
    }
    if !consent.yes {
        ask(plan, goal, ui)?;
    }
    let origin = goal.is_taken_back.then(|| app.origin_before(observed));
    let record = app.records.begin(&goal.verb.to_lowercase(), plan, origin.as_ref())?;
    let options = Options { parallelism: usize::from(consent.parallelism) };
    let clock = app::clock();
    let Outcome { run, observed, remaining } = {
        let progress = ui.progress(&clock);
        perform(app, (plan, observed), goal, &record, options, &progress, ui).await?
    };
    let exit = exit(&run, &remaining);
    let (facts, gone) = learned(app, plan, &run, &remaining, &observed);
    let ended = app.records.end(record, exit).and_then(|()| app.records.keep(&facts, &gone));
    tell(plan, &run, &remaining, goal, exit, ui);
    match ended {
        Ok(()) => Ok(exit),
        Err(failure) => {
            ui.warning(&format!("{}: {}", failure.error, failure.causes.join(": ")));
            Ok(Exit::first([exit, Exit::Failed]))
        }
    }
}

fn refused(kind: Exit, plan: &Plan) -> Failure {
    let count = plan.blocking().count();
    let risks = if count == 1 { "a risk stands".to_owned() } else { format!("{count} risks stand") };
    Failure::new(kind, format!("{risks} in the way; nothing was done"))
        .hint("Each of them says in the plan what to do about it; then try again.")
}

/// Shows the plan; the exit code where it ends with that, because of a risk in the way or because nothing is to be done.
async fn offer(
    app: &App<impl Observe, impl Memory>,
    plan: &Plan,
    goal: &Goal<'_>,
    ui: &Ui,
) -> Result<Option<Exit>, Failure> {
    let view = plan_view(plan, goal, ui.look());
    if !ui.is_json() {
        ui.result(&plan_report::human(&view));
    }
    if let Some(kind) = blocked(plan) {
        return Ok(Some(ui.refusal(&refused(kind, plan), Some((&view).into()))));
    }
    if plan.is_empty() { nothing(app, plan, goal, ui).await.map(Some) } else { Ok(None) }
}

/// Nothing is to be done. What runs and is not healthy is told: it is no change, and not what the file promises either.
async fn nothing(app: &App<impl Observe, impl Memory>, plan: &Plan, goal: &Goal<'_>, ui: &Ui) -> Result<Exit, Failure> {
    let (run, remaining) = (Run::default(), plan);
    let sick = if goal.healthy { status::sick(app).await? } else { None };
    let exit = Exit::first([exit(&run, remaining), if sick.is_some() { Exit::NotConverged } else { Exit::Done }]);
    if let Some(sick) = sick.filter(|_| !ui.is_json()) {
        ui.result(&format!("\n{}", status_report::human(&sick, ui.look())));
    }
    if ui.is_json() {
        let view = run_view(plan, &run, remaining, goal, exit, ui);
        ui.document(&run_report::RunJson::from(&view));
    }
    Ok(exit)
}

fn unconfirmed() -> Failure {
    Failure::new(Exit::Usage, "nobody is there to confirm the plan; nothing was done")
        .hint("The same command with --yes confirms it beforehand.")
}

/// Somebody has to agree: with `--yes`, or on a terminal.
fn ask(plan: &Plan, goal: &Goal<'_>, ui: &Ui) -> Result<(), Failure> {
    if !ui.can_ask() {
        return Err(unconfirmed());
    }
    if ui.is_json() {
        // The document belongs to the program; who is asked must see the plan all the same.
        ui.aside(&plan_report::human(&plan_view(plan, goal, ui.side_look())));
    }
    if ui.confirm(goal.question) { Ok(()) } else { Err(Failure::new(Exit::Failed, "not confirmed; nothing was done")) }
}

fn plan_view<'a>(plan: &'a Plan, goal: &Goal<'a>, look: Look) -> plan_report::View<'a> {
    plan_report::View { plan, wanted: goal.wanted, all: goal.all, kept: goal.kept, look }
}

/// Executes and looks again, while signals are listened to. Nothing here ends anything by force.
async fn perform(
    app: &App<impl Perform, impl Records>,
    (plan, before): (&Plan, &Observed),
    goal: &Goal<'_>,
    journal: &impl Journal,
    options: Options,
    progress: &Progress<'_>,
    ui: &Ui,
) -> Result<Outcome, Failure> {
    let cancel = Cancel::default();
    let signals = app::Signals::listen()?;
    let hear = |event: Event| progress.hear(&event);
    let work = async {
        let run = execute(plan, &app.machine, journal, &hear, options, &cancel).await;
        let accept = before.accepted.clone();
        let observed = app.look(&plan::Options { accept, ..plan::Options::default() }).await?;
        let remaining = (goal.replan)(&observed);
        Ok(Outcome { run, observed, remaining })
    };
    tokio::select! {
        outcome = work => outcome,
        never = cancel_on_signals(signals, &cancel, |text| progress.beside(|| ui.aside(text))) => match never {},
    }
}

/// Never ends: the first signal asks for an end, and every one is answered.
pub(super) async fn cancel_on_signals(mut signals: app::Signals, cancel: &Cancel, say: impl Fn(&str)) -> Infallible {
    loop {
        signals.next().await;
        say(if cancel.is_cancelled() {
            "still finishing the step in hand; nothing is ended by force\n"
        } else {
            "interrupted: the step in hand is finished, and what is not committed is taken back\n"
        });
        cancel.cancel();
    }
}

/// A call that fails is 1, what does not come up as promised or differs afterwards is 3.
fn exit(run: &Run, remaining: &Plan) -> Exit {
    let fates = run.fates.values().flat_map(|fate| match fate {
        Fate::Undone { failure, .. } | Fate::Failed { failure, undo_failure: None, .. } => vec![failed(failure.kind)],
        Fate::Failed { failure, undo_failure: Some(_), .. } => vec![failed(failure.kind), Exit::Failed],
        Fate::Done | Fate::Skipped { .. } | Fate::Interrupted => Vec::new(),
    });
    let whole = [
        run.interrupted.then_some(Exit::Interrupted),
        run.failure.as_ref().map(|failure| failed(failure.kind)),
        (!remaining.unknown.is_empty()).then_some(Exit::Failed),
        (!remaining.is_empty() || !run.succeeded() || remaining.blocking().next().is_some())
            .then_some(Exit::NotConverged),
    ];
    Exit::first(fates.chain(whole.into_iter().flatten()))
}

fn failed(kind: FailureKind) -> Exit {
    if kind == FailureKind::NotUp { Exit::NotConverged } else { Exit::Failed }
}

/// What the ledger has to keep: facts of all that is as it should be after the second look, and the addresses that are gone.
fn learned(
    app: &App<impl Perform, impl Records>,
    plan: &Plan,
    run: &Run,
    remaining: &Plan,
    observed: &Observed,
) -> (BTreeMap<String, Value>, Vec<Address>) {
    let removed = plan.changes.iter().filter(|change| change.action == crate::change::Action::Delete);
    let gone: Vec<Address> = removed
        .filter(|change| run.fates.get(&change.address) == Some(&Fate::Done))
        .map(|change| change.address.clone())
        .collect();
    let settled = remaining.unchanged.iter().filter_map(|address| app.desired.resources.get(address));
    let facts = settled.flat_map(|resource| app::facts(resource.as_ref(), observed)).collect();
    (facts, gone)
}

fn run_view<'a>(
    plan: &'a Plan,
    run: &'a Run,
    remaining: &'a Plan,
    goal: &Goal<'a>,
    exit: Exit,
    ui: &Ui,
) -> run_report::View<'a> {
    run_report::View {
        verb: goal.verb,
        plan,
        run,
        remaining,
        wanted: goal.wanted,
        kept: goal.kept,
        converged: exit == Exit::Done,
        exit_code: exit.code(),
        look: ui.look(),
    }
}

fn tell(plan: &Plan, run: &Run, remaining: &Plan, goal: &Goal<'_>, exit: Exit, ui: &Ui) {
    let view = run_view(plan, run, remaining, goal, exit, ui);
    if ui.is_json() {
        ui.document(&run_report::RunJson::from(&view));
    } else {
        ui.result(&format!("\n{}", run_report::human(&view)));
    }
}

#[cfg(test)]
mod tests;
