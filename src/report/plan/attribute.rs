//! One attribute that differs, as lines below its change: on one line where both values fit, else one below the other, lists by
//! their elements and texts by their lines.

use serde_json::Value;

use crate::attributes::is_sealed;
use crate::change::{Action, AttributeChange};
use crate::report::diff;
use crate::report::text::{Look, Page, escaped, width};
use crate::report::value::{as_lines, short, whole};
use crate::report::words::{self, ARROW, Colour, SECRET_CHANGED, WIDTH};

const INDENT: usize = 6;
const VALUE_INDENT: usize = 10;
/// Elements shown of one list.
const ELEMENTS_MAX: usize = 20;

pub(super) fn lines(change: &AttributeChange, action: Action, look: Look) -> String {
    let path = escaped(&change.path);
    let forces = if action == Action::Replace && change.on_change == Action::Replace { "; forces replace" } else { "" };
    let cause = format!("({}{forces})", words::cause(change.cause));
    let head = |values: &str| {
        format!("{:INDENT$}{}{values}   {}\n", "", look.paint(Colour::Bold, &path), look.paint(Colour::Dim, &cause))
    };
    if is_sealed(&change.before) && is_sealed(&change.after) {
        return head(&format!("  {SECRET_CHANGED}"));
    }
    let (before, after) = (&change.before, &change.after);
    let values = format!("  {} {ARROW} {}", whole(before), whole(after));
    if texts(before, after).is_none() && INDENT + width(&path) + width(&values) + 3 + width(&cause) <= WIDTH {
        return head(&values);
    }
    head("") + &apart(before, after, look)
}

/// Both sides as texts of which at least one has several lines; nothing counts as the empty text.
fn texts<'a>(before: &'a Value, after: &'a Value) -> Option<(&'a str, &'a str)> {
    if as_lines(before).is_none() && as_lines(after).is_none() {
        return None;
    }
    let text = |value: &'a Value| if value.is_null() { Some("") } else { value.as_str() };
    Some((text(before)?, text(after)?))
}

fn apart(before: &Value, after: &Value, look: Look) -> String {
    if let Some((before, after)) = texts(before, after) {
        return diff::lines(before, after, VALUE_INDENT, look);
    }
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => elements(before, after, look),
        _ => signed(&[("-", before), ("+", after)], look).0,
    }
}

fn signed(values: &[(&str, &Value)], look: Look) -> Page {
    let mut page = Page::default();
    for (sign, value) in values {
        let colour = if *sign == "-" { Colour::Bad } else { Colour::Good };
        let line = format!("{sign} {}", short(value, WIDTH - VALUE_INDENT - 2));
        page.line(VALUE_INDENT, &look.paint(colour, &line));
    }
    page
}

/// Only what one list has and the other lacks; where they differ in nothing but the order, both whole.
fn elements(before: &[Value], after: &[Value], look: Look) -> String {
    let gone = before.iter().filter(|value| !after.contains(value)).map(|value| ("-", value));
    let come = after.iter().filter(|value| !before.contains(value)).map(|value| ("+", value));
    let mut changed: Vec<(&str, &Value)> = gone.chain(come).collect();
    if changed.is_empty() {
        changed = before.iter().map(|value| ("-", value)).chain(after.iter().map(|value| ("+", value))).collect();
    }
    let further = changed.len().saturating_sub(ELEMENTS_MAX);
    changed.truncate(ELEMENTS_MAX);
    let mut page = signed(&changed, look);
    if further > 0 {
        page.line(VALUE_INDENT, &look.paint(Colour::Dim, &format!("... and {further} more")));
    }
    page.0
}
