//! From a list of files to one [`Stack`]: read, parse, put variables in, include, merge, and look at the top level. What the sections
//! hold is for the kinds; this knows only which names are sections.

mod environment;
mod extends;
mod include;
mod profiles;
mod templates;
mod top;

pub(super) use profiles::SECTIONS as SECTIONS_WITH_PROFILES;
pub(super) use top::{ENTRY_KEYS, KEYS};

use super::interpolate::{EnvironmentUse, Scope, Variable, Written, is_name};
use super::source::{Disk, Environment, Files, SourceError, Sources, text};
use super::yaml::{Key, Node, Tag, Value, parse};
use super::{dotenv, merge};
use crate::diagnostic::{Diagnostics, FileId, Span, quoted};
pub use profiles::Inactive;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the caller knows beside the files.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions<'a> {
    /// `--var NAME=value`.
    pub vars: BTreeMap<String, String>,
    /// `--env-file`, in order; where there is none, `.env` beside the first file is taken if it exists.
    pub env_files: Vec<PathBuf>,
    /// `--profile NAME`; `*` stands for all.
    pub profiles: Vec<String>,
    /// The keys that hold resources (`containers`, `networks`, …); every other key at the top is an error.
    pub sections: &'a [&'a str],
}

/// The declared stack: as written, with its variables in, and with places.
#[derive(Clone, Debug)]
pub struct Stack {
    pub version: u32,
    pub name: String,
    pub name_span: Span,
    /// The name that it had before, and has on the machine.
    pub renamed_from: Option<String>,
    /// `vars:` with their references resolved.
    pub vars: BTreeMap<String, Variable>,
    /// `profiles:` at the top: those that are active without being asked for.
    pub profiles: Vec<(String, Span)>,
    /// In the order of the file.
    pub sections: Vec<Section>,
    /// What none of the active profiles brings in.
    pub inactive: Inactive,
    /// Every variable of the environment or an environment file that something was taken from.
    pub environment_used: BTreeMap<String, EnvironmentUse>,
}

impl Stack {
    /// What its objects, its state directory and their labels are called after: a new name of the stack moves none of them.
    pub fn on_machine(&self) -> &str {
        self.renamed_from.as_ref().unwrap_or(&self.name)
    }

    pub fn section(&self, key: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.key == key)
    }
}

/// One key of the top level and what is declared below it.
#[derive(Clone, Debug)]
pub struct Section {
    pub key: String,
    pub span: Span,
    pub entries: Vec<(Key, Node)>,
}

/// Loads files from the disk; the later ones lie on top of the earlier. The stack is there, as far as it could be made out, also when
/// there are errors, so that the kinds can add theirs: nothing may be done with it then.
pub fn load(
    paths: &[PathBuf],
    environment: &Environment,
    options: &LoadOptions<'_>,
) -> (Option<Stack>, Sources, Diagnostics) {
    load_from(&Disk, paths, environment, options)
}

/// As [`load`], from wherever `files` takes them.
pub fn load_from(
    files: &dyn Files,
    paths: &[PathBuf],
    environment: &Environment,
    options: &LoadOptions<'_>,
) -> (Option<Stack>, Sources, Diagnostics) {
    let mut loader = Loader {
        files,
        environment,
        options,
        sources: Sources::default(),
        diagnostics: Diagnostics::default(),
        used: BTreeMap::new(),
        open: Vec::new(),
        loaded: 0,
    };
    let wanted =
        paths.iter().map(|path| Wanted { path: files.absolute(path), name: path.display().to_string(), at: None });
    let project = Project {
        files: wanted.collect(),
        env_files: (!options.env_files.is_empty())
            .then(|| options.env_files.iter().map(|path| (files.absolute(path), true)).collect()),
        directory: None,
        parent: Parent::default(),
    };
    let model = loader.project(project);
    let stack = model.map(|model| loader.stack(model));
    loader.diagnostics.sort();
    (stack, loader.sources, loader.diagnostics)
}

/// Files that make one model: those of the command line, or those of one entry of `include`.
struct Project {
    files: Vec<Wanted>,
    /// Environment files that were asked for, each with whether it has to exist.
    env_files: Option<Vec<(PathBuf, bool)>>,
    /// What relative paths start from, where that is not the directory of each file.
    directory: Option<PathBuf>,
    parent: Parent,
}

/// What an including file hands down; it goes before what the included file says itself, as in Compose.
#[derive(Clone, Default)]
struct Parent {
    vars: BTreeMap<String, Variable>,
    env_files: BTreeMap<String, String>,
}

/// A file to be read.
struct Wanted {
    path: PathBuf,
    name: String,
    /// The `include` that asks for it.
    at: Option<Span>,
}

/// What a project comes to.
struct Model {
    root: Node,
    vars: BTreeMap<String, Variable>,
}

struct Loader<'a> {
    files: &'a dyn Files,
    environment: &'a Environment,
    options: &'a LoadOptions<'a>,
    sources: Sources,
    diagnostics: Diagnostics,
    used: BTreeMap<String, EnvironmentUse>,
    /// Files whose `include` is being followed, symlinks resolved.
    open: Vec<PathBuf>,
    /// Files that were read, over all projects.
    loaded: usize,
}

impl<'a> Loader<'a> {
    fn project(&mut self, project: Project) -> Option<Model> {
        let Project { files, env_files, directory, parent } = project;
        let first = files.first().and_then(|wanted| wanted.path.parent()).map(Path::to_path_buf);
        let base = directory.clone().or(first);
        let mut documents = Vec::new();
        for wanted in &files {
            let Some((file, root)) = self.document(wanted) else { continue };
            if let Some(directory) = &directory {
                self.sources.set_directory(file, directory.clone());
            }
            documents.push((wanted.path.clone(), root));
        }
        let mut scope = Scope::new(&self.options.vars, self.environment);
        scope.env_files = self.env_files(env_files, base.as_deref(), &parent);
        for (_, root) in &mut documents {
            self.written(root, &mut scope);
        }
        for (name, variable) in &parent.vars {
            let written = Written { text: String::new(), span: Span::default(), resolved: Some(variable.clone()) };
            scope.written.insert(name.clone(), written);
        }
        let vars = scope.resolve_all(&mut self.diagnostics);
        let whole = documents.len() == files.len() && !files.is_empty();
        let mut roots = Vec::new();
        for (path, mut root) in documents {
            let include = root.remove("include");
            scope.interpolate(&mut root, &mut Vec::new(), &mut self.diagnostics);
            self.top_keys(&root);
            if let Some((_, include)) = include {
                let parent = Parent { vars: vars.clone(), env_files: scope.env_files.clone() };
                self.include(&path, include, &mut root, &parent, &mut scope);
            }
            self.extend(&mut root, &mut scope);
            roots.push(root);
        }
        let mut roots = roots.into_iter();
        let mut root = roots.next()?;
        for over in roots {
            root = merge::merge(root, over, &mut self.diagnostics);
        }
        merge::untagged(&mut root);
        self.fill_environment(&mut root, &mut scope);
        self.fill_templates(&mut root, &mut scope);
        self.remember(scope.used());
        // With a file missing, what is left would be judged for what the missing one may well say.
        whole.then_some(Model { root, vars })
    }

    /// Reads and parses a file whose top is a mapping.
    fn document(&mut self, wanted: &Wanted) -> Option<(FileId, Node)> {
        let text = match self.files.read(&wanted.path).and_then(text) {
            Ok(text) => text,
            Err(error) => {
                self.unreadable(&wanted.name, wanted.at, &error);
                return None;
            }
        };
        let Some(file) = self.sources.add(wanted.name.clone(), wanted.path.clone(), text, false) else {
            self.diagnostics.error(wanted.at, "Too many files", "the stack consists of more files than can be read");
            return None;
        };
        let root = parse(file, self.sources.text(file), &mut self.diagnostics)?;
        if root.as_mapping().is_none() {
            let what = if root.is_null() { "the file is empty" } else { "the file holds no mapping" };
            self.diagnostics
                .error(
                    root.span,
                    "Not a stack file",
                    format!("{what}; expected keys such as `version`, `stack` and `containers`"),
                )
                .help("begin with `version: 1` and `stack: NAME`");
            return None;
        }
        Some((file, root))
    }

    fn unreadable(&mut self, name: &str, at: Option<Span>, error: &SourceError) {
        let diagnostic = self.diagnostics.error(at, "Cannot read file", format!("{}: {error}", quoted(name)));
        match error {
            SourceError::Missing if at.is_none() => {
                diagnostic.help("name the stack file with `-f`, or run where `stack.yaml` is");
            }
            SourceError::NotUtf8(_) => {
                diagnostic.help("save the file as UTF-8");
            }
            SourceError::Changed => {
                diagnostic.help("run again when it is written");
            }
            SourceError::Missing
            | SourceError::NotAFile(_)
            | SourceError::TooLarge(_)
            | SourceError::Nul(_)
            | SourceError::Unreadable(_) => {}
        }
    }

    /// The pairs of all environment files; the later file wins, and what an including project has before all.
    fn env_files(
        &mut self,
        asked: Option<Vec<(PathBuf, bool)>>,
        base: Option<&Path>,
        parent: &Parent,
    ) -> BTreeMap<String, String> {
        let files = asked.unwrap_or_else(|| base.map(|base| (base.join(".env"), false)).into_iter().collect());
        let mut pairs = BTreeMap::new();
        for (path, required) in files {
            let name = path.display().to_string();
            let text = match self.files.read(&path).and_then(text) {
                Ok(text) => text,
                Err(SourceError::Missing | SourceError::NotAFile("a directory")) if !required => continue,
                Err(error) => {
                    self.diagnostics.error(None, "Cannot read file", format!("{}: {error}", quoted(&name)));
                    continue;
                }
            };
            let Some(file) = self.sources.add(name.clone(), path, text, true) else { continue };
            let (given, environment) = (&self.options.vars, &self.environment.vars);
            let mut taken: Vec<String> = Vec::new();
            let mut outer = |name: &str| {
                let earlier = given.get(name).or_else(|| parent.env_files.get(name)).or_else(|| pairs.get(name));
                if earlier.is_none() && environment.contains_key(name) {
                    taken.push(name.to_owned());
                }
                earlier.or_else(|| environment.get(name)).cloned()
            };
            let read = dotenv::parse(file, self.sources.text(file), false, &mut outer, &mut self.diagnostics);
            let taken = taken.into_iter().filter_map(|variable| {
                let value = environment.get(&variable)?.clone();
                Some((variable, EnvironmentUse { value, from_file: false, at: vec![name.clone()] }))
            });
            let taken: BTreeMap<String, EnvironmentUse> = taken.collect();
            self.remember(taken);
            pairs.extend(read);
        }
        pairs.extend(parent.env_files.clone());
        pairs
    }

    fn remember(&mut self, used: BTreeMap<String, EnvironmentUse>) {
        for (name, mut variable) in used {
            match self.used.get_mut(&name) {
                Some(known) => known.at.append(&mut variable.at),
                None => {
                    self.used.insert(name, variable);
                }
            }
        }
    }

    /// Takes `vars` out of a file; a later file's variable replaces an earlier one's.
    fn written(&mut self, root: &mut Node, scope: &mut Scope<'a>) {
        let Some((_, node)) = root.remove("vars") else { return };
        if node.is_null() {
            return;
        }
        let Value::Mapping(entries) = node.value else {
            let detail = format!("`vars` is a mapping of names to texts; found {}", node.kind());
            self.diagnostics.error(node.span, "Wrong type", detail).help("for example `vars: { data: ~/data }`");
            return;
        };
        for (key, node) in entries {
            if !is_name(&key.text) {
                let detail = format!("{} cannot be the name of a variable", quoted(&key.text));
                self.diagnostics.error(key.span, "Not a name", detail).help("letters, digits and `_`, no digit first");
            } else if node.tag == Tag::Reset {
                scope.written.remove(&key.text);
            } else if let Some(text) = node.written() {
                // `~` is the text `~` here: variables are texts, and host paths expand it where they are used.
                let written = Written { text: text.to_owned(), span: node.span, resolved: None };
                scope.written.insert(key.text, written);
            } else {
                let detail = format!("the variable {} is a text; found {}", quoted(&key.text), node.kind());
                self.diagnostics.error(node.span, "Wrong type", detail);
            }
        }
    }
}
