//! A directory as written: its key is the path.

use super::{DEFAULT_MODE, Directory, Origin, address};
use crate::desired::{Reading, Resource};
use crate::diagnostic::Diagnostics;
use crate::stack::forms::{self, Map};
use crate::stack::forms::{Described, Form, TEXTS, key};
use crate::stack::yaml::{Key, Node};

pub(super) const KEYS: &[Described] = &[
    key("mode", Form::Mode, "Its mode in octal; \"0700\" by itself"),
    key("protect", Form::Boolean, "Never removed, not by its name either, until that is accepted; outlives this line"),
    key("children", TEXTS, "Directories in it, with the same mode"),
];

pub(super) fn read(key: &Key, node: &Node, reading: &mut Reading<'_>) -> Vec<Box<dyn Resource>> {
    let home = &reading.context.home;
    let path = forms::host_path_text(&key.text, key.span, reading.places, reading.diagnostics);
    let Some(mut map) = Map::new(node, "a directory", KEYS, reading.diagnostics) else {
        return Vec::new();
    };
    let mode = map.read("mode", forms::mode).unwrap_or(DEFAULT_MODE);
    let protect = map.read("protect", forms::boolean);
    let children = map.read("children", children).unwrap_or_default();
    map.finish();
    let Some(path) = path else {
        return Vec::new();
    };
    let paths = std::iter::once((path.clone(), key.span))
        .chain(children.into_iter().map(|(child, span)| (path.join(child), span)));
    paths
        .map(|(path, span)| -> Box<dyn Resource> {
            Box::new(Directory {
                address: address(&path, home),
                path,
                mode: Some(mode),
                origin: Origin::Declared,
                protect,
                above: None,
                is_root: false,
                span: Some(span),
            })
        })
        .collect()
}

/// Names, or relative paths below; none of them may lead out.
fn children(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, crate::diagnostic::Span)>> {
    forms::list_of(node, "a list of names, such as `[models, cache]`", diagnostics, |item, diagnostics| {
        let name = forms::word(item, diagnostics)?;
        let inside = !name.is_empty() && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !inside || name.contains(char::is_control) {
            diagnostics.error(item.span, "Not a name", "a child is a name or a relative path below its directory");
            return None;
        }
        Some((name, item.span))
    })
}
