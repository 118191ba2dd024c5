//! Every single fault, and every pair of the worse ones, at every call of a change of chosen stacks. A failure names them.

use std::collections::BTreeMap;
use std::path::Path;

use stackctl::address::Address;
use stackctl::machine::FailureKind;

use super::machine::{FAULTS, Fault, apply, go_back, planned, rescue};
use super::stacks::Read;
use super::{APPLIES_MAX, World, is_converged, none, nothing_is_lost, world};

/// A file, and the one that it becomes; the second one's network is another where it says so.
const CHOSEN: [(&str, [&str; 2]); 8] = [
    (
        "one that others need",
        [
            "db: { image: \"localhost/x:1\", volumes: [\"v:/v\"], secrets: [k], healthcheck: { test: [CMD, c] } }
  web: { image: \"localhost/x:1\", depends_on: { db: { condition: service_healthy, restart: true } } }",
            "db: { image: \"localhost/x:2\", volumes: [\"v:/v\"], secrets: [k], healthcheck: { test: [CMD, c] } }
  web: { image: \"localhost/x:1\", depends_on: { db: { condition: service_healthy, restart: true } } }",
        ],
    ),
    (
        "two in one network",
        [
            "vpn: { image: \"localhost/x:1\", healthcheck: { test: [CMD, c] } }
  web: { image: \"localhost/x:1\", volumes: [\"v:/v\"], network_mode: \"service:vpn\" }",
            "vpn: { image: \"localhost/x:2\", healthcheck: { test: [CMD, c] } }
  web: { image: \"localhost/x:1\", volumes: [\"v:/v\"], network_mode: \"service:vpn\" }",
        ],
    ),
    (
        "one that comes and one that goes",
        [
            "old: { image: \"localhost/x:1\", volumes: [\"v:/v\"], networks: [n] }",
            "new: { image: \"localhost/x:1\", volumes: [\"v:/v\"], secrets: [k], networks: [n] }",
        ],
    ),
    (
        "who leaves a network that is made anew",
        [
            "home: { image: \"localhost/x:1\", networks: [n], healthcheck: { test: [CMD, c] } }
  web: { image: \"localhost/x:1\", volumes: [\"v:/v\"], network_mode: \"service:home\" }",
            "home: { image: \"localhost/x:2\", networks: [other], healthcheck: { test: [CMD, c] } }
  web: { image: \"localhost/x:1\", volumes: [\"v:/v\"], network_mode: \"service:home\" }
networks: { n: { internal: true }, other: {} }",
        ],
    ),
    (
        "one with a hollow database",
        [
            "db: { image: \"localhost/x:1\", volumes: [\"~/own0:/own\"], healthcheck: { test: [CMD, c] }, DATA }",
            "db: { image: \"localhost/x:1\", volumes: [\"~/own0:/own\"], healthcheck: { test: [CMD, c] }, DATA }",
        ],
    ),
    (
        "one with a hollow database that is replaced",
        [
            "db: { image: \"localhost/x:1\", volumes: [\"~/own0:/own\"], healthcheck: { test: [CMD, c] }, DATA }",
            "db: { image: \"localhost/x:2\", volumes: [\"~/own0:/own\"], healthcheck: { test: [CMD, c] }, DATA }",
        ],
    ),
    (
        "a service with a hollow database",
        [
            "other: { image: \"localhost/x:1\" }
services: { s0: { exec: [/bin/sleep, \"1\"] } }
databases: { ~/own0/db: { engine: sqlite, when_hollow: quarantine, service: s0 } }",
            "other: { image: \"localhost/x:1\" }
services: { s0: { exec: [/bin/sleep, \"2\"] } }
databases: { ~/own0/db: { engine: sqlite, when_hollow: quarantine, service: s0 } }",
        ],
    ),
    (
        "a pressed service with a hollow database",
        [
            "other: { image: \"localhost/x:1\" }
services: { s0: { exec: [/bin/sleep, \"1\"], sockets: [\"127.0.0.1:8000\"] } }
databases: { ~/own0/db: { engine: sqlite, when_hollow: quarantine, service: s0 } }",
            "other: { image: \"localhost/x:1\" }
services: { s0: { exec: [/bin/sleep, \"2\"], sockets: [\"127.0.0.1:8000\"] } }
databases: { ~/own0/db: { engine: sqlite, when_hollow: quarantine, service: s0 } }",
        ],
    ),
];

/// What must survive in `~/own0`.
const DATA: &str = "data: [{ path: /own/db, engine: sqlite, when_hollow: quarantine }]";

/// What ends the run, what is refused, what may have been done, and what takes back; of a pair, the second is the end or a lost reply.
const WORSE: [Fault; 4] = [Fault::KillAfter, Fault::Refuse(FailureKind::Refused), Fault::LoseReply, Fault::Interrupt];

fn read(containers: &str) -> Read {
    let containers = containers.replace("DATA", DATA);
    Read::of(&format!(
        "version: 1\nstack: s\nvolumes: {{ v: {{}} }}\ndirectories: {{ ~/own0: {{}} }}\nsecrets: {{ k: {{ generate: {{}} }} }}\ncontainers:\n  {containers}\n{}",
        if containers.contains("networks: {") { "" } else { "networks: { n: {} }\n" }
    ))
}

/// Faults of one run by the ordinal of a call.
type Faults = BTreeMap<usize, Fault>;

/// What the runs with these faults leave is brought to what the file says, and what had to live has lived.
fn survives(before: &World, next: &Read, runs: &[Faults], case: &str) {
    let mut after = before.clone();
    for faults in runs {
        apply(&mut after, next, faults.clone(), 1);
    }
    let case = format!("{case}: {runs:?}");
    nothing_is_lost(before, &after, &case);
    // A boot after what ended a run at once finds something to start, and nobody who lies parked.
    let was_killed =
        runs.iter().flat_map(Faults::values).any(|fault| [Fault::KillBefore, Fault::KillAfter].contains(fault));
    let booted = was_killed.then(|| {
        let mut booted = after.clone();
        booted.reboot();
        booted
    });
    for mut world in std::iter::once(after).chain(booted) {
        let empty = |world: &World| planned(world, next).0.is_empty();
        for _ in 0..APPLIES_MAX {
            if empty(&world) {
                break;
            }
            apply(&mut world, next, none(), 1);
        }
        is_converged(&world, next, &case);
        nothing_is_lost(before, &world, &case);
        let halves = world.containers.keys().filter(|name| name.ends_with(".parked") || name.ends_with(".next"));
        assert_eq!(halves.count(), 0, "{case}");
        assert!(world.containers.values().all(world::Object::serves), "{case}");
    }
}

/// The first file applied, and the second to be applied.
fn begun(case: &str, first: &str, second: &str) -> (World, Read) {
    let mut world = World::new();
    apply(&mut world, &read(first), none(), 1);
    if case.contains("hollow") {
        world.empties(Path::new("/home/u/own0/db"));
    }
    world.is_pressed = case.contains("pressed");
    (world, read(second))
}

/// How many stories it told of the change: each fault, each pair in one run, and each one of the run that comes after a kill.
fn told(case: &str, [first, second]: [&str; 2]) -> usize {
    let (world, next) = begun(case, first, second);
    let (calls, _) = apply(&mut world.clone(), &next, none(), 1);
    assert!(calls >= 5, "{case}: {calls}");
    // What takes back makes calls of its own.
    let ordinals = 0..calls * 2;
    let mut stories = 0;
    let mut tell = |runs: &[Faults]| {
        survives(&world, &next, runs, case);
        stories += 1;
    };
    for at in ordinals.clone() {
        FAULTS.iter().for_each(|fault| tell(&[Faults::from([(at, *fault)])]));
        // The stories with a quarantine are the longest: of those, the pairs that end in a kill.
        let others: &[Fault] =
            if case.contains("hollow") { &[Fault::KillAfter] } else { &[Fault::KillAfter, Fault::LoseReply] };
        for &other in others {
            for fault in WORSE.into_iter().filter(|fault| *fault != Fault::KillAfter) {
                (at + 1..ordinals.end).for_each(|then| tell(&[Faults::from([(at, fault), (then, other)])]));
            }
        }
    }
    for at in 0..calls {
        for other in WORSE {
            let killed = Faults::from([(at, Fault::KillAfter)]);
            ordinals.clone().for_each(|then| tell(&[killed.clone(), Faults::from([(then, other)])]));
        }
    }
    stories
}

/// Back to the image and the data of before: with every fault, and every pair of the worse ones, at every call. What comes after is the
/// file of before, and the data is never of a newer image than who runs on it (`Contents::written` looks at each start).
#[test]
fn every_fault_on_the_way_back() {
    let image = |tag: u32| {
        read(&format!(
            "db: {{ image: \"localhost/x:{tag}\", volumes: [\"~/own0:/own\"], healthcheck: {{ test: [CMD, c] }}, data: [{{ path: \
             /own/db, engine: dir }}] }}"
        ))
    };
    let (old, new) = (image(1), image(2));
    let (container, data) = (Address::new("container", "db"), Path::new("/home/u/own0/db"));
    let mut world = World::new();
    apply(&mut world, &old, none(), 1);
    apply(&mut world, &new, none(), 1);
    assert_eq!(world.last_image(data), Some("localhost/x:2"));

    let mut back = world.clone();
    let (calls, run) = go_back(&mut back, &old, &container, none());
    assert!(calls >= 5 && run.is_some_and(|run| run.succeeded()));
    assert_eq!(back.last_image(data), Some("localhost/x:1"));
    is_converged(&back, &old, "without a fault");

    for at in 0..calls * 2 {
        let single = FAULTS.iter().map(|fault| Faults::from([(at, *fault)]));
        let pairs = WORSE.iter().flat_map(|fault| (at + 1..calls * 2).map(|then| (*fault, then)));
        let pairs = pairs.flat_map(|(fault, then)| {
            [Fault::KillAfter, Fault::LoseReply].map(|other| Faults::from([(at, fault), (then, other)]))
        });
        for faults in single.chain(pairs) {
            let mut after = world.clone();
            go_back(&mut after, &old, &container, faults.clone());
            let case = format!("on the way back, {faults:?}");
            nothing_is_lost(&world, &after, &case);
            let mut booted = after.clone();
            booted.reboot();
            for next in [&old, &new] {
                survives(&after, next, &[], &case);
                survives(&booted, next, &[], &format!("{case}, and after a boot"));
            }
        }
    }
}

/// What is copied out of a container, of whatever a killed change left of it, with every fault: nothing but the copy is touched, no half of
/// one has its name, and the next one has all.
#[test]
fn every_fault_of_a_rescue() {
    let [lost, found] = ["/rescued/lost", "/rescued/found"].map(Path::new);
    for (case, [first, second]) in CHOSEN {
        let (world, next) = begun(case, first, second);
        let containers: Vec<&Address> =
            next.desired.resources.keys().filter(|address| address.kind() == "container").collect();
        let (calls, _) = apply(&mut world.clone(), &next, none(), 1);
        let mut copied = 0;
        for at in 0..calls {
            let mut half = world.clone();
            apply(&mut half, &next, Faults::from([(at, Fault::KillAfter)]), 1);
            for container in &containers {
                let written = half.written_outside(container);
                let faults = FAULTS.into_iter().filter(|fault| *fault != Fault::Meanwhile);
                for faults in faults.flat_map(|fault| (0..written.len()).map(move |at| Faults::from([(at, fault)]))) {
                    let case = format!("{case}: killed after call {at}, rescue of {container} with {faults:?}");
                    let mut after = half.clone();
                    rescue(&mut after, &next, container, lost, faults);
                    assert_eq!(after.without_copies(), half.without_copies(), "{case}");
                    assert!(after.copies_are_whole(), "{case}");
                    let run = rescue(&mut after, &next, container, found, none());
                    assert!(run.is_some_and(|run| run.succeeded()), "{case}");
                    assert_eq!(after.copied(found), written.iter().map(String::as_str).collect(), "{case}");
                    assert_eq!(after.without_copies(), half.without_copies(), "{case}");
                    copied += written.len();
                }
            }
        }
        assert!(copied > 0, "{case}");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how many runs it made is what a reader of the output looks for")]
fn every_fault_and_every_pair_of_the_worse_ones() {
    let stories: usize = std::thread::scope(|scope| {
        let tellers: Vec<_> = CHOSEN.iter().map(|(case, files)| scope.spawn(|| told(case, *files))).collect();
        tellers.into_iter().map(|teller| teller.join().expect("its message names the faults")).sum()
    });
    println!("{stories} stories");
}
