//! Unit files: written before the walk, removed after it, one reload on each side, and nothing left of what did not come
//! about.

use super::*;

const RELOAD: &str = "reload systemd";

fn reloads(machine: &Scripted) -> usize {
    machine.called().iter().filter(|call| *call == RELOAD).count()
}

#[test]
fn all_unit_files_are_written_before_one_reload_and_removed_before_another() {
    let world = World::default().with("old-a", "old", true).with("old-b", "old", true);
    let machine = Scripted::new(world);
    let plan = plan(vec![created("a"), created("b"), deleted("old-a"), deleted("old-b")]);
    let outcome = run(&plan, &machine);
    assert!(outcome.run.succeeded());
    let called = machine.called();
    assert_eq!(called[..3], ["write a.service", "write b.service", RELOAD]);
    assert_eq!(called[called.len() - 3..], ["remove old-a.service", "remove old-b.service", RELOAD]);
    assert_eq!(reloads(&machine), 2);
    let told = outcome.events.iter().filter(|event| **event == Event::Reloading).count();
    assert_eq!(told, 2);
}

#[test]
fn ordinals_count_through_all_three_parts_of_a_change() {
    let machine = Scripted::new(World::default().with("a", "old", true));
    let mut change = deleted("a");
    change.steps.prepare = vec![step(write_file("x", "y"))];
    run(&plan(vec![change]), &machine);
    let log = machine.log.borrow();
    let done: Vec<_> = log.iter().filter(|line| line.starts_with("Done")).map(|line| line.as_str()).collect();
    assert_eq!(
        done,
        [
            "Done container.a 0 write x",
            "Done container.a 1 stop a.service",
            "Done container.a 2 remove container a",
            "Done container.a 3 remove a.service",
        ]
    );
}

#[test]
fn without_unit_files_systemd_is_reloaded_only_where_that_is_due() {
    let quiet = plan(vec![change("a", Action::Create, vec![step(create("a", "new"))])]);
    let machine = Scripted::new(World::default());
    run(&quiet, &machine);
    assert_eq!(reloads(&machine), 0);

    let due = Plan { reload_due: true, ..plan(Vec::new()) };
    let machine = Scripted::new(World::default());
    assert!(run(&due, &machine).run.succeeded());
    assert_eq!(machine.called(), [RELOAD]);
}

#[test]
fn a_unit_file_that_cannot_be_written_fails_its_change_alone() {
    let mut broken = created("broken");
    broken.steps.prepare.push(step(write_file("second", "new")));
    let machine = Scripted::new(World::default()).fault(1, Fault::Refuse);
    let plan = plan(vec![broken, after(created("child"), &["broken"]), created("fine")]);
    let outcome = run(&plan, &machine);
    let failure = Failure::new(FailureKind::Refused, "no");
    assert_eq!(*fate(&outcome, "broken"), Fate::Undone { step: "write second".to_owned(), failure });
    assert_eq!(*fate(&outcome, "child"), Fate::Skipped { because: address("broken") });
    assert_eq!(*fate(&outcome, "fine"), Fate::Done);
    let world = machine.world();
    assert_eq!(world.files.keys().collect::<Vec<_>>(), ["fine.service"]);
    assert_eq!(world.containers.keys().collect::<Vec<_>>(), ["fine"]);
    assert_eq!(reloads(&machine), 2);
}

#[test]
fn unit_files_of_undone_and_skipped_changes_are_taken_back() {
    for call in 0..6 {
        for fault in [Fault::Refuse, Fault::LoseReply, Fault::Interrupt] {
            let machine = Scripted::new(World::default()).fault(call, fault);
            let outcome = run(&plan(vec![created("a"), after(created("b"), &["a"])]), &machine);
            let world = machine.world();
            for name in ["a", "b"] {
                let expected = *fate(&outcome, name) == Fate::Done;
                let case = format!("{name} after {fault:?} at call {call}");
                assert_eq!(world.files.contains_key(&format!("{name}.service")), expected, "{case}");
                assert_eq!(world.containers.contains_key(name), expected, "{case}");
            }
            // The call at which the first reload stands, and the one again where its reply was lost.
            assert!(reloads(&machine) <= 2 + usize::from(fault == Fault::LoseReply), "{fault:?} at {call}");
        }
    }
}

#[test]
fn what_stays_after_its_commit_keeps_its_unit_file() {
    let mut replace = replace("web");
    replace.steps.prepare = vec![step(write_file("web.service", "new")).undo(write_file("web.service", "old"))];
    let commit = 2 + REPLACE_CALLS - 1;
    let machine = Scripted::new(World::default().with("web", "old", true)).fault(commit, Fault::Refuse);
    let outcome = run(&plan(vec![replace]), &machine);
    assert!(matches!(fate(&outcome, "web"), Fate::Failed { .. }));
    assert_eq!(machine.world().files["web.service"], "new");
    assert_eq!(reloads(&machine), 1);
}

#[test]
fn where_systemd_cannot_be_reloaded_nothing_is_started() {
    // Call 2 is the reload; the one after the files were taken back works.
    let machine = Scripted::new(World::default()).fault(2, Fault::Refuse);
    let outcome = run(&plan(vec![created("a"), after(created("b"), &["a"])]), &machine);
    assert!(outcome.run.failure.is_some());
    assert!(!machine.called().iter().any(|call| call.starts_with("start")));
    assert_eq!(machine.world(), World::default());
    assert!(matches!(fate(&outcome, "a"), Fate::Undone { .. }));
    assert_eq!(*fate(&outcome, "b"), Fate::Skipped { because: address("a") });
    assert_eq!(reloads(&machine), 2);
}

#[test]
fn a_lost_reply_of_a_reload_is_asked_for_again() {
    let machine = Scripted::new(World::default()).fault(1, Fault::LoseReply);
    let outcome = run(&plan(vec![created("a")]), &machine);
    assert!(outcome.run.succeeded());
    assert_eq!(machine.world().serving("a"), Some("new"));
}

#[test]
fn a_deletion_is_told_done_only_when_its_unit_file_is_gone() {
    let machine = Scripted::new(World::default().with("a", "old", true));
    let outcome = run(&plan(vec![deleted("a")]), &machine);
    let reloading = outcome.events.iter().position(|event| *event == Event::Reloading);
    let ended = outcome.events.iter().position(|event| matches!(event, Event::ChangeEnded { .. }));
    assert!(reloading.is_some() && reloading < ended);

    // Call 2 is the removal of the file.
    let machine = Scripted::new(World::default().with("a", "old", true)).fault(2, Fault::Refuse);
    let outcome = run(&plan(vec![deleted("a")]), &machine);
    assert!(matches!(fate(&outcome, "a"), Fate::Failed { undo_failure: None, .. }));
    assert_eq!(machine.world(), World::default());
}

#[test]
fn a_unit_file_that_cannot_be_taken_back_makes_the_change_a_failure() {
    // 0 write, 1 reload, 2 create refused, 3 take the file back refused.
    let machine = Scripted::new(World::default()).fault(2, Fault::Refuse).fault(3, Fault::Refuse);
    let outcome = run(&plan(vec![created("a")]), &machine);
    assert!(matches!(fate(&outcome, "a"), Fate::Failed { undo_failure: Some(_), .. }));
}
