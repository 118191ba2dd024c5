//! Copies of data at rest, and the way back. Runs inside the user namespace, as root of it, so that what belongs to a container's own
//! users keeps its owner; whoever runs this has stopped who writes.
//!
//! A copy is made under another name and renamed when it is whole and on the disk, so that there is never half of one. A restore is
//! told by the copy's manifest from before its first rename on, and goes on from there after a power cut; as long as it is under way,
//! [`HOLD`] keeps the container's unit from starting.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "data is copied and renamed where it lies")]

mod back;
mod copy;
mod look;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::inside;
use super::{Failure, FailureKind, clock};
use crate::effect::{self, Take};
use crate::observed::snapshot::{Handle, MANIFEST, Manifest, Snapshot};
use crate::time;
pub use look::{look, space};

/// So many of each container stay, and none longer than [`KEPT_US`] but the last one.
const KEPT_MAX: usize = 5;
const KEPT_US: u64 = 30 * 24 * 60 * 60 * 1_000_000;
/// What is not whole, or not whole any more, is called so at the end.
const PARTIAL: &str = ".partial";

/// Makes one call, in one entry into the user namespace.
///
/// # Errors
/// The system refused, the disk is full, or something else writes to the data.
pub async fn perform(effect: &effect::Snapshot) -> Result<(), Failure> {
    inside::ask("snapshot", effect, inside::AS_LONG_AS_IT_TAKES)
        .await
        .map_err(|why| Failure::new(FailureKind::Refused, why))
}

/// The same, by whoever is inside already.
///
/// # Errors
/// As [`perform`].
pub async fn perform_here(effect: &effect::Snapshot) -> io::Result<()> {
    match effect {
        effect::Snapshot::Take(take) => self::take(take).await,
        effect::Snapshot::Restore(handle) => bring(handle, false).await,
        effect::Snapshot::Finish(handle) => match find(handle).filter(Snapshot::is_restoring) {
            Some(copy) => back::restore(copy, false).await,
            None => Ok(()),
        },
        effect::Snapshot::Bring(handle) => bring(handle, true).await,
        effect::Snapshot::Keep(handle) => find(handle).map_or(Ok(()), keep),
        effect::Snapshot::Drop(handle) => match find(handle) {
            None => Ok(()),
            // Where something was set aside, this tells where.
            Some(copy) if !copy.manifest.set_aside.is_empty() => keep(copy),
            Some(copy) => remove(&copy.directory),
        },
    }
}

/// What is on its way from another copy arrives first: half of each is no data of anybody.
async fn bring(handle: &Handle, is_held: bool) -> io::Result<()> {
    let others = look::on(&handle.shelf).into_iter().filter(|copy| copy.manifest.label != handle.label);
    for other in others.filter(Snapshot::is_restoring) {
        back::restore(other, false).await?;
    }
    let copy = find(handle).ok_or_else(|| io::Error::other("it is not there any more"))?;
    back::restore(copy, is_held).await
}

fn find(handle: &Handle) -> Option<Snapshot> {
    look::on(&handle.shelf).into_iter().find(|copy| copy.manifest.label == handle.label)
}

async fn take(take: &Take) -> io::Result<()> {
    if find(&take.handle).is_some() {
        return Ok(());
    }
    let shelf = take.handle.shelf.as_path();
    DirBuilder::new().recursive(true).mode(0o700).create(shelf)?;
    // What a run that was killed had begun.
    for left in fs::read_dir(shelf)?.flatten().filter(|entry| is_partial(&entry.path())) {
        fs::remove_dir_all(left.path())?;
    }
    let time = time::rfc3339(clock::now_us()).replace([':', '-'], "");
    let mut directory = shelf.join(&time);
    for count in 2.. {
        if !directory.exists() {
            break;
        }
        directory = shelf.join(format!("{time}-{count}"));
    }
    let partial = partial(&directory);
    DirBuilder::new().mode(0o700).create(&partial)?;
    let taken = fill(take, &partial).await;
    if taken.is_err() {
        drop(fs::remove_dir_all(&partial));
        return taken;
    }
    fs::rename(&partial, &directory)?;
    sync(shelf)
}

async fn fill(take: &Take, partial: &Path) -> io::Result<()> {
    let mut extent = copy::Extent::default();
    for (index, item) in take.items.iter().enumerate() {
        let to = partial.join(index.to_string());
        copy::out(item, &to).await?;
        if copy::differs(item, &to)? {
            let words = format!("something else writes to {} meanwhile", item.path.display());
            return Err(io::Error::other(words));
        }
        extent.add(&to)?;
    }
    rustix::fs::syncfs(File::open(partial)?)?;
    let Take { handle, address, image, image_id, items } = take;
    let manifest = Manifest {
        label: handle.label.clone(),
        address: address.clone(),
        image: image.clone(),
        image_id: image_id.clone(),
        taken_us: clock::now_us(),
        items: items.clone(),
        files: extent.files,
        bytes: extent.bytes,
        is_kept: false,
        return_trip: None,
        set_aside: Vec::new(),
    };
    write(partial, &manifest)
}

/// Nothing goes back to it by itself any more. The oldest beyond those that are kept go.
fn keep(copy: Snapshot) -> io::Result<()> {
    let Snapshot { directory, manifest } = copy;
    write(&directory, &Manifest { is_kept: true, ..manifest })?;
    let all = look::on(parent(&directory)?);
    let kept: Vec<_> = all.iter().filter(|snapshot| !snapshot.is_open() && !snapshot.is_restoring()).collect();
    let oldest_us = clock::now_us().saturating_sub(KEPT_US);
    for (newer, snapshot) in kept.iter().rev().enumerate().skip(1) {
        if newer >= KEPT_MAX || snapshot.manifest.taken_us < oldest_us {
            remove(&snapshot.directory)?;
        }
    }
    Ok(())
}

/// From its first moment on it is no copy any more.
fn remove(directory: &Path) -> io::Result<()> {
    let partial = partial(directory);
    fs::rename(directory, &partial)?;
    fs::remove_dir_all(partial)
}

fn partial(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL);
    directory.with_file_name(name)
}

fn is_partial(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(PARTIAL))
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))
}

/// None: there is no such copy.
fn manifest(directory: &Path) -> io::Result<Option<Manifest>> {
    match fs::read(directory.join(MANIFEST)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => Ok(Some(serde_json::from_slice(&text?)?)),
    }
}

/// Beside it, synced, renamed: there is never half a manifest.
fn write(directory: &Path, manifest: &Manifest) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(manifest)?;
    replace(&directory.join(MANIFEST), &text)
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync(parent(path)?)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
