//! Directories of the host. They hold data: created, their mode mended, never emptied, never removed. A directory that a
//! container's mount implies is created (0700) only below one that the file declares, and its mode is the container's own
//! business from then on.

mod attributes;
mod conflicts;
mod spec;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, Risk, Step, Steps, step};
use crate::desired::{
    Condition, Context, Declared, Dependency, Difference, Kind, Neighbours, Object, Ours, Owned, Resource,
};
use crate::diagnostic::{Diagnostics, Span};
use crate::effect::{Effect, Files};
use crate::kinds::unit::line_value;
use crate::observed::{Observed, PathKind, Query, Seen};

/// The row of the file [`ID`], and the fact that it was there.
const IDENTITY: &str = "identity";
/// Lies in each declared directory that no container sees into: where its disk is not mounted, it is missing, and no unit starts on
/// what lies there instead.
const ID: &str = ".stackctl-id";
const ID_MODE: u32 = 0o600;

/// Private: what lies there is the user's chats and keys.
const DEFAULT_MODE: u32 = 0o700;

pub static KIND: Kind = Kind {
    name: "directory",
    section: Some("directories"),
    keys: spec::KEYS,
    about: "Directories of this machine, by their paths",
    attributes: attributes::ATTRIBUTES,
    holds_data: true,
    read: Some(spec::read),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Declared,
    /// A mount needs it, and a declared directory is above it.
    Implied,
    /// A mount needs it, and nothing above it is declared: it must be there already.
    MustExist,
    /// What is mounted is a file that the stack file declares.
    File,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Directory {
    address: Address,
    path: PathBuf,
    mode: Option<u32>,
    origin: Origin,
    /// The nearest directory above that is a resource too.
    above: Option<Address>,
    protect: Option<bool>,
    /// Has it the file [`ID`]? Filled by linking.
    is_root: bool,
    span: Option<Span>,
}

impl Directory {
    fn id_path(&self) -> PathBuf {
        id_path(&self.path)
    }

    /// None where it cannot be told.
    fn has_id(&self, observed: &Observed) -> Option<bool> {
        match observed.paths.get(&self.id_path())? {
            Seen::Present(_) => Some(true),
            Seen::Absent => Some(false),
            Seen::Unknown(_) => None,
        }
    }

    fn write_id(&self) -> Step {
        let path = self.id_path();
        let content = format!(
            "# Made by stackctl for {}: what has data below this directory starts only where this file is.\n",
            self.address
        );
        step(Effect::Files(Files::Write { path: path.clone(), content, mode: ID_MODE }))
            .undo(Effect::Files(Files::Remove { path }))
    }
}

pub(super) fn id_path(directory: &Path) -> PathBuf {
    directory.join(ID)
}

/// The line of a unit with data below it: where its disk is not mounted, nothing begins anew on the empty place.
pub(super) fn assertion(directory: &Path) -> String {
    format!("AssertPathExists={}", line_value(&id_path(directory).display().to_string()))
}

/// Paths below the home directory are written with `~`, so that both spellings are one resource.
pub fn address(path: &Path, home: &Path) -> Address {
    let name = match path.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => path.display().to_string(),
    };
    Address::new("directory", name)
}

/// The directory that a mount needs.
pub fn implied(path: &Path, home: &Path, span: Span) -> Directory {
    Directory {
        address: address(path, home),
        path: path.to_owned(),
        mode: None,
        origin: Origin::MustExist,
        protect: None,
        above: None,
        is_root: false,
        span: Some(span),
    }
}

fn octal(mode: u32) -> Value {
    json!(format!("{mode:04o}"))
}

impl Resource for Directory {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let Directory { address: _, path: _, mode, origin: _, above: _, protect: _, is_root, span: _ } = self;
        let mut attributes = Attributes::default();
        if let Some(mode) = mode {
            attributes.set("mode", octal(*mode));
        }
        if *is_root {
            attributes.set(IDENTITY, true);
        }
        attributes
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let above = |on: &Address| Dependency { on: on.clone(), condition: Condition::Exists, restart: false };
        self.above.iter().map(above).collect()
    }

    fn root(&self) -> Option<&Path> {
        // One that its owner may not write to gets no file.
        let takes_it = self.mode.is_none_or(|mode| mode & 0o200 != 0);
        (self.origin == Origin::Declared && takes_it).then_some(&self.path)
    }

    fn link(&mut self, declared: &Declared<'_>, _diagnostics: &mut Diagnostics) {
        self.is_root = declared.roots.contains(&self.path);
        let home = &declared.context.home;
        let file = Address::new("file", self.address.name());
        if self.origin == Origin::MustExist && declared.resources.contains_key(&file) {
            (self.above, self.origin) = (Some(file), Origin::File);
            return;
        }
        for ancestor in self.path.ancestors().skip(1) {
            let candidate = address(ancestor, home);
            let Some(known) = declared.resources.get(&candidate) else { continue };
            if self.above.is_none() {
                self.above = Some(candidate);
            }
            if known.declared && self.origin == Origin::MustExist {
                self.origin = Origin::Implied;
            }
        }
    }

    fn query(&self, query: &mut Query) {
        query.paths.extend(self.path.ancestors().map(Path::to_path_buf));
        query.paths.extend(self.is_root.then(|| self.id_path()));
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        let info = match observed.paths.get(&self.path) {
            None => return Seen::Unknown("it was not looked at".to_owned()),
            Some(Seen::Unknown(why)) => return Seen::Unknown(why.clone()),
            Some(Seen::Absent) if matches!(self.origin, Origin::MustExist | Origin::File) => {
                return Seen::Present(Object { attributes: self.attributes(), last_applied: None });
            }
            Some(Seen::Absent) => return Seen::Absent,
            Some(Seen::Present(info)) => info,
        };
        let mut attributes = Attributes::default();
        match &info.kind {
            PathKind::Directory => attributes.set("mode", octal(info.mode)),
            // A symlinked root is legal and stays as it is; other things are conflicts, not differences.
            PathKind::Symlink { .. } | PathKind::File | PathKind::Other => attributes = self.attributes(),
        }
        if self.is_root {
            attributes.set(IDENTITY, self.has_id(observed).unwrap_or(true));
        }
        Seen::Present(Object { attributes, last_applied: None })
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        conflicts::find(self, observed)
    }

    fn steps(&self, difference: &Difference, observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        let path = self.path.clone();
        let is_created = difference.action == Action::Create;
        let mut main = Vec::new();
        if is_created {
            let create = Files::CreateDirectory { path: path.clone(), mode: self.mode.unwrap_or(DEFAULT_MODE) };
            main.push(step(Effect::Files(create)).undo(Effect::Files(Files::RemoveEmptyDirectory { path })));
        } else if difference.has("mode") {
            let set = |mode| Effect::Files(Files::SetMode { path: path.clone(), mode });
            let before = observed.paths.get(&self.path).and_then(Seen::present).map(|info| info.mode);
            let step = step(set(self.mode.unwrap_or(DEFAULT_MODE)));
            main.push(before.into_iter().fold(step, |step, before| step.undo(set(before))));
        }
        if self.is_root && (is_created || difference.has(IDENTITY)) {
            main.push(self.write_id());
        }
        Steps { main, ..Steps::default() }
    }

    fn facts(&self, observed: &Observed) -> BTreeMap<&'static str, Value> {
        let has_id = self.is_root && self.has_id(observed) == Some(true);
        has_id.then_some((IDENTITY, Value::Bool(true))).into_iter().collect()
    }

    fn name_on_machine(&self) -> String {
        self.path.display().to_string()
    }

    fn protect(&self) -> Option<bool> {
        self.protect
    }

    fn declares(&self) -> bool {
        self.origin == Origin::Declared
    }

    fn span(&self) -> Option<Span> {
        self.span
    }
}

/// A directory carries no mark of ours, so none is found without the file.
fn owned(_observed: &Observed, _ours: Ours<'_>) -> Vec<Owned> {
    Vec::new()
}

/// With what is in it: reached where the user names it, and in no other way. Never the home directory, nor what that lies in.
fn remove(owned: &Owned, _observed: &Observed, context: &Context) -> Steps {
    let path = match owned.address.name().strip_prefix("~/") {
        Some(below) => context.home.join(below),
        None => PathBuf::from(owned.address.name()),
    };
    if owned.address.name() == "~" || context.home.starts_with(&path) {
        return Steps::default();
    }
    Steps { main: vec![step(Effect::Files(Files::RemoveTree { path })).commit()], ..Steps::default() }
}
