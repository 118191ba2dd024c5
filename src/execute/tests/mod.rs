//! What would break: a container lost by an undo, a service left down by a failure before the commit, a unit that
//! systemd has not loaded, a change begun before what it needs.

mod scripted;
mod sweeps;
mod units;

use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::change::{Action, After, Change, Step, Steps, Until, step};
use crate::effect::{ContainerCreate, Effect, Files, Podman, Systemd, Wait};
use crate::machine::FailureKind;
use crate::plan::Plan;
use crate::probe::{Probe, Readiness};
use scripted::{Fault, Rows, Scripted, World};

const TIMEOUT: Duration = Duration::from_secs(1);

fn address(name: &str) -> Address {
    Address::new("container", name)
}

fn create(name: &str, image: &str) -> Effect {
    let body = ContainerCreate { name: name.to_owned(), image: image.to_owned(), ..ContainerCreate::default() };
    Effect::Podman(Podman::CreateContainer(body.into()))
}

fn remove(name: &str) -> Effect {
    Effect::Podman(Podman::RemoveContainer { name: name.to_owned() })
}

fn rename(from: &str, to: &str) -> Effect {
    Effect::Podman(Podman::RenameContainer { from: from.to_owned(), to: to.to_owned() })
}

fn start(name: &str) -> Effect {
    let container = Some(name.to_owned());
    Effect::Systemd(Systemd::Start {
        unit: format!("{name}.service"),
        container,
        settle: TIMEOUT,
        healthy_within: None,
        timeout: TIMEOUT,
    })
}

fn stop(name: &str) -> Effect {
    Effect::Systemd(Systemd::Stop { unit: format!("{name}.service"), timeout: TIMEOUT })
}

fn healthy(name: &str) -> Effect {
    let readiness = Readiness {
        probe: Probe::Tcp { address: "127.0.0.1:1".to_owned() },
        interval: TIMEOUT,
        timeout: TIMEOUT,
        retries: 1,
        start_period: TIMEOUT,
    };
    Effect::Wait(Wait::Healthy { subject: name.to_owned(), readiness, container: None, unit: None })
}

fn write_file(path: &str, content: &str) -> Effect {
    Effect::Files(Files::Write { path: path.into(), content: content.to_owned(), mode: 0o644 })
}

fn remove_file(path: &str) -> Effect {
    Effect::Files(Files::Remove { path: path.into() })
}

fn change(name: &str, action: Action, main: Vec<Step>) -> Change {
    Change {
        address: address(name),
        action,
        reasons: Vec::new(),
        attributes: Vec::new(),
        risks: Vec::new(),
        steps: Steps { main, ..Steps::default() },
        after: Vec::new(),
    }
}

fn after(mut change: Change, names: &[&str]) -> Change {
    change.after = names.iter().map(|name| After { on: address(name), until: Until::Done }).collect();
    change
}

/// The replace of the design: the old one is parked until the new one is healthy.
fn replace(name: &str) -> Change {
    let (next, parked) = (format!("{name}.next"), format!("{name}.parked"));
    let main = vec![
        step(create(&next, "new")).undo(remove(&next)),
        step(stop(name)).undo(start(name)),
        step(rename(name, &parked)).undo(rename(&parked, name)),
        step(rename(&next, name)).undo(rename(name, &next)),
        step(start(name)).undo(stop(name)),
        step(healthy(name)),
        step(remove(&parked)).commit(),
    ];
    change(name, Action::Replace, main)
}

/// Calls of a replace without a fault; the last one is the commit.
const REPLACE_CALLS: usize = 7;

/// A container that is created and started, with its unit file.
fn created(name: &str) -> Change {
    let file = format!("{name}.service");
    let mut change = change(
        name,
        Action::Create,
        vec![step(create(name, "new")).undo(remove(name)), step(start(name)).undo(stop(name))],
    );
    change.steps.prepare = vec![step(write_file(&file, "new")).undo(remove_file(&file))];
    change
}

/// A container that goes, and its unit file after it.
fn deleted(name: &str) -> Change {
    let mut change =
        change(name, Action::Delete, vec![step(stop(name)).undo(start(name)), step(remove(name)).commit()]);
    change.steps.finish = vec![step(remove_file(&format!("{name}.service")))];
    change
}

fn plan(changes: Vec<Change>) -> Plan {
    Plan { stack: "s".to_owned(), changes, ..Plan::default() }
}

struct Outcome {
    run: Run,
    events: Vec<Event>,
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn run_with(plan: &Plan, machine: &Scripted, journal: &Rows, parallelism: usize) -> Outcome {
    let events = RefCell::new(Vec::new());
    let listen = |event| events.borrow_mut().push(event);
    let run = block_on(execute(plan, machine, journal, &listen, Options { parallelism }, &machine.cancel));
    Outcome { run, events: events.into_inner() }
}

fn run(plan: &Plan, machine: &Scripted) -> Outcome {
    let journal = Rows::of(machine);
    let outcome = run_with(plan, machine, &journal, 4);
    assert_eq!(*journal.fates.borrow(), outcome.run.fates, "the journal holds every fate");
    let ended = outcome.events.iter().filter(|event| matches!(event, Event::ChangeEnded { .. })).count();
    assert_eq!(ended, outcome.run.fates.len(), "every fate is told once");
    outcome
}

fn fate<'a>(outcome: &'a Outcome, name: &str) -> &'a Fate {
    &outcome.run.fates[&address(name)]
}

#[test]
fn each_effect_stands_between_two_rows_of_the_journal() {
    let machine = Scripted::new(World::default());
    let change =
        change("web", Action::Create, vec![step(create("web", "new")).undo(remove("web")), step(start("web"))]);
    let outcome = run(&plan(vec![change]), &machine);
    assert!(outcome.run.succeeded());
    assert_eq!(
        *machine.log.borrow(),
        [
            "Intended container.web 0 create container web",
            "call create container web",
            "Done container.web 0 create container web",
            "Intended container.web 1 start web.service",
            "call start web.service",
            "Done container.web 1 start web.service",
        ]
    );
}

#[test]
fn an_undo_stands_between_two_rows_too_and_goes_backwards() {
    let machine = Scripted::new(World::default()).fault(2, Fault::Refuse);
    let main = vec![
        step(create("web", "new")).undo(remove("web")),
        step(start("web")).undo(stop("web")),
        step(healthy("web")),
    ];
    let outcome = run(&plan(vec![change("web", Action::Create, main)]), &machine);
    let log = machine.log.borrow();
    assert_eq!(
        log[7..],
        [
            "call wait until web is healthy",
            "Failed container.web 2 wait until web is healthy",
            "Undoing container.web 1 stop web.service",
            "call stop web.service",
            "Undone container.web 1 stop web.service",
            "Undoing container.web 0 remove container web",
            "call remove container web",
            "Undone container.web 0 remove container web",
        ]
    );
    let failure = Failure::new(FailureKind::Refused, "no");
    assert_eq!(*fate(&outcome, "web"), Fate::Undone { step: "wait until web is healthy".to_owned(), failure });
}

#[test]
fn events_tell_a_change_from_its_beginning_to_its_end() {
    let machine = Scripted::new(World::default());
    let main = vec![step(create("web", "new"))];
    let outcome = run(&plan(vec![change("web", Action::Create, main)]), &machine);
    let (address, text) = (address("web"), "create container web".to_owned());
    assert_eq!(
        outcome.events,
        [
            Event::ChangeStarted { address: address.clone(), action: Action::Create },
            Event::StepStarted { address: address.clone(), text: text.clone() },
            Event::Progress { address: address.clone(), text: "halfway".to_owned() },
            Event::StepEnded { address: address.clone(), text, failed: false },
            Event::ChangeEnded { address, action: Action::Create, fate: Fate::Done },
        ]
    );
}

#[test]
fn a_change_begins_when_all_that_it_waits_for_have_ended() {
    // `b` stands first although it waits for both others: the edges decide, not the place.
    let main = |name: &str| vec![step(create(name, "new")), step(start(name))];
    let changes = vec![
        after(change("b", Action::Create, main("b")), &["a", "c", "elsewhere"]),
        change("a", Action::Create, main("a")),
        change("c", Action::Create, main("c")),
    ];
    let machine = Scripted::new(World::default());
    let outcome = run(&plan(changes), &machine);
    assert!(outcome.run.succeeded());
    assert_eq!(machine.called()[4..], ["create container b", "start b.service"]);
}

#[test]
fn independent_changes_overlap_up_to_the_limit() {
    let changes = || {
        let names = ["a", "b", "c", "d", "e"];
        plan(names.iter().map(|name| change(name, Action::Create, vec![step(create(name, "new"))])).collect())
    };
    for (parallelism, expected) in [(0, 1), (1, 1), (3, 3), (9, 5)] {
        let machine = Scripted::new(World::default());
        let outcome = run_with(&changes(), &machine, &Rows::of(&machine), parallelism);
        assert!(outcome.run.succeeded());
        assert_eq!(machine.at_work_most.get(), expected, "parallelism {parallelism}");
    }
}

#[test]
fn who_only_waits_holds_up_nobody() {
    let waits = change("a", Action::Update, vec![step(healthy("a"))]);
    let works = change("b", Action::Create, vec![step(create("b", "new"))]);
    let machine = Scripted::new(World::default().with("a", "old", true));
    assert!(run_with(&plan(vec![waits, works]), &machine, &Rows::of(&machine), 1).run.succeeded());
    assert_eq!(machine.at_work_most.get(), 2);
}

/// `web` starts and never gets healthy.
#[test]
fn what_needs_no_more_than_a_start_does_not_wait_for_the_check() {
    let mut web = created("web");
    web.steps.main.push(step(healthy("web")));
    let waits = |name: &str, until| {
        let mut change = created(name);
        change.after = vec![After { on: address("web"), until }];
        change
    };
    // Three files, the reload, the create and the start of `web`.
    let machine = Scripted::new(World::default()).fault(6, Fault::Refuse);
    let outcome = run(&plan(vec![web, waits("started", Until::Started), waits("done", Until::Done)]), &machine);
    assert_eq!(machine.called()[6], healthy("web").to_string());
    assert!(matches!(fate(&outcome, "web"), Fate::Undone { .. }));
    assert_eq!(*fate(&outcome, "started"), Fate::Done);
    assert_eq!(*fate(&outcome, "done"), Fate::Skipped { because: address("web") });
}

#[test]
fn an_order_alone_holds_until_the_end_and_passes_over_a_failure() {
    for fault in [None, Some(Fault::Refuse)] {
        let machine = Scripted::new(World::default().with("old", "old", true));
        let machine = match fault {
            Some(fault) => machine.fault(0, fault),
            None => machine,
        };
        let mut stops = change("old", Action::Delete, vec![step(stop("old")), step(remove("old")).commit()]);
        stops.after = vec![After { on: address("image"), until: Until::Ended }];
        let pull = Effect::Podman(Podman::PullImage { reference: "docker.io/x/y:1".to_owned() });
        let needs = after(change("web", Action::Create, vec![step(create("web", "new"))]), &["image"]);
        let outcome = run(&plan(vec![stops, change("image", Action::Create, vec![step(pull)]), needs]), &machine);
        assert!(machine.called()[0].starts_with("pull"), "{:?}", machine.called());
        assert_eq!(*fate(&outcome, "old"), Fate::Done);
        assert_eq!(*fate(&outcome, "web") == Fate::Done, fault.is_none());
    }
}

#[test]
fn what_waits_for_a_failed_change_is_skipped_and_the_rest_goes_on() {
    let main = |name: &str| vec![step(create(name, "new"))];
    let changes = vec![
        change("broken", Action::Create, main("broken")),
        change("fine", Action::Create, main("fine")),
        after(change("child", Action::Create, main("child")), &["fine", "broken"]),
        after(change("grandchild", Action::Create, main("grandchild")), &["child"]),
        after(change("friend", Action::Create, main("friend")), &["fine"]),
    ];
    let machine = Scripted::new(World::default()).fault(0, Fault::Refuse);
    let outcome = run(&plan(changes), &machine);
    assert!(matches!(fate(&outcome, "broken"), Fate::Undone { .. }));
    for name in ["child", "grandchild"] {
        assert_eq!(*fate(&outcome, name), Fate::Skipped { because: address("broken") });
    }
    for name in ["fine", "friend"] {
        assert_eq!(*fate(&outcome, name), Fate::Done);
    }
    assert_eq!(machine.called(), ["create container broken", "create container fine", "create container friend"]);
}

#[test]
fn a_plan_that_cannot_be_walked_is_refused_before_any_effect() {
    let one = |name: &str| change(name, Action::Create, vec![step(create(name, "new"))]);
    let endless = change("a", Action::Create, vec![step(healthy("a")); 10_001]);
    let cases = [
        (vec![after(one("a"), &["b"]), after(one("b"), &["a"]), one("c")], "container.a waits for itself"),
        (vec![after(one("a"), &["a"])], "container.a waits for itself"),
        (vec![one("a"), one("a")], "container.a stands twice in the plan"),
        (vec![endless], "container.a has more than 10000 steps"),
    ];
    for (changes, expected) in cases {
        let machine = Scripted::new(World::default());
        let outcome = run(&plan(changes), &machine);
        let message = outcome.run.failure.expect("the plan is refused").message;
        assert!(message.ends_with(expected), "{message}");
        assert_eq!(machine.calls.get(), 0);
    }
}
