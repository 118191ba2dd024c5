//! A run for people: each change's fate with the reason and the last lines of the log, then what still differs.

use super::View;
use crate::change::{Action, Change};
use crate::execute::Fate;
use crate::machine::Failure;
use crate::report::plan::changes;
use crate::report::plan::human::{ALIGNED_MAX, SHARED_MIN, row, unknown};
use crate::report::text::{Look, Page, clipped, escaped, listed, width, wrapped};
use crate::report::words::{self, Colour, WIDTH};

const INDENT: usize = 6;
const LOG_INDENT: usize = 10;

/// The plan's notes are not told again: its page has just been shown.
pub fn human(view: &View<'_>) -> String {
    let View { verb: _, plan: _, run, remaining, wanted: _, kept: _, converged, exit_code: _, look } = *view;
    let mut blocks = vec![fates(view)];
    if let Some(failure) = &run.failure {
        let mut page = Page::default();
        page.words(0, &look.paint(Colour::Bad, "The run itself failed:"));
        explain(&mut page, None, failure, look);
        blocks.push(page.0);
    }
    if !converged {
        let rows = changes(remaining, look) + &unknown(remaining, look);
        if !rows.is_empty() {
            let head = if remaining.changes.is_empty() { "After the run:" } else { "What still differs:" };
            blocks.push(format!("{}\n\n{rows}", look.paint(Colour::Bold, head)));
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks.push(last_line(view));
    blocks.join("\n")
}

/// Above so many, what went well is told in numbers: whoever reads the report looks for what did not.
const DONE_MAX: usize = 20;

/// Failures in full. Many that ended alike without one stand below what they share, at the place of the first.
fn fates(view: &View<'_>) -> String {
    let View { plan, run, look, .. } = *view;
    let ended: Vec<(&Change, &Fate)> =
        plan.changes.iter().filter_map(|change| Some((change, run.fates.get(&change.address)?))).collect();
    let many_done = ended.iter().filter(|(_, fate)| matches!(fate, Fate::Done)).count() > DONE_MAX;
    let mut groups: Vec<(String, Vec<(&Change, &Fate)>)> = Vec::new();
    for (change, fate) in ended {
        let words = words::fate(change.address.kind(), change.action, fate);
        let alike = match fate {
            Fate::Done => many_done,
            Fate::Skipped { .. } | Fate::Interrupted => true,
            Fate::Undone { .. } | Fate::Failed { .. } => false,
        };
        match groups.iter_mut().find(|(shared, _)| alike && *shared == words) {
            Some((_, members)) => members.push((change, fate)),
            None => groups.push((words, vec![(change, fate)])),
        }
    }
    let is_shared = |members: &[_]| members.len() >= SHARED_MIN;
    let single = groups.iter().filter(|(_, members)| !is_shared(members)).flat_map(|(_, members)| members);
    let widths = single.map(|(change, _)| width(&escaped(&change.address.to_string())));
    let column = widths.filter(|width| *width <= ALIGNED_MAX).max().unwrap_or(0);
    let mut page = Page::default();
    for (words, members) in &groups {
        if is_shared(members) {
            shared_rows(&mut page, words, members, look);
        } else {
            members.iter().for_each(|(change, fate)| fate_rows(&mut page, change, words, fate, column, look));
        }
    }
    page.0
}

/// `  + 150 created` and their addresses.
fn shared_rows(page: &mut Page, words: &str, members: &[(&Change, &Fate)], look: Look) {
    let Some((change, fate)) = members.first() else { return };
    let (symbol, colour) = sign(change.action, fate);
    let text = wrapped(&format!("{} {words}", members.len()), 4, INDENT);
    page.line(0, &format!("{} {text}", look.paint(colour, &format!("{symbol:>3}"))));
    let addresses: Vec<String> = members.iter().map(|(change, _)| change.address.to_string()).collect();
    page.line(INDENT, &wrapped(&listed(&addresses), INDENT, INDENT));
}

fn sign(action: Action, fate: &Fate) -> (&'static str, Colour) {
    match fate {
        Fate::Done => (words::symbol(action), words::colour(action)),
        Fate::Undone { .. } | Fate::Failed { .. } => (words::FAILED, Colour::Bad),
        Fate::Skipped { .. } | Fate::Interrupted => (" ", Colour::Dim),
    }
}

fn fate_rows(page: &mut Page, change: &Change, words: &str, fate: &Fate, column: usize, look: Look) {
    let (symbol, colour) = sign(change.action, fate);
    page.text(&row(&format!("{symbol:>3}"), colour, &change.address.to_string(), words, column, look));
    match fate {
        Fate::Undone { step, failure } => explain(page, Some(step), failure, look),
        Fate::Failed { step, failure, undo_failure } => {
            explain(page, Some(step), failure, look);
            if let Some(undo) = undo_failure {
                page.words(INDENT, "it could not be taken back either:");
                explain(page, None, undo, look);
            }
        }
        Fate::Done | Fate::Skipped { .. } | Fate::Interrupted => {}
    }
}

/// What was tried, what came of it, the end of the log, and what to do.
fn explain(page: &mut Page, step: Option<&str>, failure: &Failure, look: Look) {
    let Failure { kind: _, message, log, hint } = failure;
    let step = step.map(|step| format!("{step}: ")).unwrap_or_default();
    page.words(INDENT, &format!("{step}{message}"));
    if !log.is_empty() {
        page.line(INDENT, "the end of its log:");
        for line in log {
            page.line(LOG_INDENT, &look.paint(Colour::Dim, &clipped(escaped(line).trim_end(), WIDTH - LOG_INDENT)));
        }
    }
    if let Some(hint) = hint {
        page.words(INDENT, &format!("what to do: {hint}"));
    }
}

/// `Apply: 3 done, 1 undone, 2 skipped.` What did not happen is left out.
fn last_line(view: &View<'_>) -> String {
    let fates = view.run.fates.values();
    let count = |wanted: fn(&Fate) -> bool| fates.clone().filter(|fate| wanted(fate)).count();
    let counts = [
        (count(|fate| matches!(fate, Fate::Done)), "done"),
        (count(|fate| matches!(fate, Fate::Undone { .. })), "undone"),
        (count(|fate| matches!(fate, Fate::Failed { .. })), "failed"),
        (count(|fate| matches!(fate, Fate::Skipped { .. })), "skipped"),
        (count(|fate| matches!(fate, Fate::Interrupted)), "interrupted"),
    ];
    let told: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let told = if told.is_empty() { "nothing done".to_owned() } else { told.join(", ") };
    let end = match view {
        View { converged: true, wanted, .. } => *wanted,
        View { run, .. } if run.interrupted => "Interrupted: what was not committed has been undone.",
        View { remaining, .. } if remaining.changes.is_empty() && !remaining.unknown.is_empty() => {
            "Whether it converged could not be told."
        }
        View { .. } => "It did not converge.",
    };
    wrapped(&format!("{}: {told}. {end}", view.verb), 0, 2) + "\n"
}
