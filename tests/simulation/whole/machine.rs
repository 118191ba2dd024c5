//! Faults between the executor and the world: by the number of a call, and in an order of what may run together that a seed
//! decides.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stackctl::address::Address;
use stackctl::cli::{self, app};
use stackctl::effect::Effect;
use stackctl::execute::journal::JournalError;
use stackctl::execute::{Cancel, Fate, Journal, Options, Run, StepState, execute};
use stackctl::kinds;
use stackctl::machine::{Failure, FailureKind, Observe, Perform, Progress};
use stackctl::observed::query::INSPECTED_MAX;
use stackctl::observed::{Observed, Query};
use stackctl::plan::{self, Inputs, Plan};
use tokio::sync::Notify;

use super::stacks::{Random, Read};
use super::world::World;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KillBefore,
    KillAfter,
    Refuse(FailureKind),
    LoseReply,
    Interrupt,
    /// Everything else that may run goes first.
    Slow,
    /// Somebody stops or removes something of ours, and the call is made.
    Meanwhile,
}

pub(crate) const FAULTS: [Fault; 11] = [
    Fault::KillBefore,
    Fault::KillAfter,
    Fault::Refuse(FailureKind::Refused),
    Fault::Refuse(FailureKind::NotFound),
    Fault::Refuse(FailureKind::Conflict),
    Fault::Refuse(FailureKind::Timeout),
    Fault::Refuse(FailureKind::Unreachable),
    Fault::LoseReply,
    Fault::Interrupt,
    Fault::Slow,
    Fault::Meanwhile,
];

/// What is replayed is told call by call.
#[expect(clippy::print_stderr, reason = "it is for whoever replays a failure")]
pub(crate) fn tell(words: impl FnOnce() -> String) {
    if std::env::var_os("SEED").is_some() {
        eprintln!("{}", words());
    }
}

/// Plans as `apply --prune` does.
pub(crate) fn planned(world: &World, read: &Read) -> (Plan, Observed) {
    let observed = looked_at(world, read);
    let options = plan::Options { prune: true, ..plan::Options::default() };
    (pure(read, &observed, &options), observed)
}

/// What is plain to see is what the full comparison finds, of containers that were inspected and of those that were listed.
#[track_caller]
pub(crate) fn is_the_same_in_full(world: &World, read: &Read, case: &str) {
    let deep = plan::Options { deep: true, ..plan::Options::default() };
    for observed in [looked_at(world, read), listed(world, read)] {
        assert_eq!(pure(read, &observed, &plan::Options::default()), pure(read, &observed, &deep), "{case}");
    }
}

/// In two rounds, and large stacks by their list, as the command does.
pub(crate) fn looked_at(world: &World, read: &Read) -> Observed {
    let mut query = Query::default();
    read.desired.resources.values().for_each(|resource| resource.query(&mut query));
    if query.containers.len() <= INSPECTED_MAX {
        return world.observed(&query);
    }
    listed(world, read)
}

/// By their list, but for those that it shows to be unlike the file.
fn listed(world: &World, read: &Read) -> Observed {
    let mut query = Query::default();
    read.desired.resources.values().for_each(|resource| resource.query(&mut query));
    query.inspect_only = Some(BTreeSet::new());
    let listed = world.observed(&query);
    read.desired.resources.values().for_each(|resource| resource.query_more(&listed, &mut query));
    world.observed(&query)
}

/// The planner alone.
pub(crate) fn pure(read: &Read, observed: &Observed, options: &plan::Options) -> Plan {
    let Read { desired, graph, context } = read;
    plan::plan(&Inputs { desired, graph, observed, context, kinds: kinds::ALL, options })
}

/// One run, as the command makes it: plan, carry out, keep the facts of what is as it should be. How many calls it made.
pub(crate) fn apply(world: &mut World, read: &Read, faults: BTreeMap<usize, Fault>, seed: u64) -> (usize, Option<Run>) {
    let (plan, _) = planned(world, read);
    carried_out(&plan, world, read, faults, seed)
}

/// As `rollback --data` does: the file of before, and the last copy of this container's data.
pub(crate) fn go_back(
    world: &mut World,
    read: &Read,
    container: &Address,
    faults: BTreeMap<usize, Fault>,
) -> (usize, Option<Run>) {
    let mut observed = looked_at(world, read);
    let copy = observed.snapshots.values().flatten().next_back().expect("there is a copy").handle();
    observed.going_back.insert(container.clone(), copy);
    let plan = pure(read, &observed, &plan::Options::default());
    carried_out(&plan, world, read, faults, 1)
}

/// As `rescue --to` does: of every container of this address, what it wrote outside its mounts.
pub(crate) fn rescue(
    world: &mut World,
    read: &Read,
    container: &Address,
    to: &Path,
    faults: BTreeMap<usize, Fault>,
) -> Option<Run> {
    let mut query = Query::default();
    query.layers.extend(world.containers.keys().map(|name| (name.clone(), kinds::container::wanted_of_layer(&[]))));
    let observed = world.observed(&query);
    let stack = &read.desired.stack;
    let copies = kinds::container::copy_outs(container, stack, &BTreeSet::new(), &observed, to);
    perform(&cli::rescue::plan(stack, container, &copies, to), world, faults, 1).1
}

fn carried_out(
    plan: &Plan,
    world: &mut World,
    read: &Read,
    faults: BTreeMap<usize, Fault>,
    seed: u64,
) -> (usize, Option<Run>) {
    let (calls, run) = perform(plan, world, faults, seed);
    if run.is_some() {
        let (left, observed) = planned(world, read);
        let is_left = |address: &Address| left.changes.iter().any(|change| change.address == *address);
        for resource in read.desired.resources.values().filter(|resource| !is_left(resource.address())) {
            world.facts.extend(app::facts(resource.as_ref(), &observed));
        }
    }
    (calls, run)
}

fn perform(plan: &Plan, world: &mut World, faults: BTreeMap<usize, Fault>, seed: u64) -> (usize, Option<Run>) {
    let machine = Machine {
        world: RefCell::new(std::mem::take(world)),
        faults,
        calls: Cell::new(0),
        random: RefCell::new(Random::new(seed)),
        killed: Notify::new(),
        cancel: Cancel::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without a driver");
    let run = runtime.block_on(async {
        tokio::select! {
            biased;
            () = machine.killed.notified() => None,
            run = execute(plan, &machine, &Nowhere, &|_| {}, Options { parallelism: 4 }, &machine.cancel) => Some(run),
        }
    });
    *world = machine.world.into_inner();
    (machine.calls.get(), run)
}

struct Machine {
    world: RefCell<World>,
    faults: BTreeMap<usize, Fault>,
    calls: Cell<usize>,
    random: RefCell<Random>,
    killed: Notify,
    cancel: Cancel,
}

impl Observe for Machine {
    async fn observe(&self, query: &Query) -> Observed {
        self.world.borrow().observed(query)
    }
}

impl Perform for Machine {
    async fn perform(&self, effect: &Effect, _progress: &Progress<'_>) -> Result<(), Failure> {
        let turns = self.random.borrow_mut().below(4);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let call = self.calls.replace(self.calls.get() + 1);
        tell(|| format!("{call}: {effect} {:?}", self.faults.get(&call)));
        match self.faults.get(&call) {
            None => self.world.borrow_mut().perform(effect),
            Some(Fault::Refuse(kind)) => Err(Failure::new(*kind, "no")),
            Some(Fault::LoseReply) => {
                self.world.borrow_mut().perform(effect)?;
                Err(Failure::new(FailureKind::LostReply, "the connection broke"))
            }
            Some(Fault::Interrupt) => {
                self.cancel.cancel();
                self.world.borrow_mut().perform(effect)
            }
            Some(Fault::Slow) => {
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                self.world.borrow_mut().perform(effect)
            }
            Some(Fault::Meanwhile) => {
                self.meddle();
                self.world.borrow_mut().perform(effect)
            }
            Some(Fault::KillBefore) => {
                self.world.borrow_mut().begin(effect);
                self.end().await
            }
            Some(Fault::KillAfter) => {
                drop(self.world.borrow_mut().perform(effect));
                self.end().await
            }
        }
    }
}

impl Machine {
    /// Stops what runs under one of the names that are in service, or takes away what is stopped there.
    fn meddle(&self) {
        let mut world = self.world.borrow_mut();
        let is_ours = |name: &String| name.starts_with("s-") && !name.ends_with(".parked") && !name.ends_with(".next");
        let names: Vec<String> = world.containers.keys().filter(|name| is_ours(name)).cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = self.random.borrow_mut().pick(&names).clone();
        world.containers.get_mut(&name).expect("it is there").running = false;
    }

    /// The process is gone: this never answers, and who waits for it is dropped.
    async fn end(&self) -> Result<(), Failure> {
        self.killed.notify_one();
        std::future::pending().await
    }
}

pub(crate) struct Nowhere;

impl Journal for Nowhere {
    fn step(&self, _: &Address, _: usize, _: StepState, _: &str) -> Result<(), JournalError> {
        Ok(())
    }

    fn fate(&self, _: &Address, _: &Fate) -> Result<(), JournalError> {
        Ok(())
    }
}
