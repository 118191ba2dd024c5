//! What would break: a message whose mark points elsewhere, that a terminal obeys, or that offers nonsense.

use super::{Diagnostics, Excerpts, FileId, Span, nearest, quoted, render};

struct Text(&'static str);

impl Excerpts for Text {
    fn name(&self, _: FileId) -> String {
        "stack.yaml".into()
    }

    fn line(&self, _: FileId, line: u32) -> Option<&str> {
        self.0.lines().nth(line as usize - 1)
    }
}

fn span(line: u32, column: u32, length: u32) -> Span {
    Span { file: FileId(0), line, column, start: 100, end: 100 + length }
}

#[test]
fn a_finding_shows_its_line_and_what_to_write() {
    let text = Text(
        "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\nx:\n    imgae: docker.io/ollama/ollama:0.12.11\n",
    );
    let mut diagnostics = Diagnostics::default();
    diagnostics
        .error(span(12, 5, 5), "Unknown key", "`imgae` is not a key of a container")
        .help("did you mean `image`?");
    diagnostics.warning(None, "Odd", "no place");
    diagnostics.error(span(2, 1, 1), "Duplicate key", "`b` twice").related(span(1, 1, 1), "first given here");
    let expected = "\
error: Unknown key
  --> stack.yaml:12:5
   |
12 |     imgae: docker.io/ollama/ollama:0.12.11
   |     ^^^^^
   = `imgae` is not a key of a container
   = help: did you mean `image`?

warning: Odd
  = no place

error: Duplicate key
 --> stack.yaml:2:1
  |
2 | b: 2
  | ^
 ::: stack.yaml:1:1
  |
1 | a: 1
  | - first given here
  = `b` twice
";
    assert_eq!(render(&diagnostics, &text), expected);
}

/// However long the line, 80 columns hold the marked place with its mark below it.
#[test]
fn long_lines_are_cut_around_the_mark() {
    let long: &'static str = Box::leak(("é".repeat(200) + "HERE" + &"ü".repeat(200)).into_boxed_str());
    for (column, length, marks) in [(1, 2, 1), (201, 4, 4), (350, 2, 1), (404, 20, 1), (600, 1, 1), (201, 10_000, 40)] {
        let mut diagnostics = Diagnostics::default();
        diagnostics.error(span(1, column, length), "X", "y");
        let text = render(&diagnostics, &Text(long));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        let under = lines[4].chars().position(|c| c == '^').unwrap();
        assert!(lines[4].matches('^').count() >= marks, "{text}");
        if column == 201 {
            assert_eq!(lines[3].chars().nth(under), Some('H'), "{text}");
        }
    }
}

#[test]
fn terminals_are_given_nothing_to_obey() {
    let mut diagnostics = Diagnostics::default();
    diagnostics.error(span(1, 1, 3), "X", format!("{} is odd", quoted("a\u{1b}[31m\n\u{202e}b"))).help("\u{7} bell");
    let text = render(&diagnostics, &Text("a\u{1b}[2J\tb\u{202e}c"));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{text:?}");
    assert!(text.contains(r"`a\u{1b}[31m\n\u{202e}b` is odd"), "{text}");
    assert!(quoted(&"x".repeat(1_000_000)).len() < 100);
}

#[test]
fn suggestions_are_near_or_absent() {
    let keys = ["image", "environment", "ports", "env_file", "depends_on", "cap_add", "init"];
    let cases = [
        ("imgae", Some("image")),
        ("Image", Some("image")),
        ("enviroment", Some("environment")),
        ("env-file", Some("env_file")),
        ("dependson", Some("depends_on")),
        ("port", Some("ports")),
        ("xyz", None),
        ("", None),
        ("a", None),
        ("nginx", None),
    ];
    for (word, expected) in cases {
        assert_eq!(nearest(word, keys), expected, "{word}");
    }
    assert_eq!(nearest(&"image".repeat(200_000), keys), None);
}

#[test]
fn findings_are_ordered_by_place_and_said_once() {
    let mut diagnostics = Diagnostics::default();
    diagnostics.error(span(3, 1, 1), "C", "c");
    diagnostics.error(span(1, 9, 1), "B", "b");
    diagnostics.error(span(1, 2, 1), "A", "a");
    diagnostics.error(span(3, 1, 1), "C", "c");
    diagnostics.sort();
    assert_eq!(diagnostics.0.iter().map(|d| d.summary).collect::<Vec<_>>(), ["A", "B", "C"]);
    assert!(diagnostics.has_errors());
}
