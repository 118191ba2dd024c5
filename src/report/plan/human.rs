//! A plan for people. The last line is always the one with the numbers.

use super::{View, attribute};
use crate::address::Address;
use crate::change::{Action, Cause, Change, Risk};
use crate::plan::{Plan, Summary, Unknown};
use crate::report::kept;
use crate::report::text::{Look, Page, escaped, listed, padded, width, wrapped};
use crate::report::words::{self, Colour, RISK, UNKNOWN, WIDTH};

/// Columns of the symbol and the space behind it.
const GUTTER: usize = 4;
const INDENT: usize = 6;
const COMMAND_INDENT: usize = 10;
/// Addresses up to this width are aligned with each other; one longer address must not push all actions to the right.
pub(crate) const ALIGNED_MAX: usize = 56;

/// The whole plan.
pub fn human(view: &View<'_>) -> String {
    let View { plan, wanted, all, kept, look } = *view;
    let mut blocks =
        vec![format!("{}\n", look.paint(Colour::Bold, &format!("stackctl: stack {}", escaped(&plan.stack))))];
    let mut list = changes(plan, look);
    if all {
        list.push_str(&unchanged(plan, look));
    }
    if plan.reload_due && plan.changes.is_empty() {
        list.push_str(&row(
            &format!("{:>3}", "~"),
            Colour::Careful,
            "systemd",
            "reload: unit files are newer than its last load",
            0,
            look,
        ));
    }
    list.push_str(&risks(plan, look));
    list.push_str(&unknown(plan, look));
    blocks.push(list);
    blocks.push(plan.notes.iter().map(|note| format!("note: {}\n", wrapped(note, 6, INDENT))).collect());
    blocks.push(kept::human(kept, look));
    if plan.is_empty() {
        blocks.push(nothing(plan, wanted));
    }
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n") + "\n" + &summary(&plan.summary())
}

/// `Plan: 2 to add, 1 to change, 0 to replace, 0 to destroy.`
fn summary(summary: &Summary) -> String {
    let Summary { add, change, replace, destroy } = summary;
    format!("Plan: {add} to add, {change} to change, {replace} to replace, {destroy} to destroy.\n")
}

fn nothing(plan: &Plan, wanted: &str) -> String {
    if plan.unknown.is_empty() && plan.blocking().next().is_none() {
        format!("No changes. {}\n", wrapped(wanted, 12, 0))
    } else {
        "No changes in what could be told.\n".to_owned()
    }
}

/// The rows of the changes, each with its reasons and attributes.
pub fn changes(plan: &Plan, look: Look) -> String {
    let column = aligned(plan.changes.iter().map(|change| &change.address));
    plan.changes.iter().map(|change| change_rows(change, column, reasons(plan, change), look)).collect()
}

/// The reasons that are worth a line: not those that the attributes below say again with their values, not that what is to be
/// created does not exist yet, and not what holds for every row alike (the stack is taken down).
fn reasons(plan: &Plan, change: &Change) -> Vec<String> {
    let Change { address: _, action, reasons, attributes, risks: _, steps: _, after: _ } = change;
    let machine = attributes.iter().any(|attribute| attribute.cause != Cause::File);
    let common = plan.changes.iter().all(|other| other.action == Action::Delete && other.reasons == *reasons);
    if common || (*action == Action::Create && !machine) {
        return Vec::new();
    }
    let said = |reason: &str| attributes.iter().any(|attribute| reason.starts_with(&format!("{}: ", attribute.path)));
    // Of what is created no attributes are shown below, which would tell the cause.
    let cause = if *action == Action::Create { format!(" ({})", words::cause(Cause::Machine)) } else { String::new() };
    reasons.iter().filter(|reason| !said(reason)).map(|reason| format!("{reason}{cause}")).collect()
}

fn change_rows(change: &Change, column: usize, reasons: Vec<String>, look: Look) -> String {
    let Change { address, action, reasons: _, attributes, risks: _, steps: _, after: _ } = change;
    let verb = words::action(address.kind(), *action);
    let symbol = format!("{:>3}", words::symbol(*action));
    let mut page = Page(row(&symbol, words::colour(*action), &address.to_string(), verb.plain, column, look));
    for reason in reasons {
        page.words(INDENT, &reason);
    }
    for attribute in attributes {
        // What is created or deleted differs in everything; the file says it better.
        if !matches!(action, Action::Create | Action::Delete) {
            page.text(&attribute::lines(attribute, *action, look));
        }
    }
    page.0
}

fn unchanged(plan: &Plan, look: Look) -> String {
    let column = aligned(&plan.unchanged);
    let word = words::action("", Action::None).plain;
    plan.unchanged.iter().map(|address| row("   ", Colour::Dim, &address.to_string(), word, column, look)).collect()
}

fn aligned<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> usize {
    let widths = addresses.into_iter().map(|address| width(&escaped(&address.to_string())));
    widths.filter(|width| *width <= ALIGNED_MAX).max().unwrap_or(0)
}

/// Symbol, address, words. The address is the handle for other commands and stays whole: where it leaves no room, the words
/// go below, all of them.
pub(crate) fn row(symbol: &str, colour: Colour, address: &str, words: &str, column: usize, look: Look) -> String {
    let (address, words) = (escaped(address), escaped(words));
    let symbol = look.paint(colour, symbol);
    if GUTTER + width(&address).max(column) + 2 + width(&words) <= WIDTH {
        return format!("{symbol} {}  {words}\n", padded(&address, column));
    }
    format!("{symbol} {address}\n{:INDENT$}{}\n", "", wrapped(&words, INDENT, INDENT))
}

/// The plan's risks, the most severe first, each with what to do about it.
pub fn risks(plan: &Plan, look: Look) -> String {
    let mut risks: Vec<_> = plan.all_risks().collect();
    risks.sort_by_key(|(address, risk)| (std::cmp::Reverse(risk.severity), risk.code, *address));
    risks.into_iter().map(|(address, risk)| risk_rows(address, risk, look)).collect()
}

fn risk_rows(address: Option<&Address>, risk: &Risk, look: Look) -> String {
    let Risk { code, severity, message, remedies } = risk;
    // Those of data say themselves whose they are.
    let address = address.filter(|address| !message.starts_with(&format!("{address}: ")));
    let head = format!("{code}{}", words::severity(*severity));
    let subject = address.map(|address| format!("{address}: ")).unwrap_or_default();
    let message = wrapped(&format!("{subject}{message}"), GUTTER + width(&head) + 2, INDENT);
    let colour = words::severity_colour(*severity);
    let mut page = Page::default();
    page.line(0, &format!("{} {}  {message}", look.paint(colour, &format!("{RISK:>3}")), look.paint(colour, &head)));
    let mut label = "what to do: ";
    for remedy in remedies {
        if is_command(remedy) {
            if !label.is_empty() {
                page.line(INDENT, label.trim_end());
            }
            page.line(COMMAND_INDENT, &escaped(remedy.trim()));
        } else {
            page.words(INDENT, &format!("{label}{remedy}"));
        }
        label = "";
    }
    page.0
}

/// Remedies are whole sentences or commands to copy. A command is indented, or looks like no sentence: neither does it begin
/// with a capital letter nor end as one.
fn is_command(remedy: &str) -> bool {
    remedy.starts_with(' ') || !(remedy.starts_with(char::is_uppercase) || remedy.ends_with(['.', ':']))
}

/// From so many on, addresses of which the same is to be said stand below it.
pub(crate) const SHARED_MIN: usize = 3;

/// The rows of what could not be told.
pub(crate) fn unknown(plan: &Plan, look: Look) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for Unknown { address, why } in &plan.unknown {
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, addresses)) => addresses.push(address.to_string()),
            None => reasons.push((why, vec![address.to_string()])),
        }
    }
    let symbol = look.paint(Colour::Careful, &format!("{UNKNOWN:>3}"));
    let mut page = Page::default();
    for (why, addresses) in reasons {
        if addresses.len() < SHARED_MIN {
            for address in addresses {
                let text = format!("{address}: could not be told: {why}");
                page.line(0, &format!("{symbol} {}", wrapped(&text, GUTTER, INDENT)));
            }
        } else {
            let text = format!("{} could not be told: {why}", addresses.len());
            page.line(0, &format!("{symbol} {}", wrapped(&text, GUTTER, INDENT)));
            page.line(INDENT, &wrapped(&listed(&addresses), INDENT, INDENT));
        }
    }
    page.0
}
