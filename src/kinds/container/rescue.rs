//! What is copied out of containers, and how each file is reached: what would go with them, and what a mount still has whose source
//! went from under it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::layer::{self, is_data, is_kept};
use super::{Container, MountSource};
use crate::address::Address;
use crate::desired::Resource;
use crate::effect::podman::{CopyOut, CopySource, Via};
use crate::kinds::labels;
use crate::observed::copied::CopiedFile;
use crate::observed::data::LiveMount;
use crate::observed::layer::Layer;
use crate::observed::{self, Observed, Seen};

/// Of every container of this address, these paths, or everything that would be missed. One directory each.
pub fn copy_outs(
    address: &Address,
    stack: &str,
    paths: &BTreeSet<String>,
    observed: &Observed,
    to: &Path,
) -> Vec<CopyOut> {
    let is_its = |found: &&observed::Container| {
        labels::belongs_to(&found.labels, stack) && labels::address(&found.labels).as_ref() == Some(address)
    };
    let all = observed.containers.values().filter(is_its).map(|found| copy_out(found, paths, observed));
    let mut all: Vec<CopyOut> = all.filter(|copy| !copy.sources.is_empty()).collect();
    let is_alone = all.len() == 1;
    for copy in &mut all {
        copy.to = if is_alone { to.to_owned() } else { to.join(&copy.container) };
    }
    all
}

fn copy_out(found: &observed::Container, paths: &BTreeSet<String>, observed: &Observed) -> CopyOut {
    let layer = observed.layers.get(&found.name).and_then(Seen::present);
    let mounts = observed.mounts.get(&found.name);
    let sources = if paths.is_empty() {
        let of_mounts = mounts.into_iter().flatten().flat_map(|(target, live)| of_mount(target, live, found.pid));
        of_layer(layer).into_iter().chain(of_mounts).collect()
    } else {
        paths.iter().map(|path| CopySource { path: path.clone(), via: way(path, layer, mounts, found.pid) }).collect()
    };
    let (uids, gids) = (ranges(found, "UidMap"), ranges(found, "GidMap"));
    let pid = Some(found.pid).filter(|pid| found.is_running() && *pid > 0);
    CopyOut { container: found.name.clone(), id: found.id.clone(), pid, sources, to: PathBuf::new(), uids, gids }
}

/// A database goes with what belongs to it: without its log it is an older one.
fn of_layer(layer: Option<&Layer>) -> Vec<CopySource> {
    let Some(layer) = layer else { return Vec::new() };
    let mut paths = BTreeSet::new();
    for (path, written) in &layer.files {
        if is_data(written) || is_kept(path, written) {
            paths.insert(path.clone());
            let beside = ["-wal", "-journal"].map(|ending| format!("{path}{ending}"));
            paths.extend(beside.into_iter().filter(|path| layer.files.contains_key(path)));
        }
    }
    paths.into_iter().map(|path| CopySource { via: way(&path, Some(layer), None, 0), path }).collect()
}

fn of_mount(target: &str, live: &LiveMount, pid: i32) -> Vec<CopySource> {
    match live {
        LiveMount::Same | LiveMount::NotWritable(_) | LiveMount::Unknown(_) => Vec::new(),
        LiveMount::Replaced { lies_at: _ } | LiveMount::Covered { by: _ } => {
            vec![CopySource { path: target.to_owned(), via: Via::Root { pid } }]
        }
        LiveMount::Deleted { was: _, held } => held
            .iter()
            .map(|(path, descriptor)| CopySource { path: path.clone(), via: Via::Descriptor(descriptor.clone()) })
            .collect(),
    }
}

fn way(path: &str, layer: Option<&Layer>, mounts: Option<&BTreeMap<String, LiveMount>>, pid: i32) -> Via {
    let held = layer.and_then(|layer| layer.files.get(path)?.held_at.clone());
    if let Some(descriptor) = held {
        return Via::Descriptor(descriptor);
    }
    let below = |target: &str| path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let over = mounts.into_iter().flatten().filter(|(target, _)| below(target)).max_by_key(|(target, _)| target.len());
    match over.map(|(_, live)| live) {
        Some(LiveMount::Deleted { was: _, held }) => {
            held.get(path).map_or(Via::Root { pid }, |descriptor| Via::Descriptor(descriptor.clone()))
        }
        Some(LiveMount::Replaced { lies_at: _ } | LiveMount::Covered { by: _ }) => Via::Root { pid },
        Some(LiveMount::Same | LiveMount::NotWritable(_) | LiveMount::Unknown(_)) | None => Via::Archive,
    }
}

/// `0:1:1000` of podman's inspect: from, to, how many.
fn ranges(found: &observed::Container, which: &str) -> Vec<(u32, u32, u32)> {
    let listed = found.inspect.as_ref().map(|inspect| &inspect["HostConfig"]["IDMappings"][which]);
    let listed = listed.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let one = |text: &str| {
        let mut numbers = text.split(':').map(|number| number.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    };
    listed.filter_map(one).collect()
}

/// What the ledger keeps of copies, so that they count as copies of exactly these files.
pub fn remembered(copy: &CopyOut, files: &[CopiedFile]) -> BTreeMap<String, layer::RescuedFile> {
    let whole = files.iter().filter(|file| !file.changed);
    let one = |file: &CopiedFile| {
        let to = copy.to.join(file.path.trim_start_matches('/')).display().to_string();
        (file.path.clone(), layer::RescuedFile { container: copy.id.clone(), stamp: file.stamp.clone(), to })
    };
    whole.map(one).collect()
}

/// Entries of `volumes:` over the directories of these files: beside what is mounted already.
pub fn volumes(resource: Option<&dyn Resource>, files: &[CopiedFile], home: &Path) -> Vec<String> {
    let container = resource.and_then(|resource| (resource as &dyn Any).downcast_ref::<Arc<Container>>());
    let mounts = || container.into_iter().flat_map(|container| &container.mounts);
    let beside = mounts().find_map(|(_, mount)| match &mount.source {
        MountSource::Bind(path) => path.parent().map(Path::to_owned),
        MountSource::Volume { .. } | MountSource::Tmpfs { .. } | MountSource::Image { .. } => None,
    });
    let beside = match beside.as_deref().map(|beside| (beside, beside.strip_prefix(home))) {
        Some((_, Ok(below))) if below.as_os_str().is_empty() => "~".to_owned(),
        Some((_, Ok(below))) => format!("~/{}", below.display()),
        Some((beside, Err(_))) => beside.display().to_string(),
        None => ".".to_owned(),
    };
    let is_mounted = |directory: &&str| {
        mounts().any(|(target, _)| {
            directory.strip_prefix(target.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let directories: BTreeSet<&str> = files.iter().map(|file| layer::parent(&file.path)).collect();
    let top = |directory: &&&str| {
        !directories.iter().any(|above| above != *directory && directory.starts_with(&format!("{above}/")))
    };
    let kept = directories.iter().filter(top).filter(|directory| **directory != "/" && !is_mounted(directory));
    kept.map(|directory| {
        let name = directory.rsplit('/').next().unwrap_or_default();
        format!("{beside}/{name}:{directory}")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Via, of_layer, way};
    use crate::observed::data::LiveMount;
    use crate::observed::layer::{Layer, Written};

    #[test]
    fn a_database_is_copied_with_its_log_and_its_journal() {
        let database = Written { size: 1, database: Some("SQLite database".to_owned()), ..Written::default() };
        let plain = Written { size: 1, is_scratch: true, ..Written::default() };
        let gone = Written { held_at: Some("/proc/1/fd/3".into()), ..database.clone() };
        let files = [("/tmp/a.db", &database), ("/tmp/a.db-journal", &plain), ("/tmp/b", &plain), ("/tmp/c.db", &gone)];
        let files = files.map(|(path, written)| (path.to_owned(), written.clone())).into();
        let found = of_layer(Some(&Layer { files, ..Layer::default() }));
        let found: Vec<(&str, &Via)> = found.iter().map(|source| (source.path.as_str(), &source.via)).collect();
        let held = Via::Descriptor("/proc/1/fd/3".into());
        assert_eq!(found, [("/tmp/a.db", &Via::Archive), ("/tmp/a.db-journal", &Via::Archive), ("/tmp/c.db", &held)]);
    }

    #[test]
    fn what_a_mount_still_has_is_not_asked_of_podman() {
        let held = BTreeMap::from([("/data/a.db".to_owned(), "/proc/7/fd/4".into())]);
        let mounts = BTreeMap::from([
            ("/data".to_owned(), LiveMount::Deleted { was: String::new(), held }),
            ("/moved".to_owned(), LiveMount::Replaced { lies_at: String::new() }),
            ("/same".to_owned(), LiveMount::Same),
        ]);
        let way = |path: &str| way(path, None, Some(&mounts), 7);
        assert_eq!(way("/data/a.db"), Via::Descriptor("/proc/7/fd/4".into()));
        assert_eq!(way("/data/b"), Via::Root { pid: 7 });
        assert_eq!(way("/moved/x"), Via::Root { pid: 7 });
        assert_eq!((way("/same/x"), way("/moved-not")), (Via::Archive, Via::Archive));
    }
}
