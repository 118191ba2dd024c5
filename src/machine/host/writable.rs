//! May a running container write to what it is to keep? Told by numbers, as the kernel would: who its first process is, and whose the
//! file is. Nothing is tried.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::getxattr;

use super::ids;

/// CAP_DAC_OVERRIDE (linux/capability.h): whoever has it is asked for no mode, of files whose owner has a number in its namespace.
const DAC_OVERRIDE: u64 = 1 << 1;

/// Of a process, as `/proc/PID/status` has it from here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Who {
    uid: u32,
    gids: Vec<u32>,
    overrides: bool,
}

/// What keeps the process `pid` from writing to `inside` (below its root), in words; None where nothing does, or it cannot be told: in a
/// directory that is closed to this user, for one.
pub(super) fn obstacle(pid: i32, inside: &Path) -> Option<String> {
    let who = who(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
    let found = std::fs::metadata(inside).ok();
    // A database is written by way of files beside it; what is not there yet is made there.
    let directory = if found.as_ref().is_some_and(Metadata::is_dir) { None } else { inside.parent() };
    let directory = directory.and_then(|directory| Some((directory, std::fs::metadata(directory).ok()?)));
    let all = found.map(|found| (inside, found)).into_iter().chain(directory);
    all.filter(|(path, found)| !may_write(&who, found) && !has_list(path))
        .map(|(path, found)| told(&who, path, &found))
        .next()
}

fn who(status: &str) -> Option<Who> {
    let words = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    let effective = |key: &str| words(key)?.get(1)?.parse().ok();
    let mut gids: Vec<u32> = words("Groups")?.iter().filter_map(|gid| gid.parse().ok()).collect();
    gids.push(effective("Gid")?);
    let capabilities = u64::from_str_radix(words("CapEff")?.first()?, 16).ok()?;
    Some(Who { uid: effective("Uid")?, gids, overrides: capabilities & DAC_OVERRIDE != 0 })
}

fn may_write(who: &Who, found: &Metadata) -> bool {
    let bit = match found {
        _ if who.overrides => return true,
        found if found.uid() == who.uid => 0o200,
        found if who.gids.contains(&found.gid()) => 0o020,
        _ => 0o002,
    };
    found.mode() & bit != 0
}

/// An access list may let in whom the mode does not.
fn has_list(path: &Path) -> bool {
    getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]).is_ok_and(|length| length > 0)
}

fn told(who: &Who, path: &Path, found: &Metadata) -> String {
    let (uid, _) = ids::of_file(who.uid, found.gid());
    let (owner, group) = ids::of_file(found.uid(), found.gid());
    let what = if found.is_dir() { "the directory" } else { "the file" };
    let name = path.file_name().map(|name| format!(" `{}`", name.to_string_lossy())).unwrap_or_default();
    format!(
        "its program runs as {uid}, and {what}{name} belongs to {owner}:{group} with the mode {:04o}",
        found.mode() & 0o7777
    )
}

#[cfg(test)]
mod tests {
    use super::{Who, who};

    #[test]
    fn it_is_the_effective_ones_that_count() {
        let status =
            "Name:\tx\nUid:\t1000\t100998\t0\t0\nGid:\t0\t100998\t0\t0\nGroups:\t5 7 \nCapEff:\t0000000000000002\n";
        let wanted = Who { uid: 100_998, gids: vec![5, 7, 100_998], overrides: true };
        assert_eq!(who(status), Some(wanted));
        assert_eq!(who("Uid:\t1\n"), None);
    }
}
