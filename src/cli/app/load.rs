//! From what was typed to a stack: which files, which variables, which profiles; read, resolved, or told with all its findings.

#![expect(clippy::disallowed_methods, reason = "which of the default stack files is there")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Surroundings, renamed, state_directory};
use crate::attributes::Secrets;
use crate::cli::args::Common;
use crate::cli::failure::{Exit, Failure, rows};
use crate::cli::ui::Ui;
use crate::desired::{self, Context, Desired};
use crate::diagnostic::{self, Diagnostics};
use crate::graph::Graph;
use crate::kinds;
use crate::ledger::{self, Origin};
use crate::report::failure::DiagnosticJson;
use crate::stack::forms::Places;
use crate::stack::schema;
use crate::stack::source::{Disk, Environment, Files, Sources};
use crate::stack::{self, LoadOptions, Stack};

/// A stack file, read and resolved: everything that is known without looking at the machine.
#[derive(Debug)]
pub struct Loaded {
    pub desired: Desired,
    pub graph: Graph,
    pub context: Context,
    /// What to call the stack file in a sentence.
    pub source: String,
    /// The first of the stack files.
    pub file: PathBuf,
    /// The files themselves, and what was typed for them.
    pub origin: Origin,
    pub warnings: Vec<DiagnosticJson>,
}

/// What a verb is out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is made, not even a state directory.
    Look,
    Change,
}

/// # Errors
/// There is no stack file, or it is invalid: with all its findings.
pub fn load(common: &Common, surroundings: &Surroundings, purpose: Purpose, ui: &Ui) -> Result<Loaded, Failure> {
    let files = stack_files(&common.files, &surroundings.environment, |path| path.exists())?;
    load_from(&Disk, &files, common, surroundings, purpose, ui)
}

pub(super) fn load_from(
    disk: &dyn Files,
    files: &[PathBuf],
    common: &Common,
    surroundings: &Surroundings,
    purpose: Purpose,
    ui: &Ui,
) -> Result<Loaded, Failure> {
    let (stack, sources, mut diagnostics) = read(disk, files, common, surroundings);
    let resolved = match stack {
        Some(stack) if !diagnostics.has_errors() && !renamed::is_told(&stack, surroundings, &mut diagnostics) => None,
        Some(stack) => resolve_for(purpose, &stack, &sources, surroundings, &mut diagnostics)?,
        None => None,
    };
    let Some((desired, graph, context)) = resolved.filter(|_| !diagnostics.has_errors()) else {
        return Err(Failure::invalid(&diagnostics, &sources));
    };
    if purpose == Purpose::Change {
        renamed::remember(&desired, surroundings)?;
    }
    if !diagnostics.is_empty() {
        ui.status(&diagnostic::render(&diagnostics, &sources));
    }
    let file = files.first().cloned().unwrap_or_else(|| PathBuf::from("stack.yaml"));
    Ok(Loaded {
        desired,
        graph,
        context,
        source: file.display().to_string(),
        file,
        origin: origin(disk, files, common, surroundings, &sources),
        warnings: rows(&diagnostics, &sources),
    })
}

/// What the files come to, as one file. To be asked for what was loaded well.
pub fn as_one_file(common: &Common, surroundings: &Surroundings) -> Result<serde_yaml::Value, Failure> {
    let files = stack_files(&common.files, &surroundings.environment, |path| path.exists())?;
    let (stack, sources, diagnostics) = read(&Disk, &files, common, surroundings);
    stack.map(|stack| stack::print(&stack)).ok_or_else(|| Failure::invalid(&diagnostics, &sources))
}

fn origin(
    disk: &dyn Files,
    files: &[PathBuf],
    common: &Common,
    surroundings: &Surroundings,
    sources: &Sources,
) -> Origin {
    let absolute = |path: &PathBuf| disk.absolute(path);
    Origin {
        files: files.iter().map(absolute).collect(),
        env_files: common.env_files.iter().map(absolute).collect(),
        profiles: profiles(common, &surroundings.environment),
        vars: common.vars.iter().map(|(name, _)| name.clone()).collect(),
        texts: sources.texts().map(|(path, text)| (path.to_owned(), text.to_owned())).collect(),
        images: BTreeMap::new(),
    }
}

fn read(
    disk: &dyn Files,
    files: &[PathBuf],
    common: &Common,
    surroundings: &Surroundings,
) -> (Option<Stack>, Sources, Diagnostics) {
    let sections: Vec<&str> = kinds::ALL.iter().filter_map(|kind| kind.section).collect();
    let options = LoadOptions {
        vars: common.vars.iter().cloned().collect(),
        env_files: common.env_files.clone(),
        profiles: profiles(common, &surroundings.environment),
        sections: &sections,
    };
    stack::load_from(disk, files, &surroundings.environment, &options)
}

/// Those that were named; else those of the environment, where Compose has `COMPOSE_PROFILES`.
fn profiles(common: &Common, environment: &Environment) -> Vec<String> {
    if !common.profiles.is_empty() {
        return common.profiles.clone();
    }
    let listed = environment.vars.get("STACKCTL_PROFILES").map(String::as_str).unwrap_or_default();
    listed.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

type Resolved = Option<(Desired, Graph, Context)>;

/// A file that cannot be used makes no key: it is made for what is known to be good, which is then resolved with it.
fn resolve_for(
    purpose: Purpose,
    stack: &Stack,
    sources: &Sources,
    surroundings: &Surroundings,
    diagnostics: &mut Diagnostics,
) -> Result<Resolved, Failure> {
    // With errors in the file nothing is compared, and its name may be no name.
    let directory = (!diagnostics.has_errors()).then(|| state_directory(stack.on_machine(), surroundings));
    let told = |error| Failure::from_error(Exit::Failed, &error);
    let to_look = match &directory {
        Some(directory) => ledger::secrets_to_look(directory).map_err(told)?,
        None => Secrets::new([0; 32]),
    };
    let said_before = diagnostics.clone();
    let resolved = resolve(stack, sources, surroundings, to_look.clone(), diagnostics);
    match directory {
        Some(directory) if purpose == Purpose::Change && !diagnostics.has_errors() => {
            let to_keep = ledger::secrets(&directory).map_err(told)?;
            if to_keep == to_look {
                return Ok(resolved);
            }
            *diagnostics = said_before;
            Ok(resolve(stack, sources, surroundings, to_keep, diagnostics))
        }
        Some(_) | None => Ok(resolved),
    }
}

/// What the file declares, what depends on what, and where it all is; none where the file does not allow of it.
fn resolve(
    stack: &Stack,
    sources: &Sources,
    surroundings: &Surroundings,
    secrets: Secrets,
    diagnostics: &mut Diagnostics,
) -> Resolved {
    let Surroundings { environment, unit_directory, runtime_directory, data, state: _ } = surroundings;
    let context = Context {
        stack: stack.on_machine().to_owned(),
        home: environment.home.clone(),
        unit_directory: unit_directory.clone(),
        runtime_directory: runtime_directory.clone(),
        data: data.clone(),
        secrets,
    };
    let places = Places { sources, environment };
    let resolved = desired::resolve(stack, kinds::ALL, places, &context, &Disk, diagnostics);
    resolved.map(|(desired, graph)| (desired, graph, context))
}

/// Those that were named; else the first that is there. A file that was named and is missing is told by the loader with its name.
pub(super) fn stack_files(
    named: &[PathBuf],
    environment: &Environment,
    exists: impl Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let set = |name: &str| environment.vars.get(name).filter(|value| !value.is_empty());
    if let Some(file) = set("STACKCTL_FILE") {
        return Ok(vec![PathBuf::from(file)]);
    }
    let config = set("XDG_CONFIG_HOME").map_or_else(|| environment.home.join(".config"), PathBuf::from);
    let places = [PathBuf::from("stack.yaml"), config.join("stackctl/stack.yaml")];
    match places.iter().find(|place| exists(place)) {
        Some(place) => Ok(vec![place.clone()]),
        None => Err(Failure::new(
            Exit::Usage,
            format!("no stack file: neither {} nor {} is there", places[0].display(), places[1].display()),
        )
        .hint("Say which one, here or in $STACKCTL_FILE:")
        .hint("  stackctl plan -f FILE")),
    }
}

/// The JSON Schema of a stack file.
pub fn stack_schema() -> serde_json::Value {
    let section =
        |kind: &&crate::desired::Kind| Some(schema::Section { key: kind.section?, keys: kind.keys, about: kind.about });
    schema::schema(&kinds::ALL.iter().filter_map(section).collect::<Vec<_>>())
}
