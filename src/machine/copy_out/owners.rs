//! Whom the copies belong to: whom the originals belong to. Podman's archive says of every file that it is the container's user's
//! (podman 5.4, `copyToArchive`), so the originals are looked at, from inside the user namespace of this user's containers, where the
//! copies can be given away too. Each file is given by its own call; nothing is given recursively.

#![expect(clippy::disallowed_methods, reason = "copies are given to their owners here")]

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::inside;
use crate::effect::podman::{CopyOut, Via};
use crate::observed::copied::CopiedFile;

/// A copy, and the original that it is to belong to the owner of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub copy: PathBuf,
    pub original: PathBuf,
    /// A change of owner takes some bits of it away.
    pub mode: u32,
}

/// Inside the namespace; answers their owners, in its ids. What has no original any more is left as it is.
///
/// # Errors
/// One of them may not be given.
pub fn give(owners: &[Owner]) -> io::Result<Vec<Option<(u32, u32)>>> {
    let one = |owner: &Owner| {
        // A descriptor is a link to what has no name.
        let is_descriptor =
            owner.original.starts_with("/proc") && owner.original.parent().is_some_and(|parent| parent.ends_with("fd"));
        let found = if is_descriptor { fs::metadata(&owner.original) } else { fs::symlink_metadata(&owner.original) };
        let Ok(found) = found else { return Ok(None) };
        // Whoever is 0 there is this user, who has it already.
        if (found.uid(), found.gid()) != (0, 0) {
            lchown(&owner.copy, Some(found.uid()), Some(found.gid()))?;
            fs::set_permissions(&owner.copy, fs::Permissions::from_mode(owner.mode))?;
        }
        Ok(Some((found.uid(), found.gid())))
    };
    owners.iter().map(one).collect()
}

/// Gives the copies away, and notes in `files` whose they are in the container. Why they stay this user's; empty where all have whom they
/// had. `upper` is where what a container that does not run wrote lies.
pub(super) async fn restore(
    partial: &Path,
    files: &mut [CopiedFile],
    wanted: &CopyOut,
    pid: Option<i32>,
    upper: Option<PathBuf>,
) -> String {
    let root = match pid {
        Some(pid) => Some(PathBuf::from(format!("/proc/{pid}/root"))),
        None => upper,
    };
    let owner = |file: &CopiedFile| {
        let held = wanted.sources.iter().find(|source| source.path == file.path);
        let original = match held.map(|source| &source.via) {
            Some(Via::Descriptor(descriptor)) => descriptor.clone(),
            _ => root.as_ref()?.join(file.path.trim_start_matches('/')),
        };
        Some(Owner { copy: super::place(partial, file), original, mode: file.mode })
    };
    let Some(owners) = files.iter().map(owner).collect::<Option<Vec<Owner>>>() else {
        return "the container does not run, and its storage does not show whose they are".to_owned();
    };
    let answer = match inside::ask::<Vec<Option<(u32, u32)>>>("own-files", &owners, inside::PATIENCE).await {
        Ok(answer) => answer,
        Err(why) => return why,
    };
    let mut lost = String::new();
    for (file, ids) in files.iter_mut().zip(answer) {
        match ids {
            Some((uid, gid)) => {
                (file.uid, file.gid) = (in_container(uid, &wanted.uids), in_container(gid, &wanted.gids))
            }
            None => lost = format!("whose {} is cannot be told", file.path),
        }
    }
    lost
}

/// An id of the namespace in the container, by ranges of `(container, namespace, count)`; podman keeps none where they are the same.
fn in_container(id: u32, ranges: &[(u32, u32, u32)]) -> u32 {
    let holds = |(_, from, count): &&(u32, u32, u32)| id >= *from && id - from < *count;
    ranges.iter().find(holds).map_or(id, |(to, from, _)| to + (id - from))
}

#[cfg(test)]
mod tests {
    use super::in_container;

    #[test]
    fn an_id_is_found_in_its_range() {
        // As `--userns keep-id` of user 1000 makes them.
        let ranges = [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64536)];
        assert_eq!([1, 1000, 0, 1001].map(|id| in_container(id, &ranges)), [0, 999, 1000, 1001]);
        assert_eq!(in_container(33, &[]), 33);
    }
}
