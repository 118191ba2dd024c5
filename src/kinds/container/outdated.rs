//! What a container was made with and no file says: the version of a secret, the devices of a GPU, the image behind a name. Where that
//! is, or is about to be, another, the container is made anew.

use std::collections::BTreeSet;

use serde_json::json;

use super::observe::Lies;
use super::{Container, gpu, namespaces, secrets};
use crate::address::Address;
use crate::change::{Action, AttributeChange, Cause};
use crate::desired::Neighbours;
use crate::kinds::{labels, secret};
use crate::observed::{Observed, Sort};

pub(super) fn find(container: &Container, observed: &Observed, neighbours: &Neighbours<'_>) -> Vec<AttributeChange> {
    let mut outdated = secrets_outdated(container, observed, neighbours);
    outdated.extend(gpu_outdated(container, observed));
    outdated.extend(renewed_image(container, neighbours));
    let live = Lies::of(container, observed).live;
    outdated.extend(live.and_then(|live| namespaces::outlived(container, live, observed)));
    outdated
}

/// What it was made with and is not to be made with any more.
fn secrets_outdated(container: &Container, observed: &Observed, neighbours: &Neighbours<'_>) -> Vec<AttributeChange> {
    if container.secrets.is_empty() || observed.blind.contains_key(&Sort::Secrets) {
        return Vec::new();
    }
    let Some(subject) = Lies::of(container, observed).subject(container) else { return Vec::new() };
    let has = secret::versions_of(subject).unwrap_or_default();
    let changes = secrets::addresses(&container.secrets).into_iter().filter_map(|of| {
        let (before, version) = (has.get(of.as_str())?, neighbours.name_after(&of)?);
        if *before == version {
            return None;
        }
        // A version that is there already was made by a run that did not come as far as this container, or by hand.
        let is_made = observed.secrets.contains_key(&version) || !observed.secrets.contains_key(before);
        Some(AttributeChange {
            path: format!("{}.{of}", secret::VERSIONS),
            before: json!(before),
            after: json!(version),
            cause: if is_made { Cause::Machine } else { Cause::File },
            on_change: Action::Replace,
        })
    });
    changes.collect()
}

/// The versions that nobody may need once this container is made anew: not the newest of a secret that it only lets go of.
pub(super) fn superseded(lies: Lies<'_>, neighbours: &Neighbours<'_>) -> BTreeSet<String> {
    let old = [lies.live, lies.parked, lies.next].into_iter().flatten().filter_map(secret::versions_of).flatten();
    let is_old = |(secret, name): &(String, String)| {
        let newest = secret.parse().ok().and_then(|address| neighbours.name_after(&address));
        newest.is_some_and(|newest| newest != *name)
    };
    old.filter(is_old).map(|(_, name)| name).collect()
}

/// A card that came or went since it was made.
fn gpu_outdated(container: &Container, observed: &Observed) -> Option<AttributeChange> {
    if container.gpu != Some(gpu::Gpu::Auto) {
        return None;
    }
    let subject = Lies::of(container, observed).subject(container)?;
    let last = labels::applied(subject)?;
    let before = last.get(gpu::FOUND).cloned().unwrap_or_else(|| json!([]));
    let after = json!(gpu::devices(container, observed));
    (last.get("gpu") == Some(&json!("auto")) && before != after).then(|| AttributeChange {
        path: gpu::FOUND.to_owned(),
        before,
        after,
        cause: Cause::Machine,
        on_change: Action::Replace,
    })
}

/// Where the reference will name another image by the time that this container is due.
fn renewed_image(container: &Container, neighbours: &Neighbours<'_>) -> Option<AttributeChange> {
    let after = neighbours.name_after(&Address::new("image", &container.image))?;
    (after != container.image).then(|| AttributeChange {
        path: "image".to_owned(),
        before: json!(container.image),
        after: json!(after),
        cause: Cause::File,
        on_change: Action::Replace,
    })
}
