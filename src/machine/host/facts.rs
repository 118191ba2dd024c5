//! The user and the machine, as far as rootless containers under a user manager rest on them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::storage::storage;
use crate::observed::{Host, NewuidMap};

/// `unit_path` is the PATH that units run with, in which podman looks for `newuidmap`.
pub fn facts(uid: u32, unit_path: &[PathBuf]) -> Host {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let user = user_name(&read("/etc/passwd"), uid).unwrap_or_else(|| uid.to_string());
    Host {
        systemd_runs: systemd_runs(),
        linger: Path::new("/var/lib/systemd/linger").join(&user).exists(),
        newuidmap: newuidmap(unit_path),
        subuid_count: subuid_count(&read("/etc/subuid"), &user, uid),
        storage: home(&read("/etc/passwd"), uid).map(|home| storage(&home)).unwrap_or_default(),
        user,
        uid,
    }
}

/// Is systemd PID 1? (sd_booted(3))
pub fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

pub(super) fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        (columns.nth(1)? == uid).then(|| name.to_owned())
    })
}

fn home(passwd: &str, uid: u32) -> Option<PathBuf> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let columns: Vec<&str> = line.split(':').collect();
        (*columns.get(2)? == uid).then(|| columns.get(5).map(PathBuf::from)).flatten()
    })
}

/// Of all ranges; subuid(5) allows several lines, by name or by number.
pub(super) fn subuid_count(subuid: &str, user: &str, uid: u32) -> Option<u64> {
    let uid = uid.to_string();
    let counts = subuid.lines().filter_map(|line| {
        let (owner, range) = line.split_once(':')?;
        let (_, count) = range.split_once(':')?;
        (owner == user || owner == uid).then(|| count.trim().parse::<u64>().ok())?
    });
    counts.fold(None, |sum, count| Some(sum.unwrap_or(0) + count))
}

/// The first on the path that can be executed, as the shell and podman find it.
pub(super) fn newuidmap(unit_path: &[PathBuf]) -> NewuidMap {
    for directory in unit_path {
        let path = directory.join("newuidmap");
        let Ok(found) = fs::metadata(&path) else { continue };
        if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
            continue;
        }
        let setuid_root = found.permissions().mode() & 0o4000 != 0 && found.uid() == 0;
        return match setuid_root || has_capabilities(&path) {
            true => NewuidMap::Usable(path),
            false => NewuidMap::Powerless(path),
        };
    }
    NewuidMap::Missing
}

/// Fedora and others give it `cap_setuid` instead of the setuid bit (capabilities(7), `security.capability`).
fn has_capabilities(path: &Path) -> bool {
    let mut none: [u8; 0] = [];
    rustix::fs::getxattr(path, "security.capability", &mut none).is_ok_and(|length| length > 0)
}
