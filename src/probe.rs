//! A typed question to a server, and what its answer must be. Pure: the asking is done by `machine/`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// From the host, over plain HTTP.
    Http { url: String, status: Option<u16>, json: Option<String> },
    /// A TCP connection from the host, `host:port`.
    Tcp { address: String },
    /// The container's own health check, run by podman.
    Container { name: String },
}

/// A probe with its patience: healthy by the deadline, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    pub probe: Probe,
    pub interval: Duration,
    pub timeout: Duration,
    pub retries: u32,
    pub start_period: Duration,
}

impl Readiness {
    /// From the start of the container: `start_period + retries × (interval + timeout)` (design, "Defaults").
    pub fn deadline(&self) -> Duration {
        self.start_period + (self.interval + self.timeout) * self.retries
    }
}

/// Does the selection of `predicate` in `body` hold? A predicate is a path, `models[*].name`, which holds when it selects
/// something that is not null; or `path == literal`, which holds when something selected equals the JSON literal.
///
/// # Errors
/// The predicate is not of that form.
pub fn holds(predicate: &str, body: &Value) -> Result<bool, BadPredicate> {
    let parsed = Predicate::parse(predicate)?;
    let mut selected = vec![body];
    for part in &parsed.path {
        selected = selected.into_iter().flat_map(|value| part.select(value)).collect();
    }
    Ok(match &parsed.equals {
        Some(literal) => selected.into_iter().any(|value| value == literal),
        None => selected.into_iter().any(|value| !value.is_null()),
    })
}

/// The predicate cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no predicate; examples: `models[*].name`, `status == true`")]
pub struct BadPredicate(String);

/// Checks the form alone, for the stack file.
///
/// # Errors
/// The predicate is not of the form that [`holds`] takes.
pub fn check(predicate: &str) -> Result<(), BadPredicate> {
    Predicate::parse(predicate).map(|_| ())
}

#[derive(Debug)]
struct Predicate {
    path: Vec<Part>,
    equals: Option<Value>,
}

#[derive(Debug)]
enum Part {
    Key(String),
    Index(usize),
    Every,
}

impl Part {
    fn select<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Part::Key(key) => value.get(key).into_iter().collect(),
            Part::Index(index) => value.get(index).into_iter().collect(),
            Part::Every => value.as_array().map(|items| items.iter().collect()).unwrap_or_default(),
        }
    }
}

impl Predicate {
    fn parse(text: &str) -> Result<Self, BadPredicate> {
        let bad = || BadPredicate(text.to_owned());
        let (path, equals) = match text.split_once("==") {
            Some((path, literal)) => (path, Some(serde_json::from_str(literal.trim()).map_err(|_| bad())?)),
            None => (text, None),
        };
        let mut parts = Vec::new();
        for piece in path.trim().split('.') {
            let (key, mut rest) = piece.split_at(piece.find('[').unwrap_or(piece.len()));
            if !key.is_empty() {
                parts.push(Part::Key(key.to_owned()));
            } else if rest.is_empty() {
                return Err(bad());
            }
            while !rest.is_empty() {
                let (inside, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(bad)?;
                parts.push(match inside {
                    "*" => Part::Every,
                    index => Part::Index(index.parse().map_err(|_| bad())?),
                });
                rest = after;
            }
        }
        Ok(Self { path: parts, equals })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{check, holds};

    #[test]
    fn a_path_holds_when_it_selects_something() {
        let body = json!({"models": [{"name": "phi4"}], "status": true, "empty": [], "nothing": null});
        for (predicate, expected) in [
            ("models", true),
            ("models[*].name", true),
            ("models[0].name == \"phi4\"", true),
            ("models[1].name", false),
            ("status == true", true),
            ("status == false", false),
            ("empty", true),
            ("empty[*]", false),
            ("nothing", false),
            ("absent", false),
        ] {
            assert_eq!(holds(predicate, &body), Ok(expected), "{predicate}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for predicate in ["", "a..b", "a[", "a[x]", "a == nonsense"] {
            assert!(check(predicate).is_err(), "{predicate}");
        }
    }
}
