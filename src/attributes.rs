//! What is compared: an ordered map from an attribute's path to its canonical value.
//!
//! Values are JSON (`serde_json` keeps its maps sorted, so that printing one is canonical). Secrets never stand here in
//! clear: [`Secrets::seal`] turns them into keyed hashes. What an attribute is called and what a change of it costs is
//! said by each kind's table of [`Attribute`] rows; how two values are compared is said once, in `plan/diff.rs`.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::change::Action;

/// Attribute path -> canonical value; an attribute that the user did not set is not in the map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(pub BTreeMap<String, Value>);

impl Attributes {
    pub fn set(&mut self, path: &str, value: impl Into<Value>) {
        self.0.insert(path.to_owned(), value.into());
    }

    /// Sets the attribute only where there is something to compare: no null, no empty list, map or text.
    pub fn set_given(&mut self, path: &str, value: impl Into<Value>) {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.set(path, value);
        }
    }

    pub fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// Canonical text: sorted keys, no spaces. Two equal maps have the same.
    pub fn canonical(&self) -> String {
        serde_json::to_string(&self.0).expect("a map with text keys is always JSON")
    }
}

/// How values of an attribute are held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal as they stand.
    Whole,
    /// A list whose order means nothing.
    Set,
    /// A map of which only the keys that the user set, or had set at the last apply, are compared, each on its own.
    Keys,
    /// The same, and where the user sets it, that is all there is to be: a key that only the machine has differs too.
    AllKeys,
}

/// A row of a kind's table: what may be set, what a change of it costs, how it is compared.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    pub path: &'static str,
    pub on_change: Action,
    pub comparison: Comparison,
    /// The machine does not show it back: desired is compared with last-applied alone.
    pub blind: bool,
    /// A state of the object, such as running, which no file sets: if it differs, the machine changed it. It is no part
    /// of last-applied.
    pub state: bool,
    /// Changed on the object as it stands, whose label goes on telling what it was made with: last-applied is what the
    /// ledger remembers.
    pub in_place: bool,
}

pub const fn attribute(path: &'static str, on_change: Action) -> Attribute {
    Attribute { path, on_change, comparison: Comparison::Whole, blind: false, state: false, in_place: false }
}

impl Attribute {
    pub const fn set(mut self) -> Self {
        self.comparison = Comparison::Set;
        self
    }

    pub const fn keys(mut self) -> Self {
        self.comparison = Comparison::Keys;
        self
    }

    pub const fn all_keys(mut self) -> Self {
        self.comparison = Comparison::AllKeys;
        self
    }

    pub const fn blind(mut self) -> Self {
        self.blind = true;
        self
    }

    pub const fn in_place(mut self) -> Self {
        self.in_place = true;
        self
    }

    pub const fn state(mut self) -> Self {
        self.state = true;
        self
    }
}

/// The stack's own key for hashing secrets; it never leaves the state directory.
#[derive(Clone)]
pub struct Secrets {
    key: [u8; 32],
    /// What every hash begins with, made once.
    keyed: Hmac<Sha256>,
    key_id: String,
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Secrets {}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets { .. }")
    }
}

const SEALED: &str = "sealed";

impl Secrets {
    pub fn new(key: [u8; 32]) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        let mut secrets = Self { key, keyed, key_id: String::new() };
        secrets.key_id = secrets.hash("").chars().take(16).collect();
        secrets
    }

    /// A value that may be stored, printed and compared: `{"sealed": "hmac-sha256 in hex"}`.
    pub fn seal(&self, clear: &str) -> Value {
        serde_json::json!({ SEALED: self.hash(clear) })
    }

    /// Tells hashes of this key from those of one that was lost.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// A keyed hash in hex, for what must be compared without being kept.
    pub fn hash(&self, clear: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(clear.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

/// Text that is a secret: it is handed on, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Is the value the keyed hash of a secret, which a report shows as such?
pub fn is_sealed(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(SEALED))
}

/// SHA-256 of text that holds no secret, in hex.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
    }
    text
}
