//! Text for a terminal: escaped, cut, wrapped, painted. Nothing that comes from a file or from the machine reaches a
//! terminal except through [`escaped`]: a value must not be able to move the cursor or hide what follows it.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::words::{Colour, ELLIPSIS, WIDTH};
pub use crate::diagnostic::escaped;

/// How a text may look where it goes: colours only on a terminal that wants them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub colour: bool,
}

impl Look {
    pub fn paint(self, colour: Colour, text: &str) -> String {
        if self.colour && colour != Colour::Plain && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code())
        } else {
            text.to_owned()
        }
    }
}

/// A text that grows line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page(pub String);

impl Page {
    /// Adds one line behind `indent` columns; what is empty stays without trailing spaces.
    pub fn line(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.0.extend(std::iter::repeat_n(' ', indent));
            self.0.push_str(text);
        }
        self.0.push('\n');
    }

    /// Adds a text that has its line ends already.
    pub fn text(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Adds a text for people, escaped and wrapped; lines after the first are indented by two more.
    pub fn words(&mut self, indent: usize, text: &str) {
        self.line(indent, &wrapped(text, indent, indent + 2));
    }
}

/// In columns of a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with spaces behind it, up to `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{:1$}", "", columns.saturating_sub(width(text)))
}

/// How many characters fit into `columns`.
fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> usize {
    let widths = characters.map(|character| character.width().unwrap_or(0));
    let ends = widths.scan(0, |end, width| {
        *end += width;
        Some(*end)
    });
    ends.take_while(|end| *end <= columns).count()
}

/// The text cut to `columns`, its middle left out: the beginning says what it is, the end often what differs.
pub fn elided(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let kept = columns.saturating_sub(1);
    let head = kept.div_ceil(2);
    let start = text.chars().take(fitting(text.chars(), head));
    let tail = text.chars().count() - fitting(text.chars().rev(), kept - head);
    start.chain([ELLIPSIS]).chain(text.chars().skip(tail)).collect()
}

/// The text cut at its end.
pub fn clipped(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    text.chars().take(fitting(text.chars(), columns.saturating_sub(1))).chain([ELLIPSIS]).collect()
}

/// Escapes and breaks a text into lines of at most [`WIDTH`] columns; the first line goes behind `first` columns that are there
/// already, the others are indented by `indent`. A word that is longer stays whole: it is a path or a command to copy. So
/// does what stands in backticks, where a line can hold it.
pub fn wrapped(text: &str, first: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = first;
    let mut at_start = true;
    for word in words(&escaped(text), WIDTH.saturating_sub(indent)) {
        let length = width(word);
        let room = if at_start { column + length } else { column + 1 + length };
        // The first line may be so full that its first word is better off on the next.
        if room > WIDTH && (!at_start || (column > indent && lines.is_empty())) {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
            at_start = true;
        }
        if !at_start {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
        at_start = false;
    }
    lines
}

/// What a line is not broken in: words, and texts in backticks of at most `columns`.
fn words(text: &str, columns: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while !rest.is_empty() {
        let mut end = rest.find(' ').unwrap_or(rest.len());
        if rest[..end].matches('`').count() % 2 == 1
            && let Some(close) = rest[end..].find('`')
        {
            let close = end + close + 1;
            let quoted_end = rest[close..].find(' ').map_or(rest.len(), |space| close + space);
            if width(&rest[..quoted_end]) <= columns {
                end = quoted_end;
            }
        }
        words.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(' ');
    }
    words
}

/// Names listed in one place; whoever wants them all asks for JSON.
const NAMES_MAX: usize = 24;

/// `a, b, c`, and of a great many how many more there are.
pub fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

pub use crate::change::in_bytes as size;

/// The two greatest units that count: `45 s`, `3 min 20 s`, `5 h 2 min`, `12 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |great: u64, great_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{great} {great_unit}"),
        _ => format!("{great} {great_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{clipped, duration, elided, escaped, listed, padded, size, width, wrapped};

    #[test]
    fn a_value_cannot_steer_the_terminal() {
        assert_eq!(escaped("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(escaped("héé — ok"), "héé — ok");
    }

    #[test]
    fn the_middle_is_left_out_and_both_ends_stay() {
        assert_eq!(elided("abcdefghij", 10), "abcdefghij");
        assert_eq!(elided("abcdefghij", 7), "abc…hij");
        assert_eq!(elided("abcdefghij", 6), "abc…ij");
        assert_eq!(elided("abc", 1), "…");
        assert_eq!(clipped("abcdef", 4), "abc…");
        assert_eq!(elided("日本語日本語", 9), "日本…本語", "an ideograph takes two columns");
        assert_eq!(clipped("日本語", 4), "日…");
        assert_eq!(padded("日本", 6), "日本  ");
    }

    #[test]
    fn lines_end_before_the_width_and_long_words_stay_whole() {
        let text = "word ".repeat(40);
        let lines = wrapped(&text, 30, 6);
        let mut lines = lines.lines();
        assert!(width(lines.next().expect("a first line")) <= 50);
        assert!(lines.all(|line| width(line) <= 80 && line.starts_with("      w")));
        let path = format!("/{}", "x".repeat(100));
        assert_eq!(wrapped(&format!("see {path}"), 0, 2), format!("see\n  {path}"));
    }

    #[test]
    fn a_command_in_a_sentence_can_be_copied() {
        let command = "`journalctl --user --unit podman-local-ai-ollama.service`";
        let text = format!("Read what it said last with {command}, then try again.");
        let broken = format!("Read what it said last with\n  {command}, then try again.");
        assert_eq!(wrapped(&text, 0, 2), broken);
        let long = format!("see `{}` then", "word ".repeat(30));
        assert!(wrapped(&long, 0, 2).lines().all(|line| width(line) <= 80), "longer than a line it is broken");
        assert_eq!(wrapped("a ` b", 0, 2), "a ` b");
    }

    #[test]
    fn of_many_names_the_first_are_told_and_the_others_counted() {
        let names: Vec<String> = (1..=30).map(|number| format!("n{number}")).collect();
        assert_eq!(listed(&names[..3]), "n1, n2, n3");
        assert!(listed(&names).ends_with("n23, n24, and 6 more"), "{}", listed(&names));
    }

    #[test]
    fn sizes_and_durations_read_as_people_say_them() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (270_336, "270.3 kB"), (4_130_000_000, "4.1 GB")]
        {
            assert_eq!(size(bytes), text);
        }
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (18_120, "5 h 2 min")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(duration(Duration::from_secs(86_400 * 12 + 3_600 * 4)), "12 d 4 h");
    }
}
