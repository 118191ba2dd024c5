//! Who has a file open to write to it: the descriptors of all processes that this user may look into.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::observed::data::Writer;

/// By the path that was asked for. Of processes of other users nothing is known.
pub fn writers(paths: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Vec<Writer>> {
    let identity = |path: &PathBuf| fs::metadata(path).ok().map(|found| ((found.dev(), found.ino()), path.clone()));
    let wanted: BTreeMap<(u64, u64), PathBuf> = paths.iter().filter_map(identity).collect();
    let mut found: BTreeMap<PathBuf, Vec<Writer>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return found };
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        for path in open_to_write(pid, &wanted) {
            found.entry(path.clone()).or_default().push(writer(pid));
        }
    }
    found
}

fn open_to_write(pid: i32, wanted: &BTreeMap<(u64, u64), PathBuf>) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let of_it = entries.flatten().filter_map(|entry| {
        let found = fs::metadata(entry.path()).ok()?;
        let path = wanted.get(&(found.dev(), found.ino()))?;
        let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy())).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
        // The access mode is the last two bits (open(2)).
        (u32::from_str_radix(flags, 8).ok()? & 3 != 0).then(|| path.clone())
    });
    of_it.collect()
}

fn writer(pid: i32) -> Writer {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default().trim().to_owned();
    Writer { pid, command: read("comm"), cgroup: read("cgroup") }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "the test is the writer")]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File, OpenOptions};

    use super::writers;

    #[test]
    fn who_reads_is_no_writer_and_who_writes_is_told_by_his_pid() {
        let path = std::env::temp_dir().join(format!("stackctl-writers-{}", std::process::id()));
        fs::write(&path, "x").expect("a file");
        let asked = BTreeSet::from([path.clone()]);
        let reading = File::open(&path).expect("it is read");
        assert!(writers(&asked).is_empty());
        let writing = OpenOptions::new().append(true).open(&path).expect("it is written");
        let found = writers(&asked);
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(found[&path].iter().map(|writer| writer.pid).collect::<Vec<_>>(), [own]);
        drop((reading, writing));
        fs::remove_file(path).expect("cleaned up");
    }
}
