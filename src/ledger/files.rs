//! The ledger's own files: private, and written so that a power cut leaves the old or the new one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::LedgerError;

/// Creates it and its missing parents; one that is open to others is closed to them, for the key lies in it.
pub(super) fn private_directory(path: &Path) -> Result<(), LedgerError> {
    let failed = |error| LedgerError::File(path.to_owned(), error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    if fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)
}

/// Makes an empty private file where there is none: SQLite would take the umask's mode, and gives it to its sidecars.
pub(super) fn make_private(path: &Path) -> Result<(), LedgerError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(LedgerError::File(path.to_owned(), error)),
    }
}

/// To a temporary name, synced, renamed, and the directory synced.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), LedgerError> {
    let failed = |error| LedgerError::File(path.to_owned(), error);
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    write().map_err(failed)
}

/// Out of the way, with SQLite's sidecars where it is a database: a `-wal` left behind would be taken for the new one's.
/// Nothing is deleted.
pub(super) fn set_aside(path: &Path, now_us: i64) -> Result<(), LedgerError> {
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(path, suffix);
        let to = with_suffix(path, &format!(".broken-{now_us}{suffix}"));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(LedgerError::File(from, error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
