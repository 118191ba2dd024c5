//! Whole stacks on a simulated machine: random ones, changed at random, applied with faults at random calls. A failure prints the
//! one command that replays it; `RUNS=1000000 cargo test --release --test tests simulation::whole::faulted` tries a million, and
//! `FROM=` has it begin with another seed than 0.
//!
//! What would break: an object of somebody else that is gone, data that is gone, a container that was good and is lost, a machine
//! that no later run brings to what the file says.

mod contents;
mod counted;
mod exhaustive;
mod machine;
mod stacks;
mod timed;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use machine::{FAULTS, Fault, apply, is_the_same_in_full, planned, tell};
use stackctl::execute::Fate;
use stackctl::report::plan::{PlanJson, View};
use stacks::{Random, Read, Sketch};
pub(crate) use world::World;

/// Of faulted runs, unless `RUNS` says otherwise.
const RUNS: u64 = 10_000;
/// Of runs, after which a long test says how far it is.
const TOLD_EVERY: u64 = 100_000;
/// Applies without a fault that everything must have come together in.
const APPLIES_MAX: usize = 3;

fn none() -> BTreeMap<usize, Fault> {
    BTreeMap::new()
}

/// Empty, and nothing unknown.
#[track_caller]
fn is_converged(world: &World, read: &Read, case: &str) {
    let (left, _) = planned(world, read);
    assert!(left.is_empty(), "{case}: {:#?}", left.changes);
    assert!(left.unknown.is_empty(), "{case}: {:?}", left.unknown);
    is_the_same_in_full(world, read, case);
}

/// What no run may ever do, with whatever fault.
#[track_caller]
fn nothing_is_lost(before: &World, after: &World, case: &str) {
    assert!(after.others_are_whole(), "{case}: something of others is gone");
    for (name, (_, mark)) in &before.volumes {
        let now = after.volumes.get(name).map(|(_, mark)| *mark);
        assert!(now == Some(*mark) || (*mark == 0 && now.is_some()), "{case}: volume {name} {now:?}");
    }
    for directory in before.directories.keys() {
        assert!(after.directories.contains_key(directory), "{case}: {} is gone", directory.display());
    }
    let names = |world: &World| -> std::collections::BTreeSet<String> {
        world
            .secrets
            .keys()
            .map(|name| name.rsplit_once('.').map_or(name.clone(), |(name, _)| name.to_owned()))
            .collect()
    };
    assert!(names(before).is_subset(&names(after)), "{case}: a secret is gone");
    let now = after.hollow();
    for (path, count) in before.hollow() {
        assert!(
            now.get(path).is_some_and(|now| *now >= count),
            "{case}: what was set aside of {} is gone",
            path.display()
        );
    }
}

/// Of what was declared before and is declared now, one is there, in service or parked.
#[track_caller]
fn none_is_missing(sketches: [&Sketch; 2], before: &World, after: &World, case: &str) {
    let [old, new] = sketches.map(Sketch::containers);
    for name in old.iter().filter(|name| new.contains(name)) {
        let good = |world: &World, name: &str| world.containers.get(name).is_some_and(world::Object::serves);
        if good(before, name) {
            let places = [name.clone(), format!("{name}.parked"), format!("{name}.next")];
            assert!(places.iter().any(|place| after.containers.contains_key(place)), "{case}: {name} is lost");
        }
    }
}

#[test]
fn any_stack_converges_and_so_does_any_change_of_it() {
    for seed in 0..60 {
        let random = &mut Random::new(seed);
        let size = if seed % 6 == 0 { 300 } else { 5 + random.below(40) };
        let mut sketch = Sketch::new(size, random);
        let mut world = World::new();
        for turn in 0..4 {
            let case = format!("seed {seed}, turn {turn}, {size} resources");
            let read = sketch.read();
            let before = world.clone();
            let (_, run) = apply(&mut world, &read, none(), seed);
            let run = run.expect("nobody killed it");
            assert!(run.succeeded(), "{case}: {:#?}", run.fates);
            is_converged(&world, &read, &case);
            nothing_is_lost(&before, &world, &case);
            sketch = sketch.changed(random).cured();
        }
    }
}

#[test]
fn a_plan_is_the_same_whatever_the_order_of_the_file() {
    for seed in 100..130 {
        let random = &mut Random::new(seed);
        let first = Sketch::new(5 + random.below(60), random);
        let mut world = World::new();
        for sketch in [first.clone(), first.changed(random)] {
            let json = |backwards: bool| {
                let read = Read::of(&sketch.text(backwards));
                let (plan, _) = planned(&world, &read);
                let view = View { plan: &plan, wanted: "", all: true, kept: &[], look: Default::default() };
                serde_json::to_string_pretty(&PlanJson::from(&view)).expect("a plan is JSON")
            };
            assert_eq!(json(false), json(true), "seed {seed}");
            apply(&mut world, &sketch.read(), none(), seed);
        }
    }
}

/// Says which seed it was where the code under test panics itself.
struct Replay(u64);

impl Drop for Replay {
    #[expect(clippy::print_stderr, reason = "it is for whoever reads the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay it: SEED={} cargo test --test tests simulation::whole::faulted", self.0);
        }
    }
}

/// One faulted story: a stack, a change of it with one to three faults, perhaps a reboot, another change, and then none.
fn story(seed: u64) -> usize {
    let _replay = Replay(seed);
    let random = &mut Random::new(seed);
    let sketch = Sketch::new(3 + random.below(8), random);
    let mut world = World::new();
    apply(&mut world, &sketch.read(), none(), seed);
    let mut last = sketch;
    let mut runs = 0;
    for turn in 0..=random.below(2) {
        let next = last.changed(random);
        let read = next.read();
        for path in next.quarantined() {
            if random.once_in(4) {
                tell(|| format!("{} is hollow", path.display()));
                world.empties(&path);
            }
        }
        let (calls, _) = apply(&mut world.clone(), &read, none(), seed);
        let faults: BTreeMap<usize, Fault> =
            (0..=random.below(3)).map(|_| (random.below(calls.max(1)), *random.pick(&FAULTS))).collect();
        let case = format!(
            "turn {turn}, faults {faults:?}; replay it: SEED={seed} cargo test --test tests simulation::whole::faulted"
        );
        let before = world.clone();
        tell(|| format!("turn {turn}, the file:\n{}", next.text(false)));
        apply(&mut world, &read, faults, seed);
        runs += 1;
        nothing_is_lost(&before, &world, &case);
        none_is_missing([&last, &next], &before, &world, &case);
        if random.once_in(4) {
            tell(|| "reboot".to_owned());
            world.reboot();
        }
        if random.once_in(3) {
            tell(|| "somebody connects".to_owned());
            world.is_asked();
        }
        last = next;
    }
    let case = format!("replay it: SEED={seed} cargo test --test tests simulation::whole::faulted");
    let cured = last.cured();
    let read = cured.read();
    is_the_same_in_full(&world, &read, &case);
    let before = world.clone();
    let mut case = case;
    for _ in 0..APPLIES_MAX {
        tell(|| "without a fault".to_owned());
        let (_, run) = apply(&mut world, &read, none(), seed);
        let fates = run.map(|run| run.fates).unwrap_or_default();
        case = format!("{case}\n{:?}", fates.iter().filter(|(_, fate)| **fate != Fate::Done).collect::<Vec<_>>());
        if planned(&world, &read).0.is_empty() {
            break;
        }
    }
    is_converged(&world, &read, &case);
    nothing_is_lost(&before, &world, &case);
    for name in cured.containers() {
        assert!(world.containers.get(&name).is_some_and(world::Object::serves), "{case}: {name} is down");
    }
    runs
}

#[test]
#[expect(clippy::print_stdout, reason = "how many runs it made is what a reader of the output looks for")]
fn faulted() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        story(seed);
        return;
    }
    let (wanted, from) = (number("RUNS").unwrap_or(RUNS), number("FROM").unwrap_or(0));
    let threads = std::thread::available_parallelism().map_or(2, |count| u64::try_from(count.get()).unwrap_or(2));
    let done = AtomicU64::new(0);
    let share = |thread: u64| {
        let mut runs = 0;
        let mut seed = from + thread;
        while runs < usize::try_from(wanted / threads).expect("a count") {
            let more = story(seed);
            runs += more;
            seed += threads;
            let more = u64::try_from(more).expect("a count");
            let before = done.fetch_add(more, Ordering::Relaxed);
            if (before + more) / TOLD_EVERY > before / TOLD_EVERY {
                println!("{} faulted runs, next seed {seed}", before + more);
            }
        }
        runs
    };
    let total: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn({
                    let share = &share;
                    move || share(thread)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("its message names the seed")).sum()
    });
    println!("{total} faulted runs");
}
