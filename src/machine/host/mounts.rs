//! Does a running container still have on its mounts what lies at their sources? Where a directory was removed or moved under it, it
//! goes on with the old one, and nothing else of it tells.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::writable;
use crate::machine::layer::open::companions;
use crate::observed::data::LiveMount;
use crate::observed::query::Mounts;

/// Of the process `pid`: what it has at each target, whose sources on the host are given; and at what must survive, where that is other
/// than what lies there on the host, or it may not write to it.
pub fn live(pid: i32, sources: &BTreeMap<String, PathBuf>, wanted: &Mounts) -> BTreeMap<String, LiveMount> {
    let Ok(table) = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")) else { return BTreeMap::new() };
    let roots: BTreeMap<String, String> = table.lines().filter_map(entry).collect();
    let one = |(target, source): (&String, &PathBuf)| {
        let root = roots.get(target.trim_end_matches('/'))?;
        Some((target.clone(), judge(pid, target, source, root)))
    };
    let mut live: BTreeMap<String, LiveMount> = sources.iter().filter_map(one).collect();
    let other = |(path, target): (&String, &String)| {
        let is_judged = matches!(live.get(target), Some(LiveMount::Same));
        let below = path.strip_prefix(target.trim_end_matches('/')).filter(|_| is_judged)?;
        let source = sources.get(target)?;
        let below = below.trim_start_matches('/');
        let place = if below.is_empty() { source.clone() } else { source.join(below) };
        let not_writable = || {
            let obstacle = writable::obstacle(pid, &PathBuf::from(format!("/proc/{pid}/root{path}")));
            obstacle.filter(|_| !wanted.read_only.contains(target)).map(LiveMount::NotWritable)
        };
        Some((path.clone(), covered(pid, path, target, &place, &roots).or_else(not_writable)?))
    };
    let others: Vec<(String, LiveMount)> = wanted.contracts.iter().filter_map(other).collect();
    live.extend(others);
    live
}

/// None where it is the same, or may not be looked at. A program that writes safely puts another file in its place at any moment, so
/// two looks have to agree.
fn covered(pid: i32, path: &str, target: &str, place: &Path, roots: &BTreeMap<String, String>) -> Option<LiveMount> {
    let inside = PathBuf::from(format!("/proc/{pid}/root{path}"));
    let differ = || match (identity(&inside), identity(place)) {
        (Ok(inside), Ok(now)) => inside != now,
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error.kind() == std::io::ErrorKind::NotFound,
        (Err(_), Err(_)) => false,
    };
    if !differ() || !differ() {
        return None;
    }
    let is_over = |point: &&String| Path::new(path).starts_with(point.as_str());
    let by = roots.keys().filter(is_over).max_by_key(|point| point.len())?;
    Some(match by == target.trim_end_matches('/') {
        true => LiveMount::Replaced { lies_at: roots[by].clone() },
        false => LiveMount::Covered { by: by.clone() },
    })
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Mount point and what of its file system lies there (proc_pid_mountinfo(5)); the last one over a point covers the others.
fn entry(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ').skip(3);
    let root = unescaped(words.next()?);
    Some((unescaped(words.next()?), root))
}

/// Spaces and the like are written as octal there.
fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

fn judge(pid: i32, target: &str, source: &Path, root: &str) -> LiveMount {
    let inside = PathBuf::from(format!("/proc/{pid}/root{target}"));
    // A single file is made anew by every program that writes safely; one that must survive is looked at by itself.
    if std::fs::metadata(&inside).is_ok_and(|found| !found.is_dir()) {
        return LiveMount::Same;
    }
    if let Some(was) = root.strip_suffix("//deleted") {
        return LiveMount::Deleted { was: was.to_owned(), held: held(pid, target) };
    }
    match (identity(&inside), identity(source)) {
        (Ok(inside), Ok(now)) if inside == now => LiveMount::Same,
        (Ok(_), Ok(_)) => LiveMount::Replaced { lies_at: root.to_owned() },
        (Ok(_), Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            LiveMount::Replaced { lies_at: root.to_owned() }
        }
        (Err(error), _) | (_, Err(error)) => LiveMount::Unknown(error.to_string()),
    }
}

/// Files below the target that one of its processes still holds open although they are gone, by descriptor.
fn held(pid: i32, target: &str) -> BTreeMap<String, PathBuf> {
    companions(pid).into_iter().flat_map(|pid| held_by(pid, target)).collect()
}

fn held_by(pid: i32, target: &str) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeMap::new() };
    let held = entries.flatten().filter_map(|entry| {
        let link = std::fs::read_link(entry.path()).ok()?;
        let file = link.to_str()?.strip_suffix(" (deleted)")?;
        let below = file.strip_prefix(target.trim_end_matches('/'))?;
        below.starts_with('/').then(|| (file.to_owned(), entry.path()))
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use super::entry;

    #[test]
    fn an_entry_is_its_mount_point_and_what_lies_there() {
        let line = "36 35 98:0 /home/u/my\\040data//deleted /app/data rw,noatime master:1 - ext4 /dev/root rw";
        assert_eq!(entry(line), Some(("/app/data".to_owned(), "/home/u/my data//deleted".to_owned())));
    }
}
