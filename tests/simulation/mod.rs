//! The planner, the kinds and the executor against a machine of one container, of which every call can fail, be the last one
//! before a kill, or be interrupted; then again, on what that has left, with the same file or with another.
//!
//! What would break: a container that is lost, one that stays down, and a half that no later run knows how to settle.

mod whole;
mod world;

use stackctl::change::Action;
use stackctl::plan::Plan;
pub(crate) use whole::World;
use world::{Fault, World as OneContainer, plan};

/// It serves.
const OLD: &str = "1";
/// As good.
const NEW: &str = "2";
const OTHER: &str = "3";
/// It starts and never gets healthy.
const SICK: &str = "sick";

const KILLS: [Fault; 2] = [Fault::KillBefore, Fault::KillAfter];
const FAULTS: [Fault; 6] =
    [Fault::KillBefore, Fault::KillAfter, Fault::Refuse, Fault::LoseReply, Fault::LoseRequest, Fault::Interrupt];
/// More calls than any run makes.
const CALLS_MAX: usize = 40;

fn serving_old() -> OneContainer {
    let mut world = OneContainer::default();
    apply(&mut world, OLD, None);
    assert_eq!(world.serving(), Some(OLD));
    world
}

/// One run; whether the fault's call was reached.
fn apply(world: &mut OneContainer, tag: &str, fault: Option<(usize, Fault)>) -> bool {
    let plan = plan(world, tag);
    world.execute(&plan, fault)
}

/// All that a run can be cut into: the world after each fault at each of its calls.
fn cut(before: &OneContainer, tag: &str, faults: &[Fault]) -> Vec<(String, OneContainer)> {
    let mut after = Vec::new();
    for fault in faults {
        for call in 0..CALLS_MAX {
            let mut world = before.clone();
            if !apply(&mut world, tag, Some((call, *fault))) {
                assert!(call > 0 || plan(before, tag).is_empty(), "{tag}: a run makes calls");
                break;
            }
            after.push((format!("{fault:?} at call {call} of {tag}"), world));
        }
    }
    after
}

/// There is one that was good, under a name that is known.
#[track_caller]
fn nothing_is_lost(world: &OneContainer, case: &str) {
    assert!(world.containers.values().any(|container| container.tag != SICK), "{case}: {world:#?}");
    for name in world.containers.keys() {
        assert!(["s-web", "s-web.parked", "s-web.next"].contains(&name.as_str()), "{case}: {world:#?}");
    }
}

#[track_caller]
fn is_settled(world: &OneContainer, tag: &str, case: &str) {
    assert_eq!(world.containers.keys().collect::<Vec<_>>(), ["s-web"], "{case}: {world:#?}");
    assert_eq!(world.serving(), Some(tag), "{case}: {world:#?}");
    let left: Plan = plan(world, tag);
    assert!(left.is_empty(), "{case}: {left:#?}");
}

/// A last run without a fault: what is wanted serves, or one that is good does.
#[track_caller]
fn converges(mut world: OneContainer, tag: &str, case: &str) {
    nothing_is_lost(&world, case);
    apply(&mut world, tag, None);
    if tag != SICK {
        return is_settled(&world, tag, case);
    }
    let back = world.serving().unwrap_or_else(|| panic!("{case}: nothing serves: {world:#?}")).to_owned();
    assert_ne!(back, SICK, "{case}");
    is_settled(&world, &back, case);
}

#[track_caller]
fn converges_to(mut world: OneContainer, tag: &str, serving: &str, case: &str) {
    apply(&mut world, tag, None);
    is_settled(&world, serving, case);
}

#[test]
fn without_a_fault_it_converges() {
    is_settled(&serving_old(), OLD, "created");
    converges(serving_old(), NEW, "replaced");
    converges(serving_old(), SICK, "put back");
}

#[test]
fn after_any_fault_of_a_create_it_converges() {
    for (case, world) in cut(&OneContainer::default(), OLD, &FAULTS) {
        let mut world = world;
        apply(&mut world, OLD, None);
        is_settled(&world, OLD, &case);
    }
}

/// Whatever the file says by then.
#[test]
fn after_any_fault_of_a_replace_it_converges() {
    for tag in [NEW, SICK] {
        for (case, world) in cut(&serving_old(), tag, &FAULTS) {
            for then in [NEW, SICK, OLD, OTHER] {
                converges(world.clone(), then, &format!("{case}, then {then}"));
            }
        }
    }
}

/// A kill before a call leaves what one after the call before it leaves.
#[test]
fn after_any_two_faults_of_a_replace_it_converges() {
    let mut cases = 0;
    for tag in [NEW, SICK] {
        for (first, world) in cut(&serving_old(), tag, &[Fault::KillAfter]) {
            for then in [NEW, SICK, OLD, OTHER] {
                for (second, world) in cut(&world, then, &[Fault::KillAfter, Fault::Refuse, Fault::Interrupt]) {
                    for last in [then, OTHER] {
                        converges(world.clone(), last, &format!("{first}, {second}, then {last}"));
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases > 1000, "the sweep is not empty: {cases}");
}

/// What ran and was healthy when its run was killed is what a later failure puts back, not the one before it.
#[test]
fn the_last_good_one_is_put_back() {
    let mut cases = 0;
    for (case, world) in cut(&serving_old(), NEW, &KILLS) {
        if world.serving() == Some(NEW) {
            converges_to(world, SICK, NEW, &case);
            cases += 1;
        }
    }
    assert!(cases > 0, "a newcomer serves before its commit");
}

/// A run that is interrupted, and not killed, leaves one serving, even on what a killed run has left.
#[test]
fn an_interruption_leaves_one_serving() {
    for tag in [NEW, SICK] {
        for (case, world) in cut(&serving_old(), tag, &[Fault::Interrupt]) {
            // At the commit it is too late.
            is_settled(&world, if world.serving() == Some(NEW) { NEW } else { OLD }, &case);
        }
        for (first, before) in cut(&serving_old(), tag, &KILLS) {
            for then in [NEW, SICK, OLD, OTHER] {
                // What is refused while another is put back, or finished, keeps that from serving.
                let faults = if then == OTHER { &[Fault::Interrupt, Fault::Refuse][..] } else { &[Fault::Interrupt] };
                for (second, world) in cut(&before, then, faults) {
                    // Of what is refused at once nothing comes, good or bad.
                    let is_tried = before.serving().is_some() || !second.starts_with("Refuse at call 0 ");
                    assert!(!is_tried || world.serving().is_some(), "{first}, {second}: {world:#?}");
                }
            }
        }
    }
}

/// A run that was killed may have asked for a stop that is not done yet.
#[test]
fn what_is_going_down_is_started_again() {
    let mut world = serving_old();
    world.going_down = true;
    let actions: Vec<Action> = plan(&world, OLD).changes.iter().map(|change| change.action).collect();
    assert_eq!(actions, [Action::Start]);
}

/// A boot finds one to start: the old one, or the one that was about to prove itself.
#[test]
fn a_reboot_after_any_kill_of_a_replace_leaves_one_serving() {
    for (case, mut world) in cut(&serving_old(), NEW, &KILLS) {
        world.reboot();
        assert!(world.serving().is_some(), "{case}: {world:#?}");
        converges(world, NEW, &case);
    }
}
