//! Diagnostics as plain text for a terminal: no colour, 80 columns for source lines, and nothing from a file that the terminal would obey.

use super::{Diagnostic, Diagnostics, Excerpts, Severity, Span};
use std::fmt::Write as _;

/// Source lines are cut to this many columns, gutter included.
const WIDTH: usize = 80;
/// More findings than anybody reads; what a hostile file can make us print is bounded by it.
const SHOWN_MAX: usize = 1_000;
/// A name from a file is quoted up to this many characters.
const QUOTED_MAX: usize = 60;

/// All findings, one block each with an empty line between, ready to be printed.
pub fn render(diagnostics: &Diagnostics, excerpts: &impl Excerpts) -> String {
    let mut blocks: Vec<String> =
        diagnostics.0.iter().take(SHOWN_MAX).map(|diagnostic| block(diagnostic, excerpts)).collect();
    let further = diagnostics.0.len().saturating_sub(SHOWN_MAX);
    if further > 0 {
        blocks.push(format!("and {further} more\n"));
    }
    blocks.join("\n")
}

fn block(diagnostic: &Diagnostic, excerpts: &impl Excerpts) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = format!("{severity}: {}\n", diagnostic.summary);
    let spans = diagnostic.span.iter().chain(diagnostic.related.iter().map(|(span, _)| span));
    let gutter = spans.map(|span| span.line.to_string().len()).max().unwrap_or(1);
    if let Some(span) = diagnostic.span {
        excerpt(&mut text, &Shown { span, arrow: "-->", mark: '^', label: "" }, gutter, excerpts);
    }
    for (span, what) in &diagnostic.related {
        excerpt(&mut text, &Shown { span: *span, arrow: ":::", mark: '-', label: what }, gutter, excerpts);
    }
    line(&mut text, gutter, &escaped(&diagnostic.detail));
    if let Some(help) = &diagnostic.help {
        line(&mut text, gutter, &format!("help: {}", escaped(help)));
    }
    text
}

fn line(text: &mut String, gutter: usize, words: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{:gutter$} = {words}", "").unwrap_or_default();
}

struct Shown<'a> {
    span: Span,
    arrow: &'static str,
    mark: char,
    label: &'a str,
}

fn excerpt(text: &mut String, shown: &Shown<'_>, gutter: usize, excerpts: &impl Excerpts) {
    let Shown { span, arrow, mark, label } = shown;
    let name = escaped(&excerpts.name(span.file));
    writeln!(text, "{:gutter$}{arrow} {name}:{}:{}", "", span.line, span.column).unwrap_or_default();
    let Some(source) = excerpts.line(span.file, span.line) else {
        if !label.is_empty() {
            line(text, gutter, &escaped(label));
        }
        return;
    };
    // The span is in bytes and may run over several lines; the marks are in characters and end with the first line.
    let bytes = span.end.saturating_sub(span.start) as usize;
    let skipped = span.column.saturating_sub(1) as usize;
    let marked = source.chars().skip(skipped).scan(0, |seen, character| {
        *seen += character.len_utf8();
        Some(*seen)
    });
    let marked = marked.take_while(|seen| *seen <= bytes).count().max(1);
    let source: Vec<char> = source.chars().map(one_cell).collect();
    let column = skipped.min(source.len());
    let (window, before) = cut(&source, column, marked, WIDTH - gutter - 3);
    let marked = marked.min(window.chars().count().saturating_sub(before).max(1));
    let marks: String = std::iter::repeat_n(*mark, marked).collect();
    writeln!(text, "{:gutter$} |", "").unwrap_or_default();
    writeln!(text, "{:>gutter$} | {}", span.line, window.trim_end()).unwrap_or_default();
    let label = if label.is_empty() { String::new() } else { format!(" {}", escaped(label)) };
    writeln!(text, "{:gutter$} | {:before$}{marks}{label}", "", "").unwrap_or_default();
}

/// The part of a line that fits into `width` and holds the column, and how many cells of it stand before that column.
fn cut(source: &[char], column: usize, marked: usize, width: usize) -> (String, usize) {
    if source.len() <= width {
        return (source.iter().collect(), column);
    }
    // A third of the room before the mark tells which key it belongs to; the end of the line is used up first.
    let start = if column + marked.min(width / 2) < width { 0 } else { column - (width / 3).min(column) };
    // One cell stays free behind the end, for a mark that points there.
    let start = start.min(source.len() + 2 - width);
    let room = width - usize::from(start > 0);
    let end = (start + room).min(source.len());
    let mut window: String = if start > 0 { "…".into() } else { String::new() };
    let cut_after = end < source.len();
    window.extend(&source[start..end - usize::from(cut_after)]);
    if cut_after {
        window.push('…');
    }
    (window, column - start + usize::from(start > 0))
}

/// A character that takes one cell and that a terminal does not obey, so that the marks below stay under what they mark.
fn one_cell(character: char) -> char {
    match character {
        '\t' => ' ',
        _ if is_unsafe(character) => '\u{fffd}',
        _ => character,
    }
}

/// Control characters, and those that reorder or hide what follows them.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text on one line with everything escaped that a terminal would obey.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    safe
}

/// A name from a file in backquotes, escaped, and cut where it is longer than a message bears.
pub fn quoted(name: &str) -> String {
    match name.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("`{}…`", escaped(&name[..end])),
        None => format!("`{}`", escaped(name)),
    }
}
