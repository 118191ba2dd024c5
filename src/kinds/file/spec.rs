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
    key("mode", Form::Mode, "Its mode in octal; \"0644\" by itself"),
];
const UNSUPPORTED: &[(&str, &str)] = &[
    ("template", "variables are put into `content` by themselves; a file of its own is copied as it is with `source`"),
    ("atomic", "a file is always written beside the old one and renamed, so that nobody reads half of it"),
];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let path = forms::host_path_text(&key.text, key.span, reading.places, reading.diagnostics);
    let Some(map) = Map::new(node, "a file", KEYS, reading.diagnostics) else { return Vec::new() };
    let mut map = map.unsupported(UNSUPPORTED);
    let mode = map.read("mode", forms::mode).unwrap_or(DEFAULT_MODE);
    let content = map.read("content", written);
    let places = reading.places;
    let source = map.take("source");
    map.finish();
    let content = match (content, source) {
        (Some(content), None) => Some(content),
        (None, Some(source)) => copied(source, places, reading),
        (None, None) if node.get("content").is_some() => None,
        (Some(_), Some(_)) | (None, None) => {
            let detail = "a file has either a `content` or a `source`";
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
