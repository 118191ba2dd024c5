//! A secret as written: where its value comes from, in Compose's words and one of our own.

use super::{Secret, Source};
use crate::address::Address;
use crate::attributes::Hidden;
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::kinds::network::pairs;
use crate::stack::forms::{self, Map, Places};
use crate::stack::forms::{Described, Form, key};
use crate::stack::source::text;
use crate::stack::yaml::{Key, Node};

/// How the two kinds that podman keeps as secrets are written.
struct Written {
    kind: &'static str,
    what: &'static str,
    /// On the machine, between the stack's name and its own.
    infix: &'static str,
    keys: &'static [Described],
    /// The source that the other has not.
    own: &'static str,
    read: fn(&Node, &mut Diagnostics) -> Option<Source>,
    example: &'static str,
}

pub(super) const SECRET_KEYS: &[Described] = &[
    key("name", Form::Text, "What podman calls it, without the version"),
    key("external", Form::Boolean, "It is there already, and somebody else's"),
    key("file", Form::Path, "A file whose text it is"),
    key("environment", Form::Text, "A variable whose value it is"),
    key("labels", Form::Pairs, "Labels"),
    key(
        "generate",
        Form::Either(&[Form::Boolean, Form::Map(GENERATE_KEYS)]),
        "Make it once, of letters and digits, and keep it",
    ),
];
pub(in crate::kinds) const CONFIG_KEYS: &[Described] = &[
    key("name", Form::Text, "What podman calls it, without the version"),
    key("external", Form::Boolean, "It is there already, and somebody else's"),
    key("file", Form::Path, "A file whose text it is"),
    key("environment", Form::Text, "A variable whose value it is"),
    key("labels", Form::Pairs, "Labels"),
    key("content", Form::Text, "Its text"),
];

static SECRET: Written = Written {
    kind: "secret",
    what: "a secret",
    infix: "",
    keys: SECRET_KEYS,
    own: "generate",
    read: generate,
    example: "such as `generate: { length: 32 }` or `file: ~/.config/hf/token`",
};
static CONFIG: Written = Written {
    kind: "config",
    what: "a config",
    infix: "config_",
    keys: CONFIG_KEYS,
    own: "content",
    read: content,
    example: "such as `content: \"on\\n\"` or `file: ./app.conf`",
};

const UNSUPPORTED: &[(&str, &str)] = &[
    ("driver", "secrets are kept by podman's own driver, `file`"),
    ("driver_opts", "secrets are kept by podman's own driver, `file`"),
    ("template_driver", "it has a meaning in Docker Swarm only"),
];
const GENERATE_KEYS: &[Described] = &[key("length", Form::Integer, "Of how many signs; 32 by itself")];
const LENGTH: usize = 32;
/// Podman takes at most 512,000 bytes (`pkg/secrets/secrets.go` of containers/common).
const BYTES_MAX: usize = 512_000;

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    read_as(&SECRET, key, node, reading)
}

/// The same for what is no secret, whose text may stand in the stack file.
pub(in crate::kinds) fn read_config(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    read_as(&CONFIG, key, node, reading)
}

fn read_as(written: &'static Written, key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let Written { kind, what, infix, keys, own, read, example } = written;
    let Some(map) = Map::new(node, what, keys, reading.diagnostics) else { return Vec::new() };
    let mut map = map.unsupported(UNSUPPORTED);
    let name = map.read("name", name).unwrap_or_else(|| format!("{}_{infix}{}", reading.context.stack, key.text));
    let external = map.read("external", forms::boolean).unwrap_or(false);
    let own_source = map.take(own).and_then(|node| read(node, map.diagnostics));
    let environment = map.read("environment", forms::text).map(|text| Source::Environment(Hidden(text)));
    let labels = map.read("labels", pairs).unwrap_or_default();
    let (places, file) = (reading.places, map.take("file"));
    map.finish();
    let given = [own, "environment", "file"].map(|key| node.get(key).is_some());
    let count = given.into_iter().filter(|given| *given).count();
    if count != usize::from(!external) {
        let detail = match external {
            true => "what is `external` is made by somebody else, and has no source here".to_owned(),
            false => format!("{what} has one of `{own}`, `file` and `environment`, or is `external: true`"),
        };
        reading.diagnostics.error(key.span, "Not one source", detail).help(*example);
        return Vec::new();
    }
    let file = file.and_then(|node| of_file(node, places, reading));
    let source = own_source.or(environment).or(file).or(external.then_some(Source::External));
    let Some(source) = source else { return Vec::new() };
    vec![Box::new(Secret {
        address: Address::new(*kind, &key.text),
        span: key.span,
        context: reading.context.clone(),
        name,
        source,
        labels,
    })]
}

fn content(node: &Node, diagnostics: &mut Diagnostics) -> Option<Source> {
    let text = forms::text(node, diagnostics)?;
    if text.is_empty() {
        diagnostics.error(node.span, "Empty config", "podman keeps no empty text");
        return None;
    }
    Some(Source::Content(Hidden(text)))
}

/// Podman's own rule, without what would not be told from a version.
fn name(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = forms::word(node, diagnostics)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.is_empty() || name.len() > 240 || !name.chars().all(plain) || name.starts_with(['.', '-']) {
        diagnostics.error(node.span, "Not a name", format!("{} cannot be the name of a secret", node.shown()));
        return None;
    }
    Some(name)
}

fn generate(node: &Node, diagnostics: &mut Diagnostics) -> Option<Source> {
    if node.is_null() || matches!(node.value, crate::stack::yaml::Value::Bool(true)) {
        return Some(Source::Generated { length: LENGTH });
    }
    let mut map = Map::new(node, "generate", GENERATE_KEYS, diagnostics)?;
    let length = map.read("length", |node, diagnostics| forms::integer_in(1..=4096, node, diagnostics));
    map.finish();
    let length = length.map_or(Some(LENGTH), |length: i64| usize::try_from(length).ok())?;
    Some(Source::Generated { length })
}

/// Read when the stack file is: its hash is part of the plan.
fn of_file(node: &Node, places: Places<'_>, reading: &mut Reading<'_>) -> Option<Source> {
    let path = forms::host_path(node, places, reading.diagnostics)?;
    let shown = path.display();
    let wrong = match reading.files.read(&path).and_then(text) {
        Ok(text) if text.is_empty() => format!("{shown} is empty, and podman keeps no empty secret"),
        Ok(text) if text.len() > BYTES_MAX => format!("{shown} is larger than {BYTES_MAX} bytes"),
        Ok(text) => return Some(Source::File(Hidden(text))),
        Err(error) => format!("{shown}: {error}"),
    };
    reading.diagnostics.error(node.span, "Cannot read secret", wrong);
    None
}
