//! How much lies below a directory: counted, not read.

#![expect(clippy::disallowed_methods, reason = "directories are counted here")]

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::observed::data::Extent;

/// For all of them: beyond it, that there is something is told, and not how much.
const PATIENCE: Duration = Duration::from_secs(3);

/// What could not be counted to its end is told as not whole.
pub fn extents(paths: impl Iterator<Item = PathBuf>) -> impl Iterator<Item = (PathBuf, Extent)> {
    let until = Instant::now() + PATIENCE;
    paths.map(move |path| {
        let extent = of(&path, until);
        (path, extent)
    })
}

fn of(path: &Path, until: Instant) -> Extent {
    let mut extent = Extent { is_whole: true, ..Extent::default() };
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return extent,
        Err(_) => return Extent::default(),
        Ok(found) => extent.identity = Some((found.dev(), found.ino())),
    }
    if below(path, until, &mut extent).is_err() {
        extent.is_whole = false;
    }
    extent
}

fn below(directory: &Path, until: Instant, extent: &mut Extent) -> io::Result<()> {
    if fs::metadata(directory)?.is_file() {
        (extent.files, extent.bytes) = (1, fs::metadata(directory)?.len());
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if Instant::now() > until {
            return Err(ErrorKind::TimedOut.into());
        }
        if found.is_dir() {
            below(&entry.path(), until, extent)?;
        } else {
            extent.files += 1;
            extent.bytes += found.len();
        }
    }
    Ok(())
}
