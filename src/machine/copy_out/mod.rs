//! Copies files out of a container into a directory that is made for it: written beside, synced, read back against their checksums, and
//! renamed into place, so that a copy is whole or not there. Nothing in the container is touched.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "files are copied here")]

mod owners;
mod sink;
mod walk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

pub use owners::{Owner, give};
use sink::Sink;

use super::podman::Podman;
use super::{Failure, FailureKind, Progress, files, inside};
use crate::effect::podman::{CopyOut, CopySource, Via};
use crate::observed::copied::{CopiedFile, MANIFEST, Manifest};

/// Times that something is read until it is the same twice.
const TRIES: usize = 3;
/// Pieces of an archive on their way from podman to the disk.
const PIECES: usize = 16;

/// # Errors
/// Podman did not answer, the disk is full, or a path is not there; nothing of the copy is left then.
pub async fn perform(podman: &Podman, wanted: &CopyOut, progress: &Progress<'_>) -> Result<(), Failure> {
    let to = &wanted.to;
    let refused = |what: &str, error: &io::Error| {
        Failure::new(FailureKind::Refused, format!("{what} {}: {}", to.display(), files::words(error)))
    };
    if fs::symlink_metadata(to).is_ok() {
        return Err(Failure::new(FailureKind::Conflict, format!("{} is there already", to.display()))
            .hint("Name a directory that is not there yet with --to."));
    }
    let partial = partial(to);
    let begun = fs::remove_dir_all(&partial).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    begun.and_then(|()| sink::directory(&partial)).map_err(|error| refused("cannot make", &error))?;
    let partial = Partial(partial);
    copy(podman, wanted, &partial.0, progress).await?;
    settle(&partial.0, to).map_err(|error| refused("cannot write", &error))
}

/// Half a copy, which goes with whatever ends it: an error, or a signal. One that was renamed into its place is not there any more.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Why it ended is what there is to tell.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Beside it, so that the last step is a rename.
fn partial(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    to.with_file_name(name)
}

fn settle(partial: &Path, to: &Path) -> io::Result<()> {
    sink::sync_tree(partial)?;
    fs::rename(partial, to)?;
    to.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

async fn copy(podman: &Podman, wanted: &CopyOut, partial: &Path, progress: &Progress<'_>) -> Result<(), Failure> {
    let mut manifest = Manifest { container: wanted.container.clone(), id: wanted.id.clone(), ..Manifest::default() };
    for source in &wanted.sources {
        progress(&source.path);
        let mut sink = Sink::into(partial);
        read(podman, wanted, source, &mut sink).await?;
        for attempt in 1.. {
            let mut again = Sink::hashing();
            read(podman, wanted, source, &mut again).await?;
            let changed = sink.unlike(&again);
            if changed.is_empty() || attempt == TRIES {
                sink.mark(&changed);
                break;
            }
            sink = Sink::into(partial);
            read(podman, wanted, source, &mut sink).await?;
        }
        sink.verify().map_err(|error| Failure::new(FailureKind::Refused, error.to_string()))?;
        let (files, left_out) = sink.taken();
        manifest.files.extend(files);
        manifest.left_out.extend(left_out);
    }
    if manifest.files.is_empty() {
        let paths: Vec<&str> = wanted.sources.iter().map(|source| source.path.as_str()).collect();
        let words = format!("there is no file at {} in {}", paths.join(", "), wanted.container);
        return Err(Failure::new(FailureKind::NotFound, words));
    }
    let upper = if wanted.pid.is_none() { podman.upper_directory(&wanted.id).await? } else { None };
    manifest.owners_lost = owners::restore(partial, &mut manifest.files, wanted, wanted.pid, upper).await;
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is JSON");
    sink::write_synced(&partial.join(MANIFEST), &text).map_err(|error| {
        Failure::new(FailureKind::Refused, format!("cannot write {MANIFEST}: {}", files::words(&error)))
    })
}

async fn read(podman: &Podman, wanted: &CopyOut, source: &CopySource, sink: &mut Sink) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let words = format!("cannot copy {}: {}", source.path, files::words(&error));
        let failure = Failure::new(FailureKind::Refused, words);
        match error.kind() {
            io::ErrorKind::StorageFull => failure.hint("Name a directory with more room with --to."),
            _ => failure,
        }
    };
    match &source.via {
        Via::Archive => {
            let (give, take) = mpsc::sync_channel::<Vec<u8>>(PIECES);
            let place = walk::parent(&source.path).to_owned();
            let mut out = std::mem::replace(sink, Sink::hashing());
            let writing = tokio::task::spawn_blocking(move || {
                let written = walk::archive(walk::Pieces::from(take), &place, &mut out);
                (out, written)
            });
            let sending = podman.archive(&wanted.id, &source.path, async |piece| {
                // Whoever writes may wait for the disk.
                let give = give.clone();
                tokio::task::spawn_blocking(move || give.send(piece).is_ok()).await.unwrap_or(false)
            });
            let sent = sending.await;
            drop(give);
            let (out, written) =
                writing.await.map_err(|error| Failure::new(FailureKind::Refused, error.to_string()))?;
            *sink = out;
            // An archive that ended early is told as what ended it.
            sent?;
            written.map_err(failed)
        }
        Via::Root { pid } => walk::root(*pid, &source.path, sink).map_err(failed),
        Via::Descriptor(path) => walk::descriptor(path, &source.path, sink).map_err(failed),
    }
}

/// Of what a copy holds, by its manifest.
///
/// # Errors
/// It is not there, or not a manifest.
pub fn manifest(directory: &Path) -> io::Result<Manifest> {
    Ok(serde_json::from_slice(&fs::read(directory.join(MANIFEST))?)?)
}

/// Where a path of the container lies in the copy.
pub fn place(directory: &Path, file: &CopiedFile) -> PathBuf {
    directory.join(file.path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests;
