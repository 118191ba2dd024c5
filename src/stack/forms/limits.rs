//! `ulimits` and `restart`.

use super::map::{Map, expected};
use super::scalar::{integer, port_digits, word};
use super::{Described, Form, key};
use crate::diagnostic::{Diagnostics, Span, nearest, quoted};
use crate::stack::yaml::{Node, Value};

/// One resource limit; `-1` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
    pub span: Span,
}

/// Names that getrlimit(2) knows, without their `RLIMIT_`.
const ULIMITS: &[&str] = &[
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
pub const ULIMIT_KEYS: &[Described] = &[
    key("soft", Form::Integer, "What holds at first"),
    key("hard", Form::Integer, "What the process may raise it to"),
];

/// `ulimits`: a mapping of names to one number, or to `soft` and `hard`.
pub fn ulimits(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<Ulimit>> {
    let Some(entries) = node.as_mapping() else {
        expected(node, "a mapping, such as `nofile: 65536`", diagnostics);
        return None;
    };
    let mut limits = Vec::new();
    for (key, node) in entries {
        let name = key.text.as_str();
        if !ULIMITS.contains(&name) {
            let detail = format!("{} is no resource limit of Linux", quoted(name));
            let diagnostic = diagnostics.error(key.span, "Unknown key", detail);
            if let Some(near) = nearest(name, ULIMITS.iter().copied()) {
                diagnostic.help(format!("did you mean `{near}`?"));
            }
            continue;
        }
        let Some((soft, hard)) = bounds(node, diagnostics) else { continue };
        if soft < -1 || hard < -1 || (hard != -1 && (soft > hard || soft == -1)) {
            let detail = format!("a soft limit of {soft} does not fit under a hard limit of {hard} (-1 is no limit)");
            diagnostics.error(node.span, "Out of range", detail);
            continue;
        }
        limits.push(Ulimit { name: name.to_owned(), soft, hard, span: key.span });
    }
    Some(limits)
}

fn bounds(node: &Node, diagnostics: &mut Diagnostics) -> Option<(i64, i64)> {
    if !matches!(node.value, Value::Mapping(_)) {
        return integer(node, diagnostics).map(|both| (both, both));
    }
    let mut map = Map::new(node, "a limit", ULIMIT_KEYS, diagnostics)?;
    let soft = map.require("soft", "1024", integer);
    let hard = map.require("hard", "65536", integer);
    map.finish();
    Some((soft?, hard?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartPolicy {
    No,
    Always,
    /// With the number of tries, where one is given.
    OnFailure(Option<u32>),
    UnlessStopped,
}

/// `restart`: `no`, `always`, `on-failure`, `on-failure:3`, `unless-stopped`.
pub fn restart_policy(node: &Node, diagnostics: &mut Diagnostics) -> Option<RestartPolicy> {
    const WORDS: &[&str] = &["no", "always", "on-failure", "unless-stopped"];
    if let Value::Bool(false) = node.value {
        expected(node, "a restart policy", diagnostics);
        if let Some(last) = diagnostics.0.last_mut() {
            last.help("write `restart: \"no\"`");
        }
        return None;
    }
    let text = word(node, diagnostics)?;
    let policy = match (text.as_str(), text.strip_prefix("on-failure:")) {
        ("no", _) => Some(RestartPolicy::No),
        ("always", _) => Some(RestartPolicy::Always),
        ("on-failure", _) => Some(RestartPolicy::OnFailure(None)),
        ("unless-stopped", _) => Some(RestartPolicy::UnlessStopped),
        (_, Some(tries)) => port_digits(tries).map(|tries| RestartPolicy::OnFailure(Some(tries.into()))),
        _ => None,
    };
    if policy.is_none() {
        expected(node, "`no`, `always`, `on-failure`, `on-failure:3` or `unless-stopped`", diagnostics);
        if let (Some(near), Some(last)) = (nearest(&text, WORDS.iter().copied()), diagnostics.0.last_mut()) {
            last.help(format!("did you mean `{near}`?"));
        }
    }
    policy
}
