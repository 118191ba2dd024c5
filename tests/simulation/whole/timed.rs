//! How long an apply takes where every call has its time: graphs of several forms, against the longest way through them. The time is
//! made up: it goes on where everybody waits, so that the figures are exact.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use stackctl::address::Address;
use stackctl::change::{Change, Until};
use stackctl::effect::{Effect, Podman, Systemd};
use stackctl::execute::{Cancel, Options, execute};
use stackctl::machine::{Failure, Observe, Perform, Progress};
use stackctl::observed::{Observed, Query};
use tokio::sync::Notify;

use super::World;
use super::machine::{Nowhere, planned};
use super::stacks::Read;

struct Timed {
    world: RefCell<World>,
    now: Cell<Duration>,
    /// Who waits until when.
    waiting: RefCell<Vec<(Duration, Rc<Notify>)>>,
}

impl Timed {
    async fn sleep(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let wake = Rc::new(Notify::new());
        self.waiting.borrow_mut().push((self.now.get() + time, Rc::clone(&wake)));
        wake.notified().await;
    }

    /// Everybody has a turn, and as many more as it may take until all of them wait; then it is the time of the next.
    async fn goes_on(&self) -> Never {
        loop {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            let Some(next) = self.waiting.borrow().iter().map(|(at, _)| *at).min() else { continue };
            self.now.set(next);
            self.waiting.borrow_mut().retain(|(at, wake)| {
                if *at == next {
                    wake.notify_one();
                }
                *at != next
            });
        }
    }
}

enum Never {}

/// About what they take on a workstation; files and reloads cost nothing here.
fn cost(effect: &Effect) -> Duration {
    Duration::from_millis(match effect {
        Effect::Podman(Podman::PullImage { .. }) => 2000,
        Effect::Podman(Podman::CreateContainer(_)) => 120,
        Effect::Podman(_) => 40,
        Effect::Systemd(Systemd::Start { .. }) => 300,
        Effect::Wait(_) => 700,
        Effect::Systemd(_) | Effect::Files(_) | Effect::CopyOut(_) | Effect::Snapshot(_) => 0,
    })
}

impl Observe for Timed {
    async fn observe(&self, query: &Query) -> Observed {
        self.world.borrow().observed(query)
    }
}

impl Perform for Timed {
    async fn perform(&self, effect: &Effect, _progress: &Progress<'_>) -> Result<(), Failure> {
        self.sleep(cost(effect)).await;
        self.world.borrow_mut().perform(effect)
    }
}

/// Of a plan whose every change begins as soon as it may.
fn longest_way(changes: &[Change]) -> Duration {
    let mut ends: BTreeMap<&Address, (Duration, Duration)> = BTreeMap::new();
    for change in changes {
        let until = |after: &stackctl::change::After| {
            let (started, done) = ends[&after.on];
            if after.until == Until::Started { started } else { done }
        };
        let begin = change.after.iter().map(until).max().unwrap_or_default();
        let starts = change.steps.main.iter().rposition(|step| step.effect.is_a_start());
        let up_to =
            |count: usize| begin + change.steps.main[..count].iter().map(|step| cost(&step.effect)).sum::<Duration>();
        let count = change.steps.main.len();
        ends.insert(&change.address, (up_to(starts.map_or(count, |at| at + 1)), up_to(count)));
    }
    ends.values().map(|(_, done)| *done).max().unwrap_or_default()
}

/// Containers with their needs, each by its number.
fn stack(needs: &[Vec<usize>]) -> String {
    let mut text = "version: 1\nstack: s\ncontainers:\n".to_owned();
    for (index, needs) in needs.iter().enumerate() {
        let needs: Vec<String> = needs.iter().map(|on| format!("c{on}: {{ condition: service_healthy }}")).collect();
        writeln!(
            text,
            "  c{index}: {{ image: \"localhost/x:1\", healthcheck: {{ test: [CMD, check] }}, depends_on: {{ {} }} }}",
            needs.join(", ")
        )
        .expect("a string takes all");
    }
    text
}

/// Took, and the longest way.
fn apply(needs: &[Vec<usize>], parallelism: usize) -> (Duration, Duration) {
    let read = Read::of(&stack(needs));
    let machine = Timed { world: RefCell::new(World::new()), now: Cell::default(), waiting: RefCell::default() };
    let (plan, _) = planned(&machine.world.borrow(), &read);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let cancel = Cancel::default();
    let run = runtime.block_on(async {
        tokio::select! {
            biased;
            run = execute(&plan, &machine, &Nowhere, &|_| {}, Options { parallelism }, &cancel) => run,
            never = machine.goes_on() => match never {},
        }
    });
    assert!(run.succeeded(), "{:#?}", run.fates);
    let took = machine.now.get();
    (took, longest_way(&plan.changes))
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are for the reader of the output")]
fn an_apply_takes_hardly_longer_than_its_longest_way() {
    let wide = vec![Vec::new(); 60];
    let deep: Vec<Vec<usize>> = (0..20_usize).map(|index| index.checked_sub(1).into_iter().collect()).collect();
    let mut diamond = vec![Vec::new()];
    diamond.extend((0..30).map(|_| vec![0]));
    diamond.push((1..=30).collect());
    for (form, needs, parallelism) in [("wide", wide, 64), ("deep", deep, 4), ("diamond", diamond, 64)] {
        let (took, way) = apply(&needs, parallelism);
        println!("{form}, {} containers: {took:?}, and the longest way is {way:?}", needs.len());
        assert!(took >= way, "{form}: nothing is faster than its longest way: {took:?}, {way:?}");
        assert!(took <= way.mul_f64(1.1), "{form}: {took:?}, {way:?}");
    }
}

/// With four at a time, those who wait for a check give their place to others.
#[test]
fn who_waits_holds_up_nobody() {
    let needs = vec![Vec::new(); 40];
    let (took, way) = apply(&needs, 4);
    // What forty of them do, four at a time, and the last one's check.
    let work = (Duration::from_millis(120 + 300) * 40) / 4;
    assert!(took <= (work + way).mul_f64(1.1), "{took:?}, and {work:?} of work");
}
