//! Lists, and what Compose lets one write as a list or as something shorter.

use super::map::{expected, invalid};
use super::scalar::{text, word};
use super::words::{WordsError, split_words};
use crate::diagnostic::{Diagnostics, Span, quoted};
use crate::stack::yaml::{Node, Value};
use std::collections::HashMap;
use std::fmt;

/// Reads every item; those that are wrong are reported and left out.
pub fn list_of<T>(
    node: &Node,
    what: &str,
    diagnostics: &mut Diagnostics,
    mut reader: impl FnMut(&Node, &mut Diagnostics) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(items) = node.as_sequence() else {
        expected(node, what, diagnostics);
        return None;
    };
    Some(items.iter().filter_map(|item| reader(item, diagnostics)).collect())
}

/// A list of texts.
pub fn list_of_text(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    list_of(node, "a list, such as `[one, two]`", diagnostics, text)
}

/// One word, or a list of them (`dns`, `tmpfs`).
pub fn word_or_list(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    match &node.value {
        Value::Sequence(_) => list_of(node, "a list", diagnostics, word),
        Value::Mapping(_) => {
            expected(node, "a text or a list, such as `[one, two]`", diagnostics);
            None
        }
        _ => word(node, diagnostics).map(|word| vec![word]),
    }
}

/// A command line. No words at all is a value too: it takes away what the image brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub words: Vec<String>,
    /// It was written as one text, and split.
    pub split: bool,
    pub span: Span,
}

/// `command`, `entrypoint`, `exec`: a list of words, or one text that is split as a shell would, but runs no shell.
pub fn command(node: &Node, diagnostics: &mut Diagnostics) -> Option<Command> {
    if node.as_sequence().is_some() {
        return list_of_text(node, diagnostics).map(|words| Command { words, split: false, span: node.span });
    }
    if node.as_mapping().is_some() || node.is_null() {
        expected(node, "a command, such as `[sleep, \"60\"]` or `sleep 60`", diagnostics);
        return None;
    }
    let text = text(node, diagnostics)?;
    match split_words(&text) {
        Ok(words) => Some(Command { words, split: true, span: node.span }),
        Err(error) => {
            let (why, help) = match error {
                WordsError::Unclosed(quote) => (format!("opens a {quote} that is never closed"), None),
                WordsError::Backslash => ("ends with a backslash".to_owned(), None),
                WordsError::Shell(sign) => {
                    let help = "put it in quotes, or ask for a shell: `[sh, -c, \"…\"]`";
                    (format!("holds `{sign}`, which only a shell understands, and no shell runs it"), Some(help))
                }
            };
            invalid(node, "Not a command", &why, diagnostics);
            if let (Some(help), Some(last)) = (help, diagnostics.0.last_mut()) {
                last.help(help);
            }
            None
        }
    }
}

/// One `key: value` or `key=value`. `Debug` hides a value that came from the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    pub key: String,
    pub value: String,
    pub span: Span,
    /// The value came from the environment: hash it, never show it.
    pub sensitive: bool,
}

impl fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.sensitive { "(hidden)" } else { &self.value };
        write!(formatter, "{}={value:?}", self.key)
    }
}

/// `environment`, `labels` and their like: a mapping of names to scalars, or a list of `NAME=value`. Scalars become text as they
/// were written (`true`, `1.10`); null is the empty text (what stands for "from the environment" was filled in by the load).
/// A name that is given twice is an error.
pub fn map_or_list(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Pair>> {
    let pairs: Vec<Pair> = match &node.value {
        Value::Mapping(entries) => entries
            .iter()
            .filter_map(|(key, value)| {
                let text = if value.is_null() { Some("") } else { value.written() };
                if text.is_none() {
                    expected(value, &format!("a text for {}", quoted(&key.text)), diagnostics);
                }
                if text.is_some_and(|text| text.contains('\0')) {
                    invalid(
                        value,
                        "NUL",
                        "holds a NUL, which ends every text that is handed to a process",
                        diagnostics,
                    );
                    return None;
                }
                let value_of = |text: &str| pair(&key.text, text, key.span, value.sensitive);
                text.map(value_of)
            })
            .collect(),
        Value::Sequence(items) => items
            .iter()
            .filter_map(|item| {
                let text = text(item, diagnostics)?;
                let (key, value) = text.split_once('=').unwrap_or((&text, ""));
                Some(pair(key, value, item.span, item.sensitive))
            })
            .collect(),
        _ => {
            expected(node, "a mapping, such as `NAME: value`, or a list, such as `[\"NAME=value\"]`", diagnostics);
            return None;
        }
    };
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for pair in &pairs {
        if pair.key.trim().is_empty() || pair.key.contains(['=', '\n', '\0']) {
            diagnostics.error(pair.span, "Not a name", format!("{} cannot be a name here", quoted(&pair.key)));
        }
        if let Some(first) = seen.insert(&pair.key, pair.span) {
            let detail = format!("{} is given twice", quoted(&pair.key));
            diagnostics.error(pair.span, "Duplicate key", detail).related(first, "first given here");
        }
    }
    Some(pairs)
}

fn pair(key: &str, value: &str, span: Span, sensitive: bool) -> Pair {
    Pair { key: key.to_owned(), value: value.to_owned(), span, sensitive }
}
