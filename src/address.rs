//! The handle of a resource: `kind.name`, the same in graph, plan, `--target`, ledger and JSON.
//!
//! A leaf: it knows no kind by name, so that a new kind needs nothing here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `kind.name`, such as `container.ollama` or `directory.~/.local/share/aidb`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct Address {
    kind: String,
    name: String,
}

impl Address {
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Everything after the first dot; names may hold dots and slashes themselves.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
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
        serializer.collect_str(self)
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
