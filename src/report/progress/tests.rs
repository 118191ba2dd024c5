//! What a log of a run shows, and that the redrawn lines leave behind what a log would.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use indicatif::ProgressDrawTarget;

use super::{Bars, Lines, Progress};
use crate::address::Address;
use crate::change::Action;
use crate::execute::{Event, Fate};
use crate::machine::{Failure, FailureKind};
use crate::report::Look;

fn address() -> Address {
    Address::new("image", "docker.io/ollama/ollama:0.12.11")
}

fn started() -> Event {
    Event::ChangeStarted { address: address(), action: Action::Create }
}

fn progress(text: &str) -> Event {
    Event::Progress { address: address(), text: text.to_owned() }
}

fn ended(fate: Fate) -> Event {
    Event::ChangeEnded { address: address(), action: Action::Create, fate }
}

/// The lines that come of events at these seconds.
fn log(events: &[(u64, Event)]) -> Vec<String> {
    let now = Cell::new(0);
    let written = RefCell::new(Vec::new());
    let lines = Lines::new(|line| written.borrow_mut().push(line.to_owned()), || Duration::from_secs(now.get()));
    let listener = Progress::Lines(lines);
    for (second, event) in events {
        now.set(*second);
        listener.hear(event);
    }
    drop(listener);
    written.into_inner()
}

#[test]
fn a_long_pull_tells_each_layer_at_once_and_how_far_it_is_every_ten_seconds() {
    let mut events = vec![(0, started())];
    events.extend((1..=15).map(|second| (second, progress(&format!("layer 0 of 2, {second} MB of 30 MB")))));
    events.extend((16..=29).map(|second| (second, progress(&format!("layer 1 of 2, {second} MB of 30 MB")))));
    events.push((30, ended(Fate::Done)));
    let name = "image.docker.io/ollama/ollama:0.12.11";
    assert_eq!(
        log(&events),
        [
            format!("{name}: pulling"),
            format!("{name}: layer 0 of 2, 1 MB of 30 MB"),
            format!("{name}: layer 0 of 2, 11 MB of 30 MB"),
            format!("{name}: layer 1 of 2, 16 MB of 30 MB"),
            format!("{name}: layer 1 of 2, 26 MB of 30 MB"),
            format!("{name}: pulled (30 s)")
        ]
    );
}

/// A server that answers something else each time, and one that goes to and fro between two answers.
#[test]
fn news_without_end_is_no_flood() {
    let mut events = vec![(0, started())];
    events.extend((0..1000).map(|n| (1, progress(&format!("answer {n}, 9 s left")))));
    assert_eq!(log(&events).len(), 41);
    let mut events = vec![(0, started())];
    events.extend((0..1000).map(|n| (1, progress(&format!("answer {}, 9 s left", n % 2)))));
    assert_eq!(log(&events).len(), 3);
}

#[test]
fn a_failure_is_told_with_its_message_and_cannot_steer_the_terminal() {
    let failure = Failure::new(FailureKind::Refused, "no space\u{1b}[2J left");
    let fate = Fate::Undone { step: "pull image".to_owned(), failure };
    let lines = log(&[(0, started()), (0, ended(fate))]);
    let expected = "pull failed; taken back, it is as before: no space\\u{1b}[2J left";
    assert_eq!(lines[1], format!("image.docker.io/ollama/ollama:0.12.11: {expected}"));
}

#[test]
fn a_change_that_never_began_ends_without_having_begun() {
    let because = Address::new("container", "ollama");
    let lines = log(&[(0, ended(Fate::Skipped { because }))]);
    assert_eq!(lines, ["image.docker.io/ollama/ollama:0.12.11: not begun, because of container.ollama"]);
}

#[test]
fn redrawn_lines_take_every_event() {
    let bars = Progress::Bars(Bars::on(ProgressDrawTarget::hidden(), Look::default()));
    for event in
        [started(), progress("10 %"), Event::Undoing { address: address() }, ended(Fate::Done), Event::Reloading]
    {
        bars.hear(&event);
    }
    let Progress::Bars(bars) = bars else { unreachable!("it was made three lines above") };
    assert!(bars.work.borrow().is_empty(), "a line of a change that has ended would stay on the screen");
}
