//! Which values do not merge the plain way. One table; the rows are Compose's (compose-spec, "Merge" and "Unique resources").

use crate::stack::yaml::{Node, Value};

/// How two values of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Mappings merge, lists append, scalars are replaced.
    Plain,
    /// The later value stands: half a command is none.
    Replace,
    /// `NAME: value` or `NAME=value`, merged by name.
    Pairs,
    /// A list of names is short for a mapping.
    Names,
    /// A list whose items have an identity.
    Unique(Identity),
    /// The same, and a single item may be written without the list.
    Few(Identity),
    /// Options belong to their driver.
    Logging,
}

/// What makes two items of a list versions of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The whole text.
    Text,
    /// Address, both ports and protocol.
    Port,
    /// The path in the container.
    Target,
    /// `source` and, where given, `target` of secrets and configs.
    Reference,
    /// `path`.
    Path,
}

/// Keys of any entry (container, service, …) below its section. `*` is any one key.
const RULES: &[(&[&str], Rule)] = &[
    (&["annotations"], Rule::Pairs),
    (&["build", "args"], Rule::Pairs),
    (&["build", "labels"], Rule::Pairs),
    (&["cap_add"], Rule::Unique(Identity::Text)),
    (&["cap_drop"], Rule::Unique(Identity::Text)),
    (&["children"], Rule::Unique(Identity::Text)),
    (&["command"], Rule::Replace),
    (&["configs"], Rule::Unique(Identity::Reference)),
    (&["data"], Rule::Unique(Identity::Path)),
    (&["depends_on"], Rule::Names),
    (&["deploy", "labels"], Rule::Pairs),
    (&["devices"], Rule::Unique(Identity::Target)),
    (&["dns"], Rule::Few(Identity::Text)),
    (&["dns_opt"], Rule::Few(Identity::Text)),
    (&["dns_search"], Rule::Few(Identity::Text)),
    (&["driver_opts"], Rule::Pairs),
    (&["entrypoint"], Rule::Replace),
    (&["env_file"], Rule::Few(Identity::Path)),
    (&["environment"], Rule::Pairs),
    (&["ephemeral"], Rule::Unique(Identity::Text)),
    (&["exec"], Rule::Replace),
    (&["expose"], Rule::Unique(Identity::Text)),
    (&["extra_hosts"], Rule::Unique(Identity::Text)),
    (&["group_add"], Rule::Unique(Identity::Text)),
    (&["healthcheck", "test"], Rule::Replace),
    (&["label_file"], Rule::Few(Identity::Text)),
    (&["labels"], Rule::Pairs),
    (&["logging"], Rule::Logging),
    (&["networks"], Rule::Names),
    (&["networks", "*", "aliases"], Rule::Unique(Identity::Text)),
    (&["ports"], Rule::Unique(Identity::Port)),
    (&["profiles"], Rule::Unique(Identity::Text)),
    (&["run"], Rule::Replace),
    (&["secrets"], Rule::Unique(Identity::Reference)),
    (&["security_opt"], Rule::Unique(Identity::Text)),
    (&["sysctls"], Rule::Pairs),
    (&["tmpfs"], Rule::Few(Identity::Text)),
    (&["volumes"], Rule::Unique(Identity::Target)),
];

/// The rule for a key path from the top of the file (`containers`, name, key, …).
pub(super) fn rule(path: &[String]) -> Rule {
    let Some(below) = path.get(2..).filter(|below| !below.is_empty()) else { return Rule::Plain };
    let matches = |pattern: &[&str]| {
        pattern.len() == below.len() && pattern.iter().zip(below).all(|(part, key)| *part == "*" || part == key)
    };
    RULES.iter().find(|(pattern, _)| matches(pattern)).map_or(Rule::Plain, |(_, rule)| *rule)
}

/// The identity of an item, `None` where it has none and is always one of its own.
pub(super) fn identity(item: &Node, kind: Identity) -> Option<String> {
    let field = |key: &str| item.get(key).and_then(Node::written).map(str::to_owned);
    match (kind, &item.value) {
        (_, Value::Sequence(_) | Value::Null) | (Identity::Text, Value::Mapping(_)) => None,
        (Identity::Port, Value::Mapping(_)) => {
            let part = |key: &str, default: &str| field(key).unwrap_or_else(|| default.into());
            Some(format!(
                "{}:{}:{}/{}",
                part("host_ip", "127.0.0.1"),
                part("published", ""),
                part("target", ""),
                part("protocol", "tcp")
            ))
        }
        (Identity::Target, Value::Mapping(_)) => field("target"),
        (Identity::Reference, Value::Mapping(_)) => field("target").or_else(|| field("source")),
        (Identity::Path, Value::Mapping(_)) => field("path"),
        (kind, _) => {
            let text = item.written()?;
            Some(match kind {
                Identity::Port => port(text),
                // `source:target:options`, or the target alone.
                Identity::Target => text.split(':').nth(1).unwrap_or(text).to_owned(),
                Identity::Text | Identity::Reference | Identity::Path => text.to_owned(),
            })
        }
    }
}

/// The short form of a port in full, so that both forms compare.
fn port(text: &str) -> String {
    let (text, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let (rest, target) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, published) = rest.rsplit_once(':').unwrap_or(("127.0.0.1", rest));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    format!("{address}:{published}:{target}/{protocol}")
}
