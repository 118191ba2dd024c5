//! Files and directories: what lies at a path, and writing in a way that a power cut leaves the old or the new file,
//! never half of one. Never follows a symlink when it writes, never removes a directory that holds anything.
//!
//! These calls are short and block the thread; the runtime has nothing else to do meanwhile that could not wait.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "files are looked at and written here")]

pub mod context;
mod look;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::effect;
use crate::machine::data::aside::Aside;
use crate::machine::{Failure, FailureKind, data};
pub use look::{Marker, info, marked, names, texts};

/// Of parents that are created on the way: what lies below is the user's business alone.
const PARENT_MODE: u32 = 0o700;

/// One variant for each thing that fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {}", path.display())]
    Io {
        /// `write`, `create the directory`.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is a symlink to {}; it is not written through", path.display(), target.display())]
    Symlink { path: PathBuf, target: PathBuf },
    #[error("{} is {is}, not {wanted}", path.display())]
    Kind { path: PathBuf, is: &'static str, wanted: &'static str },
    #[error("{} is not a path that could be written: it has no {missing}", path.display())]
    Path { path: PathBuf, missing: &'static str },
}

impl Error {
    pub fn is_denied(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

fn io_error<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { what, path: path.to_owned(), source }
}

/// Makes one call. What is found done already (a directory that is there, a file that is gone) is done.
///
/// # Errors
/// The system refused, or something else lies at the path.
pub fn perform(effect: &effect::Files) -> Result<(), Error> {
    match effect {
        effect::Files::CreateDirectory { path, mode } => create_directory(path, *mode),
        effect::Files::RemoveEmptyDirectory { path } => match fs::remove_dir(path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(io_error("remove the directory", path)),
        },
        effect::Files::SetMode { path, mode } => {
            refuse_symlink(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).map_err(io_error("set the mode of", path))
        }
        effect::Files::Write { path, content, mode } => write(path, content.as_bytes(), *mode),
        effect::Files::Overwrite { path, content, mode } => overwrite(path, content.as_bytes(), *mode),
        effect::Files::Remove { path } => remove(path),
        effect::Files::RemoveTree { path } => remove_tree(path),
        effect::Files::SetAside { path } => aside(&Aside::Set(path.clone())),
        effect::Files::PutBack { path } => aside(&Aside::Back(path.clone())),
        effect::Files::KeepAside { path } => aside(&Aside::Keep(path.clone())),
    }
}

/// The standard library follows no link on the way down.
fn remove_tree(path: &Path) -> Result<(), Error> {
    refuse_symlink(path)?;
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error("remove", path)(source)),
        Ok(()) => sync_directory(parent_of(path)?),
    }
}

fn aside(what: &Aside) -> Result<(), Error> {
    data::aside::perform(what).map_err(io_error("set aside", what.path()))
}

/// `lstat` alone; the path's parents may be links, which is how home directories are often laid out.
fn refuse_symlink(path: &Path) -> Result<(), Error> {
    match fs::read_link(path) {
        Ok(target) => Err(Error::Symlink { path: path.to_owned(), target }),
        // Nothing is there, or it is no link.
        Err(_) => Ok(()),
    }
}

fn create_directory(path: &Path, mode: u32) -> Result<(), Error> {
    let failed = || io_error("create the directory", path);
    // A link to a directory is a legal place for data; the mode is that of what it leads to and stays.
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && path.is_dir() => return Ok(()),
        Ok(found) if !found.is_dir() => {
            return Err(Error::Kind { path: path.to_owned(), is: "a file or a dead link", wanted: "a directory" });
        }
        // What is right already may belong to another.
        Ok(found) if found.permissions().mode() & 0o7777 == mode => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = parent_of(path)?;
            fs::DirBuilder::new().recursive(true).mode(PARENT_MODE).create(parent).map_err(failed())?;
            match fs::DirBuilder::new().mode(mode & 0o700).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed()(error)),
                _ => sync_directory(parent)?,
            }
        }
        Err(error) => return Err(failed()(error)),
    }
    // The umask has taken its part of the mode; here it is set exactly.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed())
}

/// Writes beside the file, syncs, renames over it and syncs the directory: at no time is there half a file, and the old
/// one stays if anything fails. Parents are created.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let failed = || io_error("write", path);
    refuse_symlink(path)?;
    if path.is_dir() {
        return Err(Error::Kind { path: path.to_owned(), is: "a directory", wanted: "a file" });
    }
    let parent = parent_of(path)?;
    fs::DirBuilder::new().recursive(true).mode(PARENT_MODE).create(parent).map_err(failed())?;
    let name = path.file_name().ok_or(Error::Path { path: path.to_owned(), missing: "file name" })?;
    // Hidden and without a suffix that systemd knows, so that nobody takes a left one for a unit. The process id keeps
    // two runs apart; a file of a killed run with the same id is truncated.
    let temporary = parent.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = write_synced(&temporary, content, mode).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to tell; a left temporary file does no harm.
        drop(fs::remove_file(&temporary));
        return Err(failed()(error));
    }
    sync_directory(parent)
}

/// Into the file that is there. Where that fails, as on a full disk, the old bytes go back to where they were.
fn overwrite(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let failed = || io_error("write", path);
    refuse_symlink(path)?;
    if path.is_dir() {
        return Err(Error::Kind { path: path.to_owned(), is: "a directory", wanted: "a file" });
    }
    let old_mode = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return write(path, content, mode),
        found => found.map_err(failed())?.permissions().mode() & 0o7777,
    };
    let set_mode = |mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    // The new bytes may be private: never open to more than both the old and the new mode are, and to be written by the owner.
    let filled = set_mode(old_mode & mode | 0o600).and_then(|()| fill(path, content)).and_then(|()| set_mode(mode));
    filled.map_err(|error| {
        // The first error is the one to tell.
        drop(set_mode(old_mode));
        failed()(error)
    })
}

/// The old bytes go back where the new ones do not fit.
fn fill(path: &Path, content: &[u8]) -> io::Result<()> {
    let no_links = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(no_links).open(path)?;
    let mut before = Vec::new();
    file.read_to_end(&mut before)?;
    let mut put = |bytes: &[u8]| {
        file.rewind()?;
        file.write_all(bytes)?;
        file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        file.sync_all()
    };
    match put(content) {
        Ok(()) => Ok(()),
        Err(error) => {
            drop(put(&before));
            Err(error)
        }
    }
}

fn write_synced(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // Never opened wider than the owner: the content may be private before the mode is set.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode & 0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

fn remove(path: &Path) -> Result<(), Error> {
    refuse_symlink(path)?;
    match fs::remove_file(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error("remove", path)(source)),
        Ok(()) => sync_directory(parent_of(path)?),
    }
}

fn parent_of(path: &Path) -> Result<&Path, Error> {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .ok_or_else(|| Error::Path { path: path.to_owned(), missing: "parent directory" })
}

/// Makes entries that were made, renamed or removed in it outlast a power cut.
fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io_error("sync the directory", path))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Io { source, .. } => {
                let kind = match source.kind() {
                    io::ErrorKind::NotFound => FailureKind::NotFound,
                    io::ErrorKind::AlreadyExists => FailureKind::Conflict,
                    _ => FailureKind::Refused,
                };
                Failure::new(kind, format!("{error}: {}", words(source)))
            }
            Error::Symlink { .. } | Error::Kind { .. } | Error::Path { .. } => {
                Failure::new(FailureKind::Refused, error.to_string())
            }
        }
    }
}

/// `permission denied`, without the number that the standard library appends.
pub(in crate::machine) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
