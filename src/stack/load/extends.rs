//! `extends`, as in Compose: an entry lies on top of another one, of this file or of another, by the rules of `-f`. What the other
//! one names (networks, volumes, dependencies) has to be declared here, as there.

use super::include::LOADED_MAX;
use super::{Loader, Wanted};
use crate::diagnostic::{Excerpts as _, FileId, Span, nearest, quoted};
use crate::stack::forms::{self, Map};
use crate::stack::forms::{Described, Form, key};
use crate::stack::interpolate::Scope;
use crate::stack::merge;
use crate::stack::yaml::{Node, Value};

/// What may extend another of its kind.
const SECTIONS: [&str; 2] = ["containers", "services"];
/// In a Compose file containers are services.
const COMPOSE: &str = "services";

/// Which one.
struct Base {
    name: String,
    file: Option<String>,
    span: Span,
}

/// Of `extends`.
pub(in crate::stack) const EXTENDS_KEYS: &[Described] = &[
    key("service", Form::Text, "The container or service that it begins with"),
    key("file", Form::Path, "The file in which that stands; this one by itself"),
];

impl<'a> Loader<'a> {
    /// Puts every entry of one file on top of what it extends.
    pub(super) fn extend(&mut self, root: &mut Node, scope: &mut Scope<'a>) {
        for section in SECTIONS {
            let entries = root.get(section).and_then(Node::as_mapping).unwrap_or_default();
            let extending = entries.iter().filter(|(_, node)| node.get("extends").is_some());
            let names: Vec<String> = extending.map(|(key, _)| key.text.clone()).collect();
            let whole: Vec<Option<Node>> =
                names.iter().map(|name| self.extended(section, name, root, scope, &mut Vec::new())).collect();
            for (name, whole) in names.iter().zip(whole) {
                let own = root.get_mut(section).and_then(|section| section.get_mut(name));
                if let (Some(own), Some(whole)) = (own, whole) {
                    *own = whole;
                }
            }
        }
    }

    /// None where there is no such entry.
    fn extended(
        &mut self,
        section: &str,
        name: &str,
        root: &Node,
        scope: &mut Scope<'a>,
        open: &mut Vec<(FileId, String)>,
    ) -> Option<Node> {
        let mut own = root.get(section)?.get(name)?.clone();
        let Some((_, extends)) = own.remove("extends") else { return Some(own) };
        let Some(base) = self.base(&extends) else { return Some(own) };
        let here = (root.span.file, name.to_owned());
        if open.contains(&here) {
            let detail = format!("{} extends itself, directly or through others", quoted(name));
            self.diagnostics.error(base.span, "Extends in a circle", detail);
            return Some(own);
        }
        open.push(here);
        let other = base.file.as_ref().map(|file| self.other_file(file, base.span, scope));
        let found = match &other {
            None => self.extended(section, &base.name, root, scope, open),
            Some(None) => return Some(own),
            Some(Some(other)) => {
                let is_in = |section: &str| other.get(section).is_some_and(|entries| entries.get(&base.name).is_some());
                let section = if is_in(section) { section } else { COMPOSE };
                self.extended(section, &base.name, other, scope, open)
            }
        };
        open.pop();
        let Some(found) = found else {
            let root = other.as_ref().and_then(Option::as_ref).unwrap_or(root);
            self.nothing_to_extend(section, &base, root);
            return Some(own);
        };
        // The rules are told by the place below a section.
        let placed = |node: Node| {
            let span = node.span;
            let mapping = |key: &str, node: Node| Node::new(span, Value::Mapping(vec![(key_of(key, span), node)]));
            mapping(section, mapping(name, node))
        };
        let merged = merge::merge(placed(found), placed(own), &mut self.diagnostics);
        merged.get(section)?.get(name).cloned()
    }

    fn base(&mut self, extends: &Node) -> Option<Base> {
        if extends.as_mapping().is_none() {
            let name = forms::word(extends, &mut self.diagnostics)?;
            return Some(Base { name, file: None, span: extends.span });
        }
        let mut map = Map::new(extends, "extends", EXTENDS_KEYS, &mut self.diagnostics)?;
        let name = map.require("service", "base", forms::word);
        let file = map.read("file", forms::word);
        map.finish();
        Some(Base { name: name?, file, span: extends.span })
    }

    fn other_file(&mut self, text: &str, span: Span, scope: &mut Scope<'a>) -> Option<Node> {
        let path = self.local_path(text, span)?;
        self.loaded += 1;
        if self.loaded > LOADED_MAX {
            let detail = format!("the stack consists of more than {LOADED_MAX} files");
            self.diagnostics.error(span, "Too many files", detail);
            return None;
        }
        let beside = self.sources.name(span.file);
        let name = std::path::Path::new(&beside).parent().unwrap_or(std::path::Path::new("")).join(text);
        let wanted = Wanted { path, name: name.display().to_string(), at: Some(span) };
        let (_, mut root) = self.document(&wanted)?;
        scope.interpolate(&mut root, &mut Vec::new(), &mut self.diagnostics);
        Some(root)
    }

    fn nothing_to_extend(&mut self, section: &str, base: &Base, root: &Node) {
        let names = [section, COMPOSE].into_iter().filter_map(|section| root.get(section)?.as_mapping()).flatten();
        let near = nearest(&base.name, names.map(|(key, _)| key.text.as_str())).map(str::to_owned);
        let detail = format!("there is no {} to extend in `{section}`", quoted(&base.name));
        let diagnostic = self.diagnostics.error(base.span, "Reference to nothing", detail);
        if let Some(near) = near {
            diagnostic.help(format!("did you mean `{near}`?"));
        }
    }
}

fn key_of(text: &str, span: Span) -> crate::stack::yaml::Key {
    crate::stack::yaml::Key { text: text.to_owned(), span }
}
