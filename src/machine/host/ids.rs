//! Users and groups as the user namespace of this user's containers has them: this user is 0 there, and the ranges of /etc/subuid and
//! /etc/subgid follow from 1 (podman-run(1), `--userns`).

use std::fs;

use super::facts::user_name;

/// What somebody has there who has no number in it (proc_sys_kernel(5), overflowuid).
const NOBODY: u32 = 65_534;

/// As [`in_namespace`] says of a file's owner and group.
pub fn of_file(uid: u32, gid: u32) -> (u32, u32) {
    if is_inside() {
        return (uid, gid);
    }
    let (own_uid, own_gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let name = || user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), own_uid).unwrap_or_default();
    let id = |id: u32, own: u32, file: &str| match id == own {
        true => 0,
        false => in_namespace(id, &fs::read_to_string(file).unwrap_or_default(), &name(), own_uid),
    };
    (id(uid, own_uid, "/etc/subuid"), id(gid, own_gid, "/etc/subgid"))
}

/// Whoever is inside sees a map of something else than everything.
fn is_inside() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2).is_some_and(|count| count != "4294967295")
}

/// Several ranges of one user follow each other, in the order of the file.
fn in_namespace(id: u32, ranges: &str, user: &str, uid: u32) -> u32 {
    let uid = uid.to_string();
    let mut first = 1;
    for line in ranges.lines() {
        let mut words = line.trim().split(':');
        let (Some(owner), Some(start), Some(count)) = (words.next(), words.next(), words.next()) else { continue };
        let (Ok(start), Ok(count)) = (start.parse::<u32>(), count.parse::<u32>()) else { continue };
        if owner != user && owner != uid {
            continue;
        }
        if let Some(offset) = id.checked_sub(start).filter(|offset| *offset < count) {
            return first + offset;
        }
        first += count;
    }
    NOBODY
}

#[cfg(test)]
mod tests {
    use super::in_namespace;

    #[test]
    fn ranges_follow_each_other_after_the_user() {
        let ranges = "other:1:5\nstack:100000:10\n1000:300000:5\nbroken\n";
        let of = |id| in_namespace(id, ranges, "stack", 1000);
        assert_eq!([100_000, 100_009, 300_000, 300_004, 300_005, 7].map(of), [1, 10, 11, 15, 65_534, 65_534]);
    }
}
