//! Looks at what containers wrote outside their mounts: which paths, podman tells; what lies there is read through the process where
//! one runs and lets this user, else in the layer itself, else out of podman's archive, for which podman mounts and unmounts the
//! container each time (60 ms). Nothing is opened for writing, and no more is read than the first bytes.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what was written is looked at where it lies")]

pub(in crate::machine) mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::head;
use super::podman::Podman;
use super::{Failure, FailureKind};
use crate::observed::layer::{Layer, Wanted, Written};
use crate::observed::{Container, Seen};

/// Of one container. Who writes more files than these outside its mounts keeps its program there.
const FILES_MAX: usize = 4000;
/// Of these, so many are asked of podman one by one, where the process cannot be asked.
const ARCHIVES_MAX: usize = 400;
const AT_ONCE: usize = 4;
/// Between two readings of what is held open, where anything is: who writes all the while is seen to.
const BETWEEN: Duration = Duration::from_millis(250);

/// # Errors
/// Podman did not answer.
pub async fn look(podman: &Podman, container: &Container, wanted: &Wanted) -> Seen<Layer> {
    match try_look(podman, container, wanted).await {
        Ok(layer) => Seen::Present(layer),
        Err(failure) => Seen::Unknown(failure.message),
    }
}

async fn try_look(podman: &Podman, container: &Container, wanted: &Wanted) -> Result<Layer, Failure> {
    let (ignored, scratch) = (globs(&wanted.ignored), globs(&wanted.scratch));
    let pid = Some(container.pid).filter(|pid| container.is_running() && *pid > 0);
    let changed = podman.changes(&container.name).await?;
    let held = pid.map(open::for_writing).unwrap_or_default();
    let mounted = mounted(container);
    let is_looked_at = |path: &&str| !ignored.is_match(path) && !mounted.contains(path);
    let mut paths: BTreeSet<&str> = leaves(&changed).filter(is_looked_at).collect();
    paths.extend(held.keys().map(String::as_str).filter(is_looked_at));
    let more = paths.len().saturating_sub(FILES_MAX);
    let paths: Vec<&str> = paths.into_iter().take(FILES_MAX).collect();
    let mut layer = Layer { id: container.id.clone(), files: BTreeMap::new(), more };
    let mut denied: Vec<&str> = Vec::new();
    for path in paths {
        match pid.map(|pid| open::reach(pid, path, &held)) {
            Some(Ok(file)) => layer.files.extend(read(file).map(|written| (path.to_owned(), written))),
            Some(Err(error)) if is_no_file(&error) => {}
            Some(Err(_)) | None => denied.push(path),
        }
    }
    if !denied.is_empty()
        && let Some(own) = podman.upper_directory(&container.id).await?.and_then(|upper| File::open(upper).ok())
    {
        denied.retain(|path| match in_layer(&own, path) {
            Some(Ok(file)) => {
                layer.files.extend(read(file).map(|written| ((*path).to_owned(), written)));
                false
            }
            Some(Err(_)) => false,
            None => true,
        });
    }
    layer.more += denied.len().saturating_sub(ARCHIVES_MAX);
    let asked =
        denied.into_iter().take(ARCHIVES_MAX).map(|path| async move { (path, podman.head(container, path).await) });
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    for (path, answer) in answers {
        match answer {
            Ok(written) => layer.files.extend(written.map(|written| (path.to_owned(), written))),
            // One that podman does not archive says nothing of the others.
            Err(failure) if failure.kind == FailureKind::Refused => layer.more += 1,
            Err(failure) => return Err(failure),
        }
    }
    for (path, written) in &mut layer.files {
        written.is_scratch = scratch.is_match(path);
        if let Some(held) = held.get(path) {
            written.is_open = true;
            written.held_at = held.is_deleted.then(|| held.descriptor.clone());
        }
    }
    if let Some(pid) = pid.filter(|_| layer.files.values().any(|written| written.is_open && !written.is_scratch)) {
        tokio::time::sleep(BETWEEN).await;
        for (path, written) in layer.files.iter_mut().filter(|(_, written)| written.is_open) {
            let now = open::reach(pid, path, &held).ok().and_then(|file| file.metadata().ok());
            written.grew = now.is_some_and(|now| now.len() > written.size);
        }
    }
    Ok(layer)
}

/// Where something is mounted. Of a file that is mounted by itself podman tells as changed what it was mounted over.
fn mounted(container: &Container) -> BTreeSet<&str> {
    let mounts = container.inspect.as_ref().and_then(|inspect| inspect["Mounts"].as_array());
    mounts.into_iter().flatten().filter_map(|mount| mount["Destination"].as_str()).collect()
}

/// In the directory that the overlay driver writes to. None where it is not to be seen there: it belongs to another user, or only what
/// is said of the file was changed, and its content is that of a layer below.
fn in_layer(own: &File, path: &str) -> Option<std::io::Result<File>> {
    match open_below(own, path) {
        Ok(file) => {
            let found = file.metadata().ok()?;
            (!found.is_file() || found.len() == 0 || found.blocks() > 0).then_some(Ok(file))
        }
        Err(error) => is_other(&error).then_some(Err(error)),
    }
}

/// It is gone by now, or no file.
fn is_no_file(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound || is_other(error)
}

/// A link, a socket, or the mark of what was deleted.
fn is_other(error: &std::io::Error) -> bool {
    let links = [rustix::io::Errno::LOOP, rustix::io::Errno::NXIO].map(|errno| Some(errno.raw_os_error()));
    links.contains(&error.raw_os_error())
}

/// Who has something below it is a directory.
fn leaves(changed: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    changed.iter().map(String::as_str).filter(|path| {
        let below = format!("{}/", path.trim_end_matches('/'));
        !changed.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below))
    })
}

/// Of a pattern that is none, nothing is passed over: what is written is told rather than left out.
fn globs(patterns: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        if let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() {
            set.add(glob);
        }
    }
    set.build().unwrap_or_default()
}

/// None of what is no regular file.
fn read(file: File) -> Option<Written> {
    let found = file.metadata().ok()?;
    if !found.is_file() {
        return None;
    }
    let mut first = Vec::new();
    file.take(head::BYTES as u64).read_to_end(&mut first).ok()?;
    Some(head::written(found.len(), head::modified_s(&found), &first))
}

/// Below a root that somebody else fills: no link leads out of it.
fn open_below(root: &File, path: &str) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(File::from(rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)?))
}

#[cfg(test)]
mod tests;
