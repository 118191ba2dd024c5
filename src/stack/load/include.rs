//! `include`: other files' resources, as Compose does it: each entry is a project of its own, with its own directory and environment
//! files; what both declare differently is an error.

use super::{Loader, Parent, Project, Wanted};
use crate::diagnostic::{Diagnostics, Excerpts, Span, quoted};
use crate::stack::forms::{self, Map};
use crate::stack::forms::{Described, Form, TEXT_OR_TEXTS, key};
use crate::stack::interpolate::Scope;
use crate::stack::source::normalised;
use crate::stack::yaml::{Key, Node, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Files may include files, this deep.
const DEPTH_MAX: usize = 16;
/// Files that all `include`s together may read; the same file counts each time.
pub(super) const LOADED_MAX: usize = 256;

pub(in crate::stack) const KEYS: &[Described] = &[
    key("path", TEXT_OR_TEXTS, "The file, or several that are laid over each other"),
    key("env_file", TEXT_OR_TEXTS, "Variables of these files"),
    key("project_directory", Form::Path, "What relative paths in them begin at"),
];

/// One entry of `include`.
struct Entry {
    /// With where each is written.
    paths: Vec<(String, Span)>,
    env_files: Option<Vec<(String, Span)>>,
    directory: Option<(String, Span)>,
}

impl<'a> Loader<'a> {
    /// Follows the `include` of the file at `path` and puts what comes into its root.
    pub(super) fn include(
        &mut self,
        path: &Path,
        mut include: Node,
        root: &mut Node,
        parent: &Parent,
        scope: &mut Scope<'a>,
    ) {
        scope.interpolate(&mut include, &mut vec!["include".to_owned()], &mut self.diagnostics);
        let resolved = self.files.resolved(path).unwrap_or_else(|| path.to_path_buf());
        self.open.push(resolved);
        for entry in read(&include, &mut self.diagnostics) {
            let model = self.included(&entry, parent).and_then(|project| self.project(project));
            if let Some(model) = model {
                self.import(model.root, root);
            }
        }
        self.open.pop();
    }

    /// The files of one entry, unless one of them must not be read.
    fn included(&mut self, entry: &Entry, parent: &Parent) -> Option<Project> {
        let mut files = Vec::new();
        for (text, span) in &entry.paths {
            files.push(self.included_file(text, *span)?);
        }
        let mut env_files = None;
        if let Some(entries) = &entry.env_files {
            let paths = entries.iter().map(|(text, span)| Some((self.local_path(text, *span)?, true)));
            env_files = Some(paths.collect::<Option<Vec<_>>>()?);
        }
        let directory = match &entry.directory {
            Some((text, span)) => Some(self.local_path(text, *span)?),
            // As in Compose, the first file's directory is that of all files of the entry.
            None => files.first().and_then(|wanted| wanted.path.parent()).map(Path::to_path_buf),
        };
        Some(Project { files, env_files, directory, parent: parent.clone() })
    }

    fn included_file(&mut self, text: &str, span: Span) -> Option<Wanted> {
        let path = self.local_path(text, span)?;
        self.loaded += 1;
        if self.open.len() > DEPTH_MAX || self.loaded > LOADED_MAX {
            let detail = format!("files include more than {LOADED_MAX} files, or more than {DEPTH_MAX} deep");
            self.diagnostics.error(span, "Too many files", detail);
            return None;
        }
        let directory = self.sources.directory(span.file).to_path_buf();
        // A file that does not exist is reported where it is read.
        if let (Some(real), Some(tree)) = (self.files.resolved(&path), self.files.resolved(&directory)) {
            if self.open.contains(&real) {
                let detail = format!("{} includes itself, directly or through others", quoted(text));
                self.diagnostics.error(span, "Include in a circle", detail);
                return None;
            }
            if path.starts_with(&directory) && !real.starts_with(&tree) {
                let detail =
                    format!("a symlink leads {} out of the directory of the file that includes it", quoted(text));
                self.diagnostics
                    .error(span, "Include through a symlink", detail)
                    .help("include the file at the place where it is");
                return None;
            }
        }
        // Shown as seen from the name of the including file.
        let beside = self.sources.name(span.file);
        let name = Path::new(&beside).parent().unwrap_or(Path::new("")).join(text).display().to_string();
        Some(Wanted { path, name, at: Some(span) })
    }

    /// A path of an entry, from the directory of the file that holds it.
    pub(super) fn local_path(&mut self, text: &str, span: Span) -> Option<PathBuf> {
        if text.contains("://") || text.starts_with("git@") {
            let detail = format!("{} is not a file of this machine", quoted(text));
            self.diagnostics.error(span, "Not a file", detail).help("fetch it first, and include the local copy");
            return None;
        }
        let places = forms::Places { sources: &self.sources, environment: self.environment };
        forms::host_path_text(text, span, places, &mut self.diagnostics).map(|path| normalised(&path))
    }

    /// Puts the resources of an included model beside those of the file.
    fn import(&mut self, included: Node, root: &mut Node) {
        let Value::Mapping(sections) = included.value else { return };
        for (key, node) in sections {
            let section = self.options.sections.contains(&key.text.as_str());
            if !section && key.text != "profiles" {
                continue;
            }
            let Some(own) = root.get_mut(&key.text).filter(|own| !own.is_null()) else {
                let _absent = root.remove(&key.text);
                if let Value::Mapping(entries) = &mut root.value {
                    entries.push((key, node));
                }
                continue;
            };
            match (&mut own.value, node.value) {
                (Value::Mapping(own), Value::Mapping(entries)) => join(own, entries, &key.text, &mut self.diagnostics),
                (Value::Sequence(own), Value::Sequence(items)) => own.extend(items),
                // Reported where the top level is read.
                _ => {}
            }
        }
    }
}

fn join(own: &mut Vec<(Key, Node)>, entries: Vec<(Key, Node)>, section: &str, diagnostics: &mut Diagnostics) {
    let index: HashMap<String, usize> = own.iter().enumerate().map(|(at, (key, _))| (key.text.clone(), at)).collect();
    for (key, node) in entries {
        let Some((first, twin)) = index.get(&key.text).map(|at| &own[*at]) else {
            own.push((key, node));
            continue;
        };
        // The same file may come in on two ways.
        if !twin.same(&node) {
            let detail = format!("{} of `{section}` is declared here and in an included file", quoted(&key.text));
            diagnostics
                .error(first.span, "Declared twice", detail)
                .related(key.span, "also declared here")
                .help("rename one, or change an included resource with an overlay: a second `-f`");
        }
    }
}

fn read(include: &Node, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    let one = |node: &Node, diagnostics: &mut Diagnostics| -> Option<Entry> {
        if node.as_mapping().is_none() {
            let path = forms::word(node, diagnostics)?;
            return Some(Entry { paths: vec![(path, node.span)], env_files: None, directory: None });
        }
        let mut map = Map::new(node, "an include", KEYS, diagnostics)?;
        let entry = Entry {
            paths: map.require("path", "./other/stack.yaml", words).unwrap_or_default(),
            env_files: map.read("env_file", words),
            directory: map
                .read("project_directory", |node, diagnostics| Some((forms::word(node, diagnostics)?, node.span))),
        };
        map.finish();
        (!entry.paths.is_empty()).then_some(entry)
    };
    match &include.value {
        Value::Null => Vec::new(),
        Value::Sequence(items) => items.iter().filter_map(|item| one(item, diagnostics)).collect(),
        _ => one(include, diagnostics).into_iter().collect(),
    }
}

/// One text or a list of texts, with their places.
fn words(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Span)>> {
    let one = |node: &Node, diagnostics: &mut Diagnostics| Some((forms::word(node, diagnostics)?, node.span));
    if node.as_sequence().is_some() {
        return forms::list_of(node, "a list of files", diagnostics, one);
    }
    one(node, diagnostics).map(|word| vec![word])
}
