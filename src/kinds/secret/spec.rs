//! A secret as written: where its value comes from, in Compose's words and one of our own.

use super::{Secret, Source};
use crate::address::Address;
use crate::attributes::Hidden;
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::kinds::network::pairs;
use crate::stack::forms::{self, Map, Places};
use crate::stack::source::text;
use crate::stack::yaml::{Key, Node};

const KEYS: &[&str] = &["name", "external", "generate", "file", "environment", "labels"];
const UNSUPPORTED: &[(&str, &str)] = &[
    ("driver", "secrets are kept by podman's own driver, `file`"),
    ("driver_opts", "secrets are kept by podman's own driver, `file`"),
    ("template_driver", "it has a meaning in Docker Swarm only"),
];
const GENERATE_KEYS: &[&str] = &["length"];
const LENGTH: usize = 32;
/// Podman takes at most 512,000 bytes (`pkg/secrets/secrets.go` of containers/common).
const BYTES_MAX: usize = 512_000;

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let stack = &reading.context.stack;
    let Some(map) = Map::new(node, "a secret", KEYS, reading.diagnostics) else { return Vec::new() };
    let mut map = map.unsupported(UNSUPPORTED);
    let name = map.read("name", name).unwrap_or_else(|| format!("{stack}_{}", key.text));
    let external = map.read("external", forms::boolean).unwrap_or(false);
    let generated = map.read("generate", generate).map(|length| Source::Generated { length });
    let environment = map.read("environment", forms::text).map(|text| Source::Environment(Hidden(text)));
    let labels = map.read("labels", pairs).unwrap_or_default();
    let (places, file) = (reading.places, map.take("file"));
    map.finish();
    let given = ["generate", "environment", "file"].map(|key| node.get(key).is_some());
    let count = given.into_iter().filter(|given| *given).count();
    if count != usize::from(!external) {
        let detail = match external {
            true => "what is `external` is made by somebody else, and has no source here",
            false => "a secret has one of `generate`, `file` and `environment`, or is `external: true`",
        };
        reading
            .diagnostics
            .error(key.span, "Not one source", detail)
            .help("such as `generate: { length: 32 }` or `file: ~/.config/hf/token`");
        return Vec::new();
    }
    let file = file.and_then(|node| of_file(node, places, reading));
    let source = generated.or(environment).or(file).or(external.then_some(Source::External));
    let Some(source) = source else { return Vec::new() };
    vec![Box::new(Secret {
        address: Address::new("secret", &key.text),
        span: key.span,
        context: reading.context.clone(),
        name,
        source,
        labels,
    })]
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

fn generate(node: &Node, diagnostics: &mut Diagnostics) -> Option<usize> {
    if node.is_null() || matches!(node.value, crate::stack::yaml::Value::Bool(true)) {
        return Some(LENGTH);
    }
    let mut map = Map::new(node, "generate", GENERATE_KEYS, diagnostics)?;
    let length = map.read("length", |node, diagnostics| forms::integer_in(1..=4096, node, diagnostics));
    map.finish();
    length.map_or(Some(LENGTH), |length: i64| usize::try_from(length).ok())
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
