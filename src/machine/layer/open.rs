//! Files that the processes of a container hold open, as `/proc` shows them (proc_pid_fd(5), proc_pid_fdinfo(5)). A file belongs to the
//! container's own layer where it was opened on the mount that is its root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::open_below;

/// A file that is held open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) descriptor: PathBuf,
    pub(super) is_deleted: bool,
}

/// Of all processes in the namespace of `pid`: what they hold open for writing outside of every mount, by its path.
pub(super) fn for_writing(pid: i32) -> BTreeMap<String, Held> {
    let mut found = BTreeMap::new();
    for pid in companions(pid) {
        let Some(root) = root_mount(pid) else { continue };
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for entry in entries.flatten() {
            let descriptor = entry.path();
            let Some(link) = fs::read_link(&descriptor).ok().and_then(|link| link.into_os_string().into_string().ok())
            else {
                continue;
            };
            let name = entry.file_name();
            let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", name.to_string_lossy())).unwrap_or_default();
            if link.starts_with('/') && is_written_on(&info, &root) {
                let (path, is_deleted) = match link.strip_suffix(" (deleted)") {
                    Some(path) => (path.to_owned(), true),
                    None => (link, false),
                };
                found.insert(path, Held { descriptor, is_deleted });
            }
        }
    }
    found
}

/// As the container sees it; what has no name any more, by its descriptor.
pub(super) fn reach(pid: i32, path: &str, held: &BTreeMap<String, Held>) -> io::Result<File> {
    if let Some(held) = held.get(path).filter(|held| held.is_deleted) {
        return File::open(&held.descriptor);
    }
    let root = File::open(format!("/proc/{pid}/root"))?;
    open_below(&root, path)
}

/// Whoever is in the same process namespace.
pub(in crate::machine) fn companions(pid: i32) -> Vec<i32> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(pid) else { return Vec::new() };
    // Who shares the host's is told apart by nothing: then the first process alone counts.
    if namespace(1).as_ref() == Some(&own) || fs::read_link("/proc/self/ns/pid").ok().as_ref() == Some(&own) {
        return vec![pid];
    }
    let Ok(entries) = fs::read_dir("/proc") else { return vec![pid] };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect()
}

/// The id of the mount at `/`.
fn root_mount(pid: i32) -> Option<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let at_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    Some(table.lines().rfind(at_root)?.split(' ').next()?.to_owned())
}

fn is_written_on(info: &str, mount: &str) -> bool {
    let value = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    // The access mode is the last two bits (open(2)): 1 is to write, 2 to read and write.
    let writes =
        value("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok()).is_some_and(|flags| flags & 3 != 0);
    writes && value("mnt_id:") == Some(mount)
}

#[cfg(test)]
mod tests {
    use super::is_written_on;

    #[test]
    fn what_is_held_open_for_reading_or_on_a_mount_is_not_written_in_the_layer() {
        let info = |flags: &str, mount: &str| format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t{mount}\nino:\t5\n");
        assert!(is_written_on(&info("0100002", "42"), "42"));
        assert!(is_written_on(&info("0102001", "42"), "42"));
        assert!(!is_written_on(&info("0100000", "42"), "42"), "read only");
        assert!(!is_written_on(&info("0100002", "43"), "42"), "another mount");
    }
}
