//! What keeps a directory from being made or used: something else in its place, a parent that cannot be written, and, the
//! dangerous one, a directory that was removed under a container that still has it mounted.

use std::path::Path;

use super::{Directory, IDENTITY, Origin};
use crate::change::{Risk, Severity};
use crate::kinds::contract;
use crate::observed::{Container, Observed, PathInfo, PathKind, Seen};

pub(super) fn find(directory: &Directory, observed: &Observed) -> Vec<Risk> {
    match observed.paths.get(&directory.path) {
        Some(Seen::Present(info)) => match &info.kind {
            PathKind::Directory if belongs_to_another(directory, info, observed) => vec![critical(
                "PATH_NOT_WRITABLE",
                format!(
                    "the mode of {} cannot be changed from {:04o}: it belongs to uid {}",
                    directory.path.display(),
                    info.mode,
                    info.uid
                ),
                vec![format!("Let its owner change it, or write the mode that it has: `mode: \"{:04o}\"`.", info.mode)],
            )],
            PathKind::Directory | PathKind::Symlink { resolves_to_directory: true, .. } => {
                contract::weighed(&directory.address, without_id(directory, info, observed), observed)
            }
            // A single file may be mounted too.
            PathKind::File | PathKind::Symlink { .. } | PathKind::Other if directory.origin != Origin::Declared => {
                Vec::new()
            }
            PathKind::File | PathKind::Symlink { .. } | PathKind::Other => vec![critical(
                "PATH_NOT_A_DIRECTORY",
                format!("{} is there and is no directory", directory.path.display()),
                vec!["Move it away, or write another path.".to_owned()],
            )],
        },
        Some(Seen::Absent) if directory.origin == Origin::File => Vec::new(),
        Some(Seen::Absent) => missing(directory, observed),
        Some(Seen::Unknown(why)) => standing(&directory.path, observed)
            .filter(|(_, info)| !info.writable)
            .map(|(above, _)| {
                let path = directory.path.display();
                let message = format!("{path} cannot be looked at: {} is closed to this user ({why})", above.display());
                critical("PATH_NOT_WRITABLE", message, vec![RIGHTS.to_owned()])
            })
            .into_iter()
            .collect(),
        None => Vec::new(),
    }
}

/// It has had its file, and is without it: it is another one. Or it cannot get it.
fn without_id(directory: &Directory, info: &PathInfo, observed: &Observed) -> Option<Risk> {
    if !directory.is_root || directory.has_id(observed) != Some(false) {
        return None;
    }
    let (path, id) = (directory.path.display(), directory.id_path());
    if observed.facts.get(IDENTITY, &directory.address).is_some() {
        return Some(critical(
            "DATA_ROOT_IDENTITY_CHANGED",
            format!(
                "{path} is not the directory that it was: {} is not there; its disk may not be mounted",
                id.display()
            ),
            vec!["Mount what belongs there, or bring back what was moved away.".to_owned()],
        ));
    }
    (!info.writable && matches!(info.kind, PathKind::Directory)).then(|| {
        critical(
            "PATH_NOT_WRITABLE",
            format!("{} cannot be made: {path} is not writable", id.display()),
            vec![
                "Give yourself the right to write there, or let whoever may make that file, empty:".to_owned(),
                format!("  sudo touch {}", id.display()),
            ],
        )
    })
}

const RIGHTS: &str = "Give yourself the right to write there, or write another path.";

/// Would a change of its mode be refused?
fn belongs_to_another(directory: &Directory, info: &PathInfo, observed: &Observed) -> bool {
    let differs = directory.mode.is_some_and(|mode| mode != info.mode);
    differs && observed.host.as_ref().is_some_and(|host| host.uid != 0 && host.uid != info.uid)
}

/// The nearest above that is there.
fn standing<'a>(path: &'a Path, observed: &'a Observed) -> Option<(&'a Path, &'a PathInfo)> {
    path.ancestors().skip(1).find_map(|above| Some((above, observed.paths.get(above)?.present()?)))
}

fn missing(directory: &Directory, observed: &Observed) -> Vec<Risk> {
    let path = &directory.path;
    if let Some(container) = observed.containers.values().find(|container| mounts(container, path)) {
        return vec![critical(
            "MOUNT_SOURCE_DELETED",
            format!("{} is gone while {} has it mounted: what it writes goes to a deleted directory", path.display(), container.name),
            vec![
                "Do not stop or restart the container: its open files are the last copy. Look for a moved copy first, and".to_owned(),
                format!("copy what it still holds open (/proc/{}/fd) before anything else.", container.pid),
            ],
        )];
    }
    if directory.origin == Origin::MustExist {
        return vec![critical(
            "PATH_MISSING",
            format!("{} is to be mounted and does not exist", path.display()),
            vec![
                "It lies below no declared directory, so it is not made by itself. Declare it:".to_owned(),
                "  directories:".to_owned(),
                format!("    {}: {{ mode: \"0700\" }}", directory.address.name()),
            ],
        )];
    }
    match standing(path, observed) {
        Some((ancestor, info)) if !info.writable && !matches!(info.kind, PathKind::Symlink { .. }) => vec![critical(
            "PATH_NOT_WRITABLE",
            format!("{} cannot be made: {} is not writable", path.display(), ancestor.display()),
            vec![RIGHTS.to_owned()],
        )],
        Some(_) | None => Vec::new(),
    }
}

/// Does a running container have the path, or something below it, mounted from the host?
fn mounts(container: &Container, path: &Path) -> bool {
    let sources = container.inspect.as_ref().and_then(|inspect| inspect["Mounts"].as_array());
    let sources = sources.into_iter().flatten().filter_map(|mount| mount["Source"].as_str());
    container.is_running() && sources.into_iter().any(|source| Path::new(source).starts_with(path))
}

fn critical(code: &'static str, message: String, remedies: Vec<String>) -> Risk {
    Risk { code, severity: Severity::Critical, message, remedies }
}
