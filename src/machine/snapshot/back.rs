//! The way back. Copies are made ready beside the data, on its file system; then the data gives way, by renames, and is kept; then
//! the copies take its place, by renames. Directories that are mounted stay the same ones.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, StatxAttributes, StatxFlags, flock, statx};

use super::copy::REPLACED;
use super::{clock, copy, parent, replace, sync, write};
use crate::machine::data::aside::{SET, with_ending};
use crate::observed::data::Engine;
use crate::observed::snapshot::{HOLD, Item, Manifest, Place, ReturnTrip, Snapshot};
use crate::time;

/// What the file says that keeps the unit from starting.
const HELD: &[u8] = b"stackctl brings data back; the next `stackctl apply` ends it\n";
/// What is ready to take its place.
const STAGED: &str = "next";

/// `is_held`: it stays on its way for as long as nobody restores it once more, and nothing starts on it.
pub(super) async fn restore(copy: Snapshot, is_held: bool) -> io::Result<()> {
    let Snapshot { directory, mut manifest } = copy;
    let directory = directory.as_path();
    let hold = parent(directory)?.join(HOLD);
    let mut staged = None;
    if manifest.return_trip.is_none() {
        let mut changed = Vec::new();
        for (index, item) in manifest.items.iter().enumerate() {
            if copy::differs(item, &directory.join(index.to_string()))? {
                changed.push((index, item.clone()));
            }
        }
        if changed.is_empty() && !is_held {
            return Ok(());
        }
        staged = Some(stage(directory, &changed).await?);
        // Who is not waited for any more ends here; from here on it goes on to its end.
        tokio::task::yield_now().await;
    }
    let _alone = alone(parent(directory)?)?;
    if super::manifest(directory)?.as_ref() != Some(&manifest) {
        unstage(staged.as_deref().unwrap_or_default());
        return Err(io::Error::other(
            "a run before this one brought it back at the same time; `stackctl apply` goes on from there",
        ));
    }
    if let Some(places) = staged {
        manifest.return_trip = Some(ReturnTrip { places, is_clear: false });
        write(directory, &manifest)?;
    }
    let Some(trip) = manifest.return_trip.clone() else { return Ok(()) };
    if !trip.is_clear {
        // The manifest before it, and after it at the end: without a trip that it tells of, nobody would take it away.
        replace(&hold, HELD)?;
        for place in &trip.places {
            clear(item_of(&manifest, place)?, place)?;
        }
        manifest.return_trip = Some(ReturnTrip { is_clear: true, ..trip.clone() });
        write(directory, &manifest)?;
    }
    for place in &trip.places {
        take_place(item_of(&manifest, place)?, place, directory)?;
    }
    if is_held {
        return replace(&hold, HELD);
    }
    let mut set_aside: Vec<PathBuf> = trip.places.into_iter().map(|place| place.aside).collect();
    set_aside.retain(|aside| aside.exists());
    manifest.set_aside.extend(set_aside);
    fs::remove_file(&hold).or_else(|error| if hold.exists() { Err(error) } else { Ok(()) })?;
    sync(parent(&hold)?)?;
    write(directory, &Manifest { return_trip: None, ..manifest })
}

/// A manifest is a file that anybody may have edited.
fn item_of<'m>(manifest: &'m Manifest, place: &Place) -> io::Result<&'m Item> {
    let unknown = || io::Error::other(format!("its manifest tells of no item {}", place.index));
    manifest.items.get(place.index).ok_or_else(unknown)
}

/// While data is moved by renames, nobody else moves it and nobody looks: a child outlives a killed stackctl by a moment. The kernel's
/// lock ends with the process.
fn alone(shelf: &Path) -> io::Result<File> {
    let file = File::open(shelf)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn unstage(places: &[Place]) {
    for place in places {
        drop(fs::remove_dir_all(&place.staged));
        drop(fs::remove_dir(&place.aside));
        drop(place.aside.parent().map(fs::remove_dir));
    }
}

/// Everything that takes room is written before anything is moved: what is left of it on a full disk goes.
async fn stage(directory: &Path, changed: &[(usize, Item)]) -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    for (index, item) in changed {
        places.push(place(*index, item)?);
        let place = &places[places.len() - 1];
        let from = directory.join(index.to_string());
        let copied = match copy::there(&from)? {
            Some(_) => {
                copy::all(
                    copy::parts(&Item { path: from, engine: Engine::Dir })?.into_values().collect(),
                    &place.staged,
                )
                .await
            }
            None => Ok(()),
        };
        let on_disk = copied.and_then(|()| Ok(rustix::fs::syncfs(File::open(&place.staged)?)?));
        if let Err(error) = on_disk {
            unstage(&places);
            return Err(error);
        }
    }
    Ok(places)
}

fn place(index: usize, item: &Item) -> io::Result<Place> {
    let stamp = time::rfc3339(clock::now_us()).replace([':', '-'], "");
    let mut error = io::Error::other("there is no place beside it");
    for shelf in shelves(item)? {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&shelf);
        if let Err(refused) = made {
            error = refused;
            continue;
        }
        tidy(&shelf)?;
        let mut name = stamp.clone();
        for count in 2.. {
            let aside = shelf.join(&name);
            match DirBuilder::new().mode(0o700).create(&aside) {
                Err(refused) if refused.kind() == io::ErrorKind::AlreadyExists => name = format!("{stamp}-{count}"),
                made => {
                    made?;
                    let staged = shelf.join(format!("{name}.{STAGED}"));
                    DirBuilder::new().mode(0o700).create(&staged)?;
                    return Ok(Place { index, staged, aside });
                }
            }
        }
    }
    Err(error)
}

/// Of a run that was killed before anything was moved: what it had made ready, and empty directories.
fn tidy(shelf: &Path) -> io::Result<()> {
    for left in fs::read_dir(shelf)? {
        let path = left?.path();
        match path.extension().is_some_and(|ending| ending == STAGED) {
            true => fs::remove_dir_all(path)?,
            false => drop(fs::remove_dir(path)),
        }
    }
    Ok(())
}

/// Where what gives way can be renamed to: beside it, or in it where it is the root of a mount or its parent is another's.
fn shelves(item: &Item) -> io::Result<Vec<PathBuf>> {
    let beside = with_ending(&item.path, REPLACED);
    let inside = item.path.join(REPLACED);
    Ok(match item.engine {
        engine if engine.is_directory() && is_mount_root(&item.path)? => vec![inside],
        Engine::Dir | Engine::Postgres | Engine::Qdrant => vec![beside, inside],
        Engine::Sqlite | Engine::Text => vec![beside],
    })
}

fn is_mount_root(path: &Path) -> io::Result<bool> {
    if copy::there(path)?.is_none() {
        return Ok(false);
    }
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)?;
    let is_told = found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
    let other = fs::metadata(parent(path)?)?.dev() != fs::metadata(path)?.dev();
    Ok(other || (is_told && found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)))
}

/// What belongs to a database goes before it, so that it never lies with the log of another.
fn clear(item: &Item, place: &Place) -> io::Result<()> {
    let leaving: Vec<PathBuf> = match item.engine {
        Engine::Dir | Engine::Postgres | Engine::Qdrant => copy::parts(item)?.into_values().collect(),
        Engine::Sqlite | Engine::Text => SET.map(|ending| with_ending(&item.path, ending)).into(),
    };
    for path in leaving {
        if copy::there(&path)?.is_some() {
            fs::rename(&path, place.aside.join(path.file_name().unwrap_or_default()))?;
        }
    }
    sync(&place.aside)?;
    let home = if item.engine.is_directory() { item.path.as_path() } else { parent(&item.path)? };
    if copy::there(home)?.is_some() { sync(home) } else { Ok(()) }
}

/// In the order of their names: a database before its log. What is in its place already is not staged any more.
fn take_place(item: &Item, place: &Place, directory: &Path) -> io::Result<()> {
    if copy::there(&place.staged)?.is_none() {
        return Ok(());
    }
    let from = directory.join(place.index.to_string());
    let home = if item.engine.is_directory() { item.path.as_path() } else { parent(&item.path)? };
    if copy::there(home)?.is_none() && copy::there(&from)?.is_some() {
        DirBuilder::new().recursive(true).mode(0o700).create(home)?;
    }
    let staged = Item { path: place.staged.clone(), engine: Engine::Dir };
    for (name, path) in copy::parts(&staged)? {
        fs::rename(path, home.join(name))?;
    }
    if item.engine.is_directory() && copy::there(&from)?.is_some() {
        copy::like(&from, home)?;
    }
    sync(home)?;
    fs::remove_dir(&place.staged)?;
    // Nothing had to give way.
    drop(fs::remove_dir(&place.aside));
    sync(parent(&place.staged)?)
}
