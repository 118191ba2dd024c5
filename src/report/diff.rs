//! Two texts of several lines, compared line by line: unit files and the content of files. Bounded in lines and in time, so
//! that a rewritten file of a megabyte neither floods the terminal nor keeps the plan waiting.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::text::{Look, Page, clipped, escaped};
use super::words::{Colour, WIDTH};

/// Lines shown of one comparison; more is read better with the file open.
const LINES_MAX: usize = 40;
/// Unchanged lines around a change.
const CONTEXT: usize = 2;
/// After that the comparison settles for a coarser answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// The changed lines with a little around them, each behind `indent` columns and its sign.
pub fn lines(before: &str, after: &str, indent: usize, look: Look) -> String {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
    let mut shown = Vec::new();
    for (number, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if number > 0 {
            shown.push((Colour::Dim, "...".to_owned()));
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let (colour, sign) = match change.tag() {
                ChangeTag::Equal => (Colour::Dim, ' '),
                ChangeTag::Delete => (Colour::Bad, '-'),
                ChangeTag::Insert => (Colour::Good, '+'),
            };
            let line = escaped(change.value().trim_end_matches(['\n', '\r']));
            shown.push((colour, format!("{sign} {}", clipped(&line, WIDTH - indent - 2))));
        }
    }
    let further = shown.len().saturating_sub(LINES_MAX);
    shown.truncate(LINES_MAX);
    if further > 0 {
        shown.push((Colour::Dim, format!("... and {further} more lines")));
    }
    let mut page = Page::default();
    for (colour, line) in shown {
        page.line(indent, &look.paint(colour, line.trim_end()));
    }
    page.0
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::report::Look;

    #[test]
    fn the_changed_line_stands_between_its_neighbours() {
        let before =
            "[Unit]\nDescription=x\n\n[Service]\nType=exec\nRestart=no\n\n[Install]\nWantedBy=default.target\n";
        let after = before.replace("Restart=no", "Restart=always");
        assert_eq!(
            lines(before, &after, 4, Look::default()),
            "      [Service]\n      Type=exec\n    - Restart=no\n    + Restart=always\n\n      [Install]\n"
        );
    }

    #[test]
    fn a_rewritten_file_is_bounded_and_its_lines_are_escaped() {
        let after: String = (0..500).map(|number| format!("line {number}\u{1b}[2J {}\n", "x".repeat(200))).collect();
        let text = lines("", &after, 6, Look::default());
        assert_eq!(text.lines().count(), 41);
        assert!(text.ends_with("      ... and 460 more lines\n"));
        assert!(text.lines().all(|line| line.chars().count() <= 80 && !line.contains('\u{1b}')));
    }
}
