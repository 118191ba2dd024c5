//! The handle of a resource: `kind.name`, the same in graph, plan, `--target`, ledger and JSON.
//!
//! A leaf: it knows no kind by name, so that a new kind needs nothing here.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use indexmap::Equivalent;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `kind.name`, such as `container.ollama` or `directory.~/.local/share/aidb`.
// Copies share one text: a plan is full of them.
#[derive(Clone, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct Address {
    text: Arc<str>,
    /// Of the kind, in bytes.
    dot: usize,
}

impl Address {
    pub fn new(kind: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        let kind = kind.as_ref();
        Self { text: format!("{kind}.{}", name.as_ref()).into(), dot: kind.len() }
    }

    pub fn kind(&self) -> &str {
        &self.text[..self.dot]
    }

    /// Everything after the first dot; names may hold dots and slashes themselves.
    pub fn name(&self) -> &str {
        &self.text[self.dot + 1..]
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// As its text, so that a map can be asked by that.
impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Equivalent<Address> for str {
    fn equivalent(&self, key: &Address) -> bool {
        *self == *key.text
    }
}

/// By kind, then by name.
impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.dot == other.dot {
            true => self.text.cmp(&other.text),
            false => (self.kind(), self.name()).cmp(&(other.kind(), other.name())),
        }
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// The text is no address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no address; one is `kind.name`, such as `container.ollama`")]
pub struct NotAnAddress(String);

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('.') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(NotAnAddress(text.to_owned())),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_name_may_hold_dots_and_slashes() {
        let address: Address = "directory.~/.local/share/aidb".parse().expect("a valid address");
        assert_eq!((address.kind(), address.name()), ("directory", "~/.local/share/aidb"));
        assert_eq!(address.to_string(), "directory.~/.local/share/aidb");
    }

    #[test]
    fn half_an_address_is_refused() {
        for text in ["", "container", ".x", "container."] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
