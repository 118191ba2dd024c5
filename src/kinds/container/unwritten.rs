//! Mounts in which nothing lies although the program has run for long: it keeps its data elsewhere, or lost it.

use std::path::PathBuf;

use super::{Container, MountSource, data};
use crate::change::{Risk, Severity};
use crate::observed::{Health, Observed, PathKind, Query, Seen};
use crate::time;

/// By then a program has written what it means to keep.
const LONG_US: u64 = 60 * 60 * 1_000_000;

/// What may be written to and is to be kept, with where it lies.
fn places(container: &Container, observed: &Observed) -> impl Iterator<Item = (String, PathBuf)> {
    let is_kept = |target: &str| {
        let mut passed_over = container.ephemeral.iter();
        !passed_over.any(|path| target == path || target.starts_with(&format!("{path}/")))
    };
    let mounts = container.mounts.iter().filter(move |(target, mount)| {
        let is_ours = matches!(mount.source, MountSource::Bind(_) | MountSource::Volume { .. });
        is_ours && !mount.read_only && is_kept(target)
    });
    mounts.filter_map(|(target, _)| Some((target.clone(), data::host_path(container, target, observed)?)))
}

/// Where it is up, and has been for long: since when, in microseconds.
fn is_long_up(container: &Container, observed: &Observed) -> bool {
    let Some(live) = observed.containers.get(&container.name) else { return false };
    let is_well = live.is_running() && !matches!(live.health, Some(Health::Starting | Health::Unhealthy));
    let started_us = time::parse(&live.started_at).filter(|_| is_well && !container.one_shot);
    started_us.is_some_and(|started_us| observed.now_us.saturating_sub(started_us) > LONG_US)
}

/// Of volumes; directories are looked at by themselves.
pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    if is_long_up(container, observed) {
        query.paths.extend(places(container, observed).map(|(_, place)| place));
    }
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    if !is_long_up(container, observed) {
        return Vec::new();
    }
    let is_empty = |place: &PathBuf| {
        let info = observed.paths.get(place).and_then(Seen::present);
        info.is_some_and(|info| info.kind == PathKind::Directory && info.empty == Some(true))
    };
    let empty = places(container, observed).filter(|(_, place)| is_empty(place));
    let risk = |(target, place): (String, PathBuf)| Risk {
        code: "VOLUME_NEVER_WRITTEN",
        severity: Severity::Warning,
        message: format!(
            "{}: nothing lies at {target} ({}), though it has run for more than an hour",
            container.address,
            place.display()
        ),
        remedies: vec![
            "Look where the program keeps its data, and mount that; this shows what it wrote elsewhere:".to_owned(),
            format!("  podman diff {}", container.name),
            format!("Or list {target} in its `ephemeral:`, or mount it read-only, where nothing is to be kept there."),
        ],
    };
    empty.map(risk).collect()
}
