//! A replace with a fault at every call, with two faults at every pair of calls, with the user's Ctrl-C at every call,
//! with a journal that is full at every row: afterwards the old or the new container serves, and none is lost.

use super::*;

fn before() -> World {
    World::default().with("web", "old", true)
}

fn replaced() -> World {
    World::default().with("web", "new", true)
}

/// The old one parked, the new one serving: what a commit leaves that did not happen.
fn all_but_committed() -> World {
    replaced().with("web.parked", "old", false)
}

fn run_replace(machine: &Scripted) -> Outcome {
    run(&plan(vec![replace("web")]), machine)
}

#[test]
fn without_a_fault_the_old_one_is_replaced() {
    let machine = Scripted::new(before());
    let outcome = run_replace(&machine);
    assert!(outcome.run.succeeded());
    assert_eq!(machine.world(), replaced());
    assert_eq!(machine.calls.get(), REPLACE_CALLS);
}

#[test]
fn a_failure_before_the_commit_puts_the_old_one_back() {
    for call in 0..REPLACE_CALLS - 1 {
        for fault in [Fault::Refuse, Fault::Unreachable, Fault::LoseRequest, Fault::LoseReply, Fault::NotUp] {
            let machine = Scripted::new(before()).fault(call, fault);
            let outcome = run_replace(&machine);
            assert_eq!(machine.world(), before(), "{fault:?} at call {call}");
            let fate = fate(&outcome, "web");
            assert!(matches!(fate, Fate::Undone { .. }), "{fault:?} at call {call}: {fate:?}");
            assert!(!outcome.run.interrupted && !outcome.run.succeeded());
        }
    }
}

#[test]
fn a_failure_of_the_commit_itself_undoes_nothing() {
    for (fault, expected) in [
        (Fault::Refuse, all_but_committed()),
        (Fault::Unreachable, all_but_committed()),
        (Fault::LoseRequest, all_but_committed()),
        (Fault::LoseReply, replaced()),
    ] {
        let machine = Scripted::new(before()).fault(REPLACE_CALLS - 1, fault);
        let outcome = run_replace(&machine);
        assert_eq!(machine.world(), expected, "{fault:?}");
        let fate = fate(&outcome, "web");
        assert!(matches!(fate, Fate::Failed { undo_failure: None, .. }), "{fault:?}: {fate:?}");
    }
}

#[test]
fn two_lost_messages_leave_the_old_or_the_new_one_serving() {
    let lost = [Fault::LoseRequest, Fault::LoseReply];
    let mut runs = 0;
    for (first, second) in lost.iter().flat_map(|first| lost.map(|second| (*first, second))) {
        for call in 0..REPLACE_CALLS {
            for later in call + 1..2 * REPLACE_CALLS {
                let machine = Scripted::new(before()).fault(call, first).fault(later, second);
                run_replace(&machine);
                let serving = machine.world().serving("web").map(str::to_owned);
                assert!(serving.is_some(), "{first:?} at {call}, {second:?} at {later}: {:?}", machine.world());
                runs += 1;
            }
        }
    }
    assert!(runs > 200, "the sweep is not empty");
}

#[test]
fn whatever_two_faults_strike_the_old_one_is_kept_until_the_new_one_serves() {
    let faults = [Fault::Refuse, Fault::Unreachable, Fault::LoseRequest, Fault::LoseReply, Fault::NotUp];
    for (first, second) in faults.iter().flat_map(|first| faults.map(|second| (*first, second))) {
        for call in 0..REPLACE_CALLS {
            for later in call + 1..2 * REPLACE_CALLS {
                let machine = Scripted::new(before()).fault(call, first).fault(later, second);
                let outcome = run_replace(&machine);
                let world = machine.world();
                let old_is_kept = world.containers.values().any(|object| object.image == "old");
                assert!(old_is_kept || world == replaced(), "{first:?} at {call}, {second:?} at {later}: {world:?}");
                if matches!(fate(&outcome, "web"), Fate::Undone { .. }) {
                    assert_eq!(world, before(), "undone means: as before");
                }
            }
        }
    }
}

#[test]
fn a_failing_undo_ends_the_undoing_and_both_failures_are_told() {
    // The new one does not get healthy (call 5); taking its name away is refused (call 7).
    let machine = Scripted::new(before()).fault(5, Fault::Refuse).fault(7, Fault::Refuse);
    let outcome = run_replace(&machine);
    let failure = Failure::new(FailureKind::Refused, "no");
    assert_eq!(
        *fate(&outcome, "web"),
        Fate::Failed {
            step: "wait until web is healthy".to_owned(),
            failure: failure.clone(),
            undo_failure: Some(failure)
        }
    );
    assert_eq!(machine.called().last().map(String::as_str), Some("rename container web to web.next"));
    let expected = World::default().with("web", "new", false).with("web.parked", "old", false);
    assert_eq!(machine.world(), expected, "nothing is removed");
}

#[test]
fn a_refused_create_does_not_remove_what_another_has_put_there() {
    let taken = before().with("web.next", "of another", false);
    let machine = Scripted::new(taken.clone());
    let outcome = run_replace(&machine);
    assert_eq!(machine.world(), taken);
    assert!(matches!(fate(&outcome, "web"), Fate::Undone { .. }));
}

#[test]
fn an_interruption_before_the_commit_puts_the_old_one_back() {
    for call in 0..REPLACE_CALLS - 1 {
        let machine = Scripted::new(before()).fault(call, Fault::Interrupt);
        let outcome = run_replace(&machine);
        assert_eq!(machine.world(), before(), "at call {call}");
        assert_eq!(*fate(&outcome, "web"), Fate::Interrupted, "at call {call}");
        assert!(outcome.run.interrupted);
    }
}

#[test]
fn an_interruption_at_the_commit_or_after_it_lets_the_change_end() {
    let mut with_a_tail = replace("web");
    with_a_tail.steps.main.push(step(write_file("note", "replaced")));
    for call in [REPLACE_CALLS - 1, REPLACE_CALLS] {
        let machine = Scripted::new(before()).fault(call, Fault::Interrupt);
        let outcome = run(&plan(vec![with_a_tail.clone()]), &machine);
        assert_eq!(machine.world().containers, replaced().containers);
        assert_eq!(machine.world().files["note"], "replaced");
        assert_eq!(*fate(&outcome, "web"), Fate::Done);
        assert!(outcome.run.succeeded(), "nothing was cut short");
    }
}

#[test]
fn an_interruption_ends_a_wait_and_a_pull_that_would_never_end() {
    let machine = Scripted::new(before()).fault(5, Fault::HangAndInterrupt);
    let outcome = run_replace(&machine);
    assert_eq!(machine.world(), before());
    assert_eq!(*fate(&outcome, "web"), Fate::Interrupted);

    let machine = Scripted::new(before()).fault(0, Fault::HangAndInterrupt);
    let pull = Effect::Podman(Podman::PullImage { reference: "docker.io/x/y:1".to_owned() });
    let pulled = change("image", Action::Create, vec![step(pull)]);
    let outcome = run(&plan(vec![pulled, after(replace("web"), &["image"])]), &machine);
    assert_eq!(machine.world(), before());
    for name in ["image", "web"] {
        assert_eq!(*fate(&outcome, name), Fate::Interrupted);
    }
    assert_eq!(machine.calls.get(), 1);
}

/// Systemd's job ends only when the container's own check has passed; the unit may have begun to start by then.
#[test]
fn an_interruption_ends_a_start_that_waits_for_a_check_and_takes_it_back() {
    let mut waits = replace("web");
    for step in &mut waits.steps.main {
        if let Effect::Systemd(Systemd::Start { healthy_within, .. }) = &mut step.effect {
            *healthy_within = Some(TIMEOUT);
        }
    }
    let machine = Scripted::new(before()).fault(4, Fault::HangAndInterrupt);
    let outcome = run(&plan(vec![waits]), &machine);
    assert_eq!(machine.called()[5], "stop web.service");
    assert_eq!(machine.world(), before());
    assert_eq!(*fate(&outcome, "web"), Fate::Interrupted);
}

#[test]
fn an_interruption_after_the_commit_ends_a_wait_and_undoes_nothing() {
    let mut with_a_wait = replace("web");
    with_a_wait.steps.main.push(step(healthy("web")));
    let machine = Scripted::new(before()).fault(REPLACE_CALLS, Fault::HangAndInterrupt);
    let outcome = run(&plan(vec![with_a_wait]), &machine);
    assert_eq!(machine.world(), replaced());
    assert!(matches!(fate(&outcome, "web"), Fate::Failed { undo_failure: None, .. }));
    assert!(outcome.run.interrupted);
}

#[test]
fn a_journal_that_is_full_stops_the_run_and_leaves_one_serving() {
    let plan =
        plan(vec![replace("web"), after(change("next", Action::Create, vec![step(create("next", "new"))]), &["web"])]);
    // Two rows for each step of the replace, and its fate.
    for capacity in 0..=2 * REPLACE_CALLS {
        let machine = Scripted::new(before());
        let journal = Rows { capacity, ..Rows::of(&machine) };
        let outcome = run_with(&plan, &machine, &journal, 4);
        let failure = outcome.run.failure.as_ref().expect("a full journal is told");
        assert_eq!(failure.message, "the journal cannot be written: the disk is full");
        assert!(!machine.world().containers.contains_key("next"), "capacity {capacity}: nothing begins any more");
        // The commit's own first row is the 13th; from there on the change only rolls forward.
        let expected = match capacity {
            0..12 => before(),
            12 => all_but_committed(),
            _ => replaced(),
        };
        assert_eq!(machine.world(), expected, "capacity {capacity}");
        assert_eq!(outcome.run.fates.len(), 2);
    }
}
