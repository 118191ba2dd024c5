//! What planning costs, in instructions: the same on every machine and at every load, unlike seconds. Valgrind counts those of this
//! very program while it plans twice and once; the difference is one plan, without what reads the file and looks at the world.

use std::process::Command;

use std::time::{Duration, Instant};

use stackctl::plan::Options;

use super::World;
use super::machine::{looked_at, pure};
use super::stacks::{Random, Read, Sketch};

/// Of a first plan, for each resource. Where a change makes it dearer on purpose, this is the number to change. What it was once dearer
/// by: paths that std compares, names and labels that are made and read wherever they are needed, ordered maps of long keys, and
/// bodies of create calls that nobody makes yet (99,000).
const FIRST_PLAN: u64 = 55_000;
/// The same of a plan that finds nothing to do. It was 115,000 with every label read, and with those that live with others compared in
/// full, where all that the list does not tell of them is with whom they live.
const NO_OP_PLAN: u64 = 40_000;
/// Another compiler makes other code of the same source.
const TOLERANCE_PERCENT: u64 = 15;
/// Ten times the resources may cost so many times as much.
const GROWTH_MAX: u64 = 12;

/// Not a test of its own: what is counted.
#[test]
fn subject() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (Some(size), Some(plans)) = (number("COUNTED_SIZE"), number("COUNTED_PLANS")) else { return };
    let (read, world) = stack(size, std::env::var_os("COUNTED_APPLIED").is_some());
    let observed = looked_at(&world, &read);
    for _ in 0..plans {
        assert!(pure(&read, &observed, &Options::default()).unknown.is_empty());
    }
}

fn stack(size: usize, applied: bool) -> (Read, World) {
    let read = Sketch::new(size, &mut Random::new(1)).without_data().read();
    let mut world = World::new();
    if applied {
        super::apply(&mut world, &read, super::none(), 1);
    }
    (read, world)
}

/// In seconds, for those who want to know; of a release build: `PLANNED_SIZE=10000 cargo test --release --test tests
/// simulation::whole::counted::seconds -- --nocapture`.
#[test]
#[expect(clippy::print_stdout, reason = "the figure is for the reader of the output")]
fn seconds() {
    let size = std::env::var("PLANNED_SIZE").ok().and_then(|text| text.parse::<usize>().ok());
    let Some(size) = size else { return };
    for (what, applied) in [("first", false), ("no-op", true)] {
        let (read, world) = stack(size, applied);
        let once = |_| {
            // Looked at anew each time: what a plan reads of it, it reads once.
            let observed = looked_at(&world, &read);
            let begun = Instant::now();
            let plan = pure(&read, &observed, &Options::default());
            assert_eq!((plan.changes.is_empty(), plan.unknown.is_empty()), (applied, true));
            begun.elapsed()
        };
        let best: Duration = (0..9).map(once).min().expect("nine");
        println!("{what} plan of {size} resources: {best:.1?}");
    }
}

fn instructions(size: usize, plans: usize, applied: bool) -> u64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", "simulation::whole::counted::subject", "--test-threads=1"]);
    command.env("COUNTED_SIZE", size.to_string()).env("COUNTED_PLANS", plans.to_string());
    if applied {
        command.env("COUNTED_APPLIED", "1");
    }
    let output = command.output().expect("valgrind, which tests/run installs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stdout));
    let line = told.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind's last words").1;
    line.trim().parse().expect("a number")
}

/// Of one plan, for each resource.
fn of_a_plan(size: usize, applied: bool) -> u64 {
    let plan = instructions(size, 2, applied) - instructions(size, 1, applied);
    plan / u64::try_from(size).expect("a count")
}

#[test]
#[expect(clippy::print_stdout, reason = "the figure is for the reader of the output")]
fn a_plan_costs_what_it_did() {
    for (what, applied, size, known) in [("first", false, 1000, FIRST_PLAN), ("no-op", true, 500, NO_OP_PLAN)] {
        let (small, large) = (of_a_plan(100, applied), of_a_plan(size, applied));
        println!("{what} plan: {small} instructions for each of 100 resources, {large} for each of {size}");
        assert!(large * 10 <= small * GROWTH_MAX, "{what}: {small}, {large}");
        let bound = known * TOLERANCE_PERCENT / 100;
        assert!(large.abs_diff(known) <= bound, "{what}: {large} instructions a resource, and {known} are known");
    }
}
