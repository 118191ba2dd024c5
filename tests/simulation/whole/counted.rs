//! What planning costs, in instructions: the same on every machine and at every load, unlike seconds. Valgrind counts those of this
//! very program while it plans twice and once; the difference is one plan, without what reads the file and looks at the world.

use std::process::Command;

use super::World;
use super::machine::planned;
use super::stacks::{Random, Sketch};

/// Of a first plan, for each resource. Where a change makes it dearer on purpose, this is the number to change; what it was made
/// cheaper by is to be written down here as well.
const FIRST_PLAN: u64 = 701_000;
/// The same of a plan that finds nothing to do.
const NO_OP_PLAN: u64 = 1_737_000;
/// Another compiler makes other code of the same source.
const TOLERANCE_PERCENT: u64 = 15;
/// Ten times the resources may cost so many times as much.
const GROWTH_MAX: u64 = 12;

/// Not a test of its own: what is counted.
#[test]
fn subject() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (Some(size), Some(plans)) = (number("COUNTED_SIZE"), number("COUNTED_PLANS")) else { return };
    let read = Sketch::new(size, &mut Random::new(1)).read();
    let mut world = World::new();
    if std::env::var_os("COUNTED_APPLIED").is_some() {
        super::apply(&mut world, &read, super::none(), 1);
    }
    for _ in 0..plans {
        assert!(planned(&world, &read).0.unknown.is_empty());
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
