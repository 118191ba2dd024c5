//! One YAML document as nodes that know where they stand. Parsing is bounded (depth, values, what aliases may repeat) and does
//! not recurse; scalars are typed by serde_yaml itself, so that both have one reading. It knows no key's meaning.

mod build;
mod scalar;
#[cfg(test)]
mod tests;

pub use build::parse;
pub use scalar::{resolve_plain, retype};

use crate::diagnostic::{Span, quoted};
use std::fmt;

/// The key of a mapping: always text, as it was written (`8080: x` has the key `8080`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub span: Span,
}

/// Compose's tags for overlays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tag {
    #[default]
    None,
    /// `!reset`: what earlier files say of this key is forgotten, and so is this value.
    Reset,
    /// `!override`: this value stands for what earlier files say, unmerged.
    Override,
}

#[derive(Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

/// A value with its place. `Debug` and [`Node::shown`] never tell a value that came from the environment.
#[derive(Clone)]
pub struct Node {
    pub span: Span,
    pub value: Value,
    pub tag: Tag,
    /// Unquoted in the file, so that its text decided its type.
    pub plain: bool,
    /// Some of the text came from the environment or an environment file.
    pub sensitive: bool,
    /// The text of a scalar that is not `Text`, as written: `1.10`, `0o17`, `~`.
    pub(super) raw: Box<str>,
    /// What stood in the file before variables were put in, where there were any.
    pub(super) template: Option<Box<str>>,
}

impl Node {
    pub fn new(span: Span, value: Value) -> Self {
        Self { span, value, tag: Tag::None, plain: false, sensitive: false, raw: Box::default(), template: None }
    }

    /// The text of a scalar as it was written, whatever its type; `None` for lists and mappings.
    pub fn written(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => Some(&self.raw),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Variables were put into it: a quoted number may then stand where a number is due, as in Compose.
    pub fn interpolated(&self) -> bool {
        self.template.is_some()
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub fn as_sequence(&self) -> Option<&[Node]> {
        if let Value::Sequence(items) = &self.value { Some(items) } else { None }
    }

    pub fn as_mapping(&self) -> Option<&[(Key, Node)]> {
        if let Value::Mapping(entries) = &self.value { Some(entries) } else { None }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let Value::Mapping(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    /// Takes a key out of a mapping.
    pub(super) fn remove(&mut self, key: &str) -> Option<(Key, Node)> {
        let Value::Mapping(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|(name, _)| name.text == key)?;
        Some(entries.remove(at))
    }

    /// What it is, in words that fit "expected …, found …".
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The value for a message: in backquotes, cut, escaped; the template instead of a value that came from the environment.
    pub fn shown(&self) -> String {
        match (&self.template, self.written()) {
            (Some(template), _) if self.sensitive => quoted(template),
            (_, Some("")) if self.is_null() => "nothing".into(),
            (_, Some("")) => "an empty text".into(),
            (_, Some(written)) => quoted(written),
            (_, None) => self.kind().into(),
        }
    }

    /// Whether both say the same, wherever they stand.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Value::Mapping(a), Value::Mapping(_)) => {
                other.as_mapping().is_some_and(|b| a.len() == b.len())
                    && a.iter().all(|(key, node)| other.get(&key.text).is_some_and(|twin| node.same(twin)))
            }
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Text(a), Value::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            _ if self.sensitive => write!(formatter, "{}", self.shown()),
            Value::Null => write!(formatter, "null"),
            Value::Bool(value) => write!(formatter, "{value}"),
            Value::Integer(value) => write!(formatter, "{value}"),
            Value::Float(value) => write!(formatter, "{value:?}"),
            Value::Text(value) => write!(formatter, "{value:?}"),
            Value::Sequence(items) => formatter.debug_list().entries(items).finish(),
            Value::Mapping(entries) => {
                formatter.debug_map().entries(entries.iter().map(|(key, node)| (&key.text, node))).finish()
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The words alone: whether the text may be shown is known to the node only.
        let word = match self {
            Value::Null => "Null",
            Value::Bool(_) => "Bool",
            Value::Integer(_) => "Integer",
            Value::Float(_) => "Float",
            Value::Text(_) => "Text",
            Value::Sequence(_) => "Sequence",
            Value::Mapping(_) => "Mapping",
        };
        formatter.write_str(word)
    }
}
