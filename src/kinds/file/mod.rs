//! Text files of the host. What was applied is a fact of the ledger, since a file of any form can carry no mark of ours: one
//! that stackctl did not write is never written over, and none is ever removed.

mod attributes;
mod spec;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, Risk, Severity, Step, Steps, step};
use crate::desired::{
    Condition, Context, Declared, Dependency, Difference, Kind, Neighbours, Object, Ours, Owned, Resource,
};
use crate::diagnostic::{Diagnostics, Span};
use crate::effect::{Effect, Files};
use crate::kinds::directory;
use crate::observed::{Observed, PathInfo, PathKind, Query, Seen};

const DEFAULT_MODE: u32 = 0o644;
/// Of directories on the way that are not declared themselves.
const PARENT_MODE: u32 = 0o700;

pub static KIND: Kind = Kind {
    name: "file",
    section: Some("files"),
    keys: spec::KEYS,
    about: "Text files of this machine, by their paths",
    attributes: attributes::ATTRIBUTES,
    holds_data: true,
    read: Some(spec::read),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

/// What is to stand in it, and whether that may be shown.
#[derive(Clone, PartialEq, Eq)]
struct Content {
    text: String,
    sensitive: bool,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.sensitive { f.write_str("(hidden)") } else { self.text.fmt(f) }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct File {
    address: Address,
    context: Context,
    path: PathBuf,
    content: Content,
    mode: u32,
    /// Is it written beside the old one, which it then takes the place of? Else into the old one itself.
    atomic: bool,
    /// The nearest directory above that the file declares.
    above: Option<Address>,
    span: Span,
}

/// Written as those of directories are.
pub fn address(path: &Path, home: &Path) -> Address {
    Address::new("file", directory::address(path, home).name())
}

fn octal(mode: u32) -> Value {
    json!(format!("{mode:04o}"))
}

impl File {
    /// Sealed where what is wanted is private: then what is there may be as well.
    fn shown(&self, text: &str) -> Value {
        if self.content.sensitive { self.context.secrets.seal(text) } else { json!(text) }
    }

    fn is_ours(&self, observed: &Observed) -> bool {
        observed.facts.get("applied", &self.address).is_some()
    }

    fn is_as_desired(&self, info: &PathInfo) -> bool {
        info.content.as_ref() == Some(&self.content.text) && info.mode == self.mode
    }

    fn write(&self) -> Step {
        step(Effect::Files(self.writing(self.content.text.clone(), self.mode)))
    }

    fn writing(&self, content: String, mode: u32) -> Files {
        let path = self.path.clone();
        match self.atomic {
            true => Files::Write { path, content, mode },
            false => Files::Overwrite { path, content, mode },
        }
    }
}

impl Resource for File {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let File { address: _, context: _, path: _, content, mode, atomic: _, above: _, span: _ } = self;
        let mut attributes = Attributes::default();
        attributes.set("content", self.shown(&content.text));
        attributes.set("mode", octal(*mode));
        attributes
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let above = |on: &Address| Dependency { on: on.clone(), condition: Condition::Exists, restart: false };
        self.above.iter().map(above).collect()
    }

    fn link(&mut self, declared: &Declared<'_>, _diagnostics: &mut Diagnostics) {
        let candidates = self.path.ancestors().skip(1).map(|above| directory::address(above, &declared.context.home));
        self.above = candidates.into_iter().find(|above| declared.resources.contains_key(above));
    }

    fn query(&self, query: &mut Query) {
        query.files.insert(self.path.clone());
        query.paths.extend(self.path.ancestors().skip(1).map(Path::to_path_buf));
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        let info = match observed.paths.get(&self.path) {
            None => return Seen::Unknown("it was not looked at".to_owned()),
            Some(Seen::Unknown(why)) => return Seen::Unknown(why.clone()),
            Some(Seen::Absent) => return Seen::Absent,
            Some(Seen::Present(info)) => info,
        };
        let mut attributes = Attributes::default();
        match (&info.kind, &info.content) {
            (PathKind::File, content) => {
                attributes.set("content", content.as_ref().map_or(Value::Null, |text| self.shown(text)));
                attributes.set("mode", octal(info.mode));
            }
            // Other things are conflicts, not differences.
            (PathKind::Directory | PathKind::Symlink { .. } | PathKind::Other, _) => attributes = self.attributes(),
        }
        Seen::Present(Object { attributes, last_applied: None })
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let path = self.path.display();
        let risk = |code, message, remedies| Risk { code, severity: Severity::Critical, message, remedies };
        let away = || vec!["Move it away, or take it out of the stack file.".to_owned()];
        match observed.paths.get(&self.path) {
            Some(Seen::Present(info)) => match &info.kind {
                PathKind::File if self.is_ours(observed) || self.is_as_desired(info) => Vec::new(),
                PathKind::File => {
                    let message = format!("{path} is there and was not written by stackctl");
                    vec![risk("NAME_OWNED_BY_OTHER", message, away())]
                }
                PathKind::Symlink { target, .. } => {
                    let message =
                        format!("{path} is a symbolic link to {}; nothing is written through it", target.display());
                    vec![risk("NAME_OWNED_BY_OTHER", message, away())]
                }
                PathKind::Directory | PathKind::Other => {
                    vec![risk("NAME_OWNED_BY_OTHER", format!("{path} is there and is no file"), away())]
                }
            },
            Some(Seen::Absent) => missing(self, observed).into_iter().collect(),
            Some(Seen::Unknown(_)) | None => Vec::new(),
        }
    }

    fn steps(&self, difference: &Difference, observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        let before = observed.paths.get(&self.path).and_then(Seen::present);
        let mut main = Vec::new();
        let parent = self.path.parent().filter(|parent| observed.paths.get(parent).is_some_and(Seen::is_absent));
        if let Some(parent) = parent.map(Path::to_path_buf).filter(|_| difference.action == Action::Create) {
            let create = Files::CreateDirectory { path: parent.clone(), mode: PARENT_MODE };
            main.push(step(Effect::Files(create)).undo(Effect::Files(Files::RemoveEmptyDirectory { path: parent })));
        }
        let back = match before.and_then(|info| Some((info.content.clone()?, info.mode))) {
            Some((content, mode)) => self.writing(content, mode),
            None => Files::Remove { path: self.path.clone() },
        };
        main.push(self.write().undo(Effect::Files(back)));
        Steps { main, ..Steps::default() }
    }

    fn name_on_machine(&self) -> String {
        self.path.display().to_string()
    }

    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}

/// Its directory is made only below one that is declared, and nothing can be made where nobody may write.
fn missing(file: &File, observed: &Observed) -> Option<Risk> {
    let above = file.path.ancestors().skip(1);
    let standing = above.into_iter().find_map(|above| Some((above, observed.paths.get(above)?.present()?)));
    let parent = file.path.parent()?;
    let risk = |code, message, remedies| Some(Risk { code, severity: Severity::Critical, message, remedies });
    match standing {
        Some((directory, info)) if !info.writable && !matches!(info.kind, PathKind::Symlink { .. }) => risk(
            "PATH_NOT_WRITABLE",
            format!("{} cannot be made: {} is not writable", file.path.display(), directory.display()),
            vec!["Give yourself the right to write there, or write another path.".to_owned()],
        ),
        Some((directory, _)) if directory != parent && file.above.is_none() => risk(
            "PATH_MISSING",
            format!("{} is to be written and its directory does not exist", file.path.display()),
            vec![
                "It lies below no declared directory, so it is not made by itself. Declare it:".to_owned(),
                "  directories:".to_owned(),
                format!("    {}: {{}}", directory::address(parent, &file.context.home).name()),
            ],
        ),
        Some(_) | None => None,
    }
}

/// A file carries no mark of ours, so none is found without the stack file; what was written stays.
fn owned(_observed: &Observed, _ours: Ours<'_>) -> Vec<Owned> {
    Vec::new()
}

fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
