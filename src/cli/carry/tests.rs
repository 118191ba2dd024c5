//! The way from a plan to an exit code: what is refused, what is asked, what is done, and what is told afterwards.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Goal, exit, out};
use crate::address::Address;
use crate::attributes::Secrets;
use crate::change::{Action, Change, Risk, Severity, Steps, step};
use crate::cli::app::{App, Loaded};
use crate::cli::args::{Consent, Format};
use crate::cli::failure::{Exit, Failure};
use crate::cli::records::{Memory, Records};
use crate::cli::ui::Ui;
use crate::desired::{Context, Desired, Resources};
use crate::effect::{Effect, Files};
use crate::execute::journal::JournalError;
use crate::execute::{Fate, Journal, Run, StepState};
use crate::graph::Graph;
use crate::ledger::Origin;
use crate::machine::{self, FailureKind, Observe, Perform, Progress};
use crate::observed::{Facts, Observed, Query};
use crate::plan::{Plan, Unknown};

/// A machine on which every call works; it writes down what was called.
#[derive(Default)]
struct Willing {
    called: RefCell<Vec<Effect>>,
}

impl Observe for Willing {
    async fn observe(&self, _query: &Query) -> Observed {
        Observed::default()
    }
}

impl Perform for Willing {
    async fn perform(&self, effect: &Effect, _progress: &Progress<'_>) -> Result<(), machine::Failure> {
        self.called.borrow_mut().push(effect.clone());
        Ok(())
    }
}

/// A ledger that counts its runs, or refuses to open one.
#[derive(Default)]
struct Table {
    full: bool,
    begun: RefCell<u32>,
    ended: RefCell<Vec<Exit>>,
}

struct Silent;

impl Journal for Silent {
    fn step(&self, _: &Address, _: usize, _: StepState, _: &str) -> Result<(), JournalError> {
        Ok(())
    }
    fn fate(&self, _: &Address, _: &Fate) -> Result<(), JournalError> {
        Ok(())
    }
}

impl Memory for Table {
    async fn facts(&self) -> Result<Facts, Failure> {
        Ok(Facts::default())
    }
}

impl Records for Table {
    type Run = Silent;

    fn begin(&self, _verb: &str, _plan: &Plan, _origin: Option<&Origin>) -> Result<Silent, Failure> {
        if self.full {
            return Err(Failure::new(Exit::Failed, "the ledger cannot be written"));
        }
        *self.begun.borrow_mut() += 1;
        Ok(Silent)
    }
    fn end(&self, _: Silent, exit: Exit) -> Result<(), Failure> {
        self.ended.borrow_mut().push(exit);
        Ok(())
    }
    fn keep(&self, _: &BTreeMap<String, Value>, _: &[Address]) -> Result<(), Failure> {
        Ok(())
    }
}

fn app(records: Table) -> App<Willing, Table> {
    let context = Context {
        stack: "s".to_owned(),
        home: PathBuf::from("/home/u"),
        unit_directory: PathBuf::from("/home/u/.config/systemd/user"),
        runtime_directory: PathBuf::from("/run/user/1000"),
        data: PathBuf::from("/home/u/.local/share"),
        secrets: Secrets::new([7; 32]),
    };
    let loaded = Loaded {
        desired: Desired {
            stack: "s".to_owned(),
            called: "s".to_owned(),
            resources: Resources::default(),
            inactive: BTreeMap::new(),
        },
        graph: Graph::build(&Resources::default()).expect("nothing has no cycle"),
        context,
        source: "stack.yaml".to_owned(),
        file: PathBuf::from("stack.yaml"),
        origin: Origin::default(),
        warnings: Vec::new(),
    };
    App::new(loaded, Willing::default(), records)
}

fn plan() -> Plan {
    let remove = step(Effect::Files(Files::Remove { path: PathBuf::from("/home/u/x") }));
    let change = Change {
        address: Address::new("service", "x"),
        action: Action::Delete,
        reasons: Vec::new(),
        attributes: Vec::new(),
        risks: Vec::new(),
        steps: Steps { main: vec![remove], ..Steps::default() },
        after: Vec::new(),
    };
    Plan { stack: "s".to_owned(), changes: vec![change], ..Plan::default() }
}

fn risky(code: &'static str) -> Plan {
    let risk = Risk { code, severity: Severity::Critical, message: "held by another".to_owned(), remedies: Vec::new() };
    Plan { risks: vec![risk], ..plan() }
}

/// What happened: the exit code, both streams, and the app to look at.
struct Told {
    exit: Exit,
    result: String,
    beside: String,
    app: App<Willing, Table>,
}

fn carry(app: App<Willing, Table>, plan: &Plan, after: &Plan, yes: bool, format: Format) -> Told {
    let ui = Ui::kept(format);
    let goal = Goal {
        verb: "Apply",
        question: "Apply these changes?",
        wanted: "The machine is as stack.yaml says.",
        all: false,
        kept: &[],
        healthy: false,
        is_taken_back: false,
        replan: &|_| after.clone(),
    };
    let consent = Consent { yes, parallelism: 4 };
    let outcome = crate::cli::app::block_on(out(&app, plan, &Observed::default(), &goal, consent, &ui));
    let exit = outcome.unwrap_or_else(|failure| ui.failure(&failure));
    let (result, beside) = ui.printed();
    Told { exit, result, beside, app }
}

impl Told {
    fn assert_nothing_was_done(&self) {
        assert!(self.app.machine.called.borrow().is_empty(), "{:?}", self.app.machine.called);
        assert_eq!(*self.app.records.begun.borrow(), 0, "no run was begun, so none is written");
    }
}

#[test]
fn a_risk_in_the_way_stops_everything_even_with_yes() {
    for (code, exit) in [("PORT_TAKEN", Exit::Preflight), ("DB_EMPTY", Exit::Guarded)] {
        let told = carry(app(Table::default()), &risky(code), &Plan::default(), true, Format::Human);
        assert_eq!(told.exit, exit);
        told.assert_nothing_was_done();
        assert!(told.result.contains(code), "{}", told.result);
        assert!(told.beside.contains("error: a risk stands in the way; nothing was done"), "{}", told.beside);
    }
}

#[test]
fn a_program_gets_the_refused_plan_with_the_error() {
    let told = carry(app(Table::default()), &risky("PORT_TAKEN"), &Plan::default(), true, Format::Json);
    let json: Value = serde_json::from_str(&told.result).expect("one document");
    assert_eq!(json["error"]["code"], "preflight");
    assert_eq!(json["error"]["exit_code"], 6);
    assert_eq!(json["plan"]["risks"][0]["code"], "PORT_TAKEN");
}

#[test]
fn nothing_to_do_is_done_and_writes_no_run() {
    let told = carry(app(Table::default()), &Plan::default(), &Plan::default(), false, Format::Human);
    assert_eq!(told.exit, Exit::Done);
    told.assert_nothing_was_done();
    assert!(told.result.contains("No changes. The machine is as stack.yaml says."), "{}", told.result);
}

#[test]
fn where_nothing_could_be_told_it_is_not_called_done() {
    let unknown = vec![Unknown { address: Address::new("container", "x"), why: "no answer".to_owned() }];
    let plan = Plan { unknown, ..Plan::default() };
    assert_eq!(carry(app(Table::default()), &plan, &plan, true, Format::Human).exit, Exit::Failed);
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_done() {
    let told = carry(app(Table::default()), &plan(), &Plan::default(), false, Format::Human);
    assert_eq!(told.exit, Exit::Usage);
    told.assert_nothing_was_done();
    assert!(told.beside.ends_with("hint: The same command with --yes confirms it beforehand.\n"), "{}", told.beside);
}

#[test]
fn a_ledger_that_cannot_be_written_stops_the_run_before_its_first_effect() {
    let told = carry(app(Table { full: true, ..Table::default() }), &plan(), &Plan::default(), true, Format::Human);
    assert_eq!(told.exit, Exit::Failed);
    told.assert_nothing_was_done();
}

#[test]
fn a_run_after_which_nothing_differs_has_converged() {
    let told = carry(app(Table::default()), &plan(), &Plan::default(), true, Format::Human);
    assert_eq!(told.exit, Exit::Done);
    assert_eq!(*told.app.records.ended.borrow(), [Exit::Done]);
    assert!(told.result.ends_with("The machine is as stack.yaml says.\n"), "{}", told.result);
}

#[test]
fn a_run_after_which_something_differs_has_not() {
    let told = carry(app(Table::default()), &plan(), &plan(), true, Format::Json);
    assert_eq!(told.exit, Exit::NotConverged);
    let json: Value = serde_json::from_str(&told.result).expect("one document");
    assert_eq!((&json["converged"], &json["exit_code"]), (&Value::Bool(false), &Value::from(3)));
    assert_eq!(json["remaining"][0]["address"], "service.x");
}

#[test]
fn the_exit_code_tells_failed_calls_from_what_does_not_come_up() {
    let failure = |kind| machine::Failure::new(kind, "no");
    let undone = |kind| Fate::Undone { step: "start".to_owned(), failure: failure(kind) };
    let failed =
        |undo_failure| Fate::Failed { step: "start".to_owned(), failure: failure(FailureKind::NotUp), undo_failure };
    let run = |fate| Run { fates: [(Address::new("container", "x"), fate)].into(), ..Run::default() };
    let interrupted = Run { interrupted: true, ..run(undone(FailureKind::Refused)) };
    for (run, expected) in [
        (run(Fate::Done), Exit::Done),
        (run(undone(FailureKind::NotUp)), Exit::NotConverged),
        (run(undone(FailureKind::Refused)), Exit::Failed),
        (run(undone(FailureKind::Timeout)), Exit::Failed),
        (run(failed(None)), Exit::NotConverged),
        (run(failed(Some(failure(FailureKind::Refused)))), Exit::Failed),
        (interrupted, Exit::Interrupted),
    ] {
        assert_eq!(exit(&run, &Plan::default()), expected, "{run:?}");
    }
}
