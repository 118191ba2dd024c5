//! A file as written: its key is the path, and its text stands here or in another file beside the stack file.

use super::{Content, DEFAULT_MODE, File, address};
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::stack::forms::{self, Map};
use crate::stack::forms::{Described, Form, key};
use crate::stack::source::text;
use crate::stack::yaml::{Key, Node};

pub(super) const KEYS: &[Described] = &[
    key("content", Form::Text, "What stands in it"),
    key("source", Form::Path, "A file whose text it is to have"),
    key("template", Form::Path, "A file whose text it is to have, with variables put in as in this one: `${NAME}`"),
    key("mode", Form::Mode, "Its mode in octal; \"0644\" by itself"),
    key(
        "atomic",
        Form::Boolean,
        "Put a new file into the place of the old one at once; true by itself. `false` writes into the old one, which a container \
         that has this very file mounted goes on seeing",
    ),
];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let path = forms::host_path_text(&key.text, key.span, reading.places, reading.diagnostics);
    let Some(mut map) = Map::new(node, "a file", KEYS, reading.diagnostics) else { return Vec::new() };
    let mode = map.read("mode", forms::mode).unwrap_or(DEFAULT_MODE);
    let content = map.read("content", written);
    let places = reading.places;
    let source = map.take("source");
    let atomic = map.read("atomic", forms::boolean).unwrap_or(true);
    // What is left of one: loading puts the content that it makes in its place.
    let template = map.take("template");
    map.finish();
    let content = match (content, source, template) {
        (Some(content), None, None) => Some(content),
        (None, Some(source), None) => copied(source, places, reading),
        (None, None, None) if node.get("content").is_some() => None,
        _ => {
            let detail = "a file has either a `content`, a `source` or a `template`";
            reading.diagnostics.error(node.span, "Not one content", detail).help("such as `content: \"on\\n\"`");
            None
        }
    };
    let (Some(path), Some(content)) = (path, content) else { return Vec::new() };
    vec![Box::new(File {
        address: address(&path, &reading.context.home),
        context: reading.context.clone(),
        path,
        content,
        mode,
        atomic,
        above: None,
        span: key.span,
    })]
}

fn written(node: &Node, diagnostics: &mut Diagnostics) -> Option<Content> {
    let text = forms::text(node, diagnostics)?;
    Some(Content { text, sensitive: node.sensitive })
}

/// Read when the stack file is, so that a plan shows what would be written.
fn copied(node: &Node, places: forms::Places<'_>, reading: &mut Reading<'_>) -> Option<Content> {
    let path = forms::host_path(node, places, reading.diagnostics)?;
    match reading.files.read(&path).and_then(text) {
        Ok(text) => Some(Content { text, sensitive: false }),
        Err(error) => {
            let detail = format!("{}: {error}", path.display());
            reading.diagnostics.error(node.span, "Cannot read file", detail);
            None
        }
    }
}
