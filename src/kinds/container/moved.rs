//! A mount whose source the file changes: what lies at the old one stays there, and the container begins with what lies at the new one.

use std::path::{Path, PathBuf};

use super::{Container, MountSource};
use crate::change::{Risk, Severity, in_bytes};
use crate::kinds::labels;
use crate::observed::data::Extent;
use crate::observed::{Observed, Query};

struct Move<'c> {
    target: &'c str,
    from: PathBuf,
    to: &'c Path,
}

/// Mounts that are written to, and come from another directory than the container was made with.
fn moves<'c>(container: &'c Container, observed: &Observed) -> Vec<Move<'c>> {
    let made_with = observed.containers.get(&container.name).and_then(labels::applied);
    let Some(made_with) = made_with.and_then(|spec| spec.get("volumes")) else { return Vec::new() };
    let binds = container.mounts.iter().filter(|(_, mount)| !mount.read_only).filter_map(|(target, mount)| {
        let MountSource::Bind(to) = &mount.source else { return None };
        let from = PathBuf::from(made_with[target]["bind"].as_str()?);
        (from != *to).then_some(Move { target, from, to })
    });
    binds.collect()
}

pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    for Move { target: _, from, to } in moves(container, observed) {
        query.extents.extend([from, to.to_owned()]);
    }
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    if observed.extents.is_empty() {
        return Vec::new();
    }
    let risk = |moved: Move<'_>| {
        let (from, to) = (observed.extents.get(&moved.from)?, observed.extents.get(moved.to)?);
        if from.is_empty() || from.is_same_as(to) {
            return None;
        }
        let is_copied = from.is_whole && to.is_whole && to.files >= from.files && to.bytes >= from.bytes;
        let (source, aim) = (moved.from.display(), moved.to.display());
        let message = format!(
            "{}: {} moves from {source} ({}) to {aim} ({}){}",
            container.address,
            moved.target,
            in_words(from),
            in_words(to),
            if is_copied { "" } else { "; what is in the old place stays there, and the container does not see it" },
        );
        let remedies = match is_copied {
            true => Vec::new(),
            false => vec![
                "Copy it over while the container is stopped, and apply then:".to_owned(),
                format!("  podman unshare cp -a {source}/. {aim}/"),
            ],
        };
        let severity = if is_copied { Severity::Info } else { Severity::Critical };
        Some(Risk { code: "DATA_ROOT_MOVED", severity, message, remedies })
    };
    moves(container, observed).into_iter().filter_map(risk).collect()
}

fn in_words(extent: &Extent) -> String {
    match extent {
        Extent { is_whole: false, .. } => "its size is not known".to_owned(),
        Extent { files: 0, .. } => "nothing in it".to_owned(),
        Extent { files, bytes, .. } => {
            format!("{files} file{}, {}", if *files == 1 { "" } else { "s" }, in_bytes(*bytes))
        }
    }
}
