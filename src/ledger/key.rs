//! The key that secrets are hashed with. Made once: two runs that start at the same time end with the same one.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::LedgerError;
use crate::attributes::Secrets;

const BYTES: usize = 32;

pub(super) fn load(path: &Path) -> Result<Secrets, LedgerError> {
    if let Some(secrets) = read(path)? {
        return Ok(secrets);
    }
    make(path).map_err(|error| LedgerError::File(path.to_owned(), error))?;
    load(path)
}

/// None where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Secrets>, LedgerError> {
    match fs::read(path) {
        Ok(bytes) => {
            let key: [u8; BYTES] = bytes.try_into().map_err(|_| LedgerError::Key(path.to_owned()))?;
            Ok(Some(Secrets::new(key)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LedgerError::File(path.to_owned(), error)),
    }
}

pub(super) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// A link fails where the name is taken, so whoever comes second uses the first one's.
fn make(path: &Path) -> std::io::Result<()> {
    // A name of its own, never opened twice: two writers of one file would change a key that is linked already. Process
    // ids do not do, since containers that share a home have the same ones.
    let temporary = path.with_extension(format!("new-{:016x}", u64::from_ne_bytes(random()?)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&random::<BYTES>()?)?;
    file.sync_all()?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all()),
    }
}
