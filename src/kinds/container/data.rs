//! What of a container must survive (`data:`): where it lies on the host, and whether the running container still has it there.

use std::path::PathBuf;

use serde_json::Value;

use super::observe::Lies;
use super::{Container, MountSource, snapshot};
use crate::address::Address;
use crate::change::{Risk, Severity};
use crate::diagnostic::Diagnostics;
use crate::kinds::contract::{self, Contract, Held, weighed};
use crate::kinds::labels;
use crate::kinds::quarantine::Hollow;
use crate::observed::data::{Engine, LiveMount, Requirement};
use crate::observed::query::Mounts;
use crate::observed::{Observed, Query};
use crate::stack::forms::{self, Described, Map};
use crate::stack::yaml::Node;

pub(super) const KEYS: &[Described] = contract::KEYS_IN_CONTAINER;

/// What the kernel appends to the path of a mount whose source has no name any more (proc_pid_mountinfo(5)).
const GONE: &str = "//deleted";

pub(super) fn read(map: &mut Map<'_, '_>) -> Vec<Contract> {
    let what = "a list of what must survive, such as `[{ path: /data/app.db, engine: sqlite }]`";
    map.read("data", |node, diagnostics| forms::list_of(node, what, diagnostics, one)).unwrap_or_default()
}

fn one(node: &Node, diagnostics: &mut Diagnostics) -> Option<Contract> {
    let mut map = Map::new(node, "an entry of `data`", KEYS, diagnostics)?;
    let path = map.require("path", "/app/backend/data/webui.db", forms::container_path);
    let contract = contract::read(&mut map, path, node.span);
    map.finish();
    contract
}

/// What lies on no mount that is kept, no contract can hold.
pub(super) fn check(container: &Container, diagnostics: &mut Diagnostics) {
    for contract in &container.data {
        let found = covering(container, &contract.path).map(|(_, source, _)| source);
        if !matches!(found, Some(MountSource::Bind(_) | MountSource::Volume { .. })) {
            let detail =
                format!("{} lies on no bind mount and no volume: it would go with the container", contract.path);
            let help = "mount a directory or a volume over it in `volumes:`";
            diagnostics.error(contract.span, "Data that nothing keeps", detail).help(help);
        }
    }
}

/// The mount that a path in the container is on, and the path below it.
fn covering<'c, 'p>(container: &'c Container, path: &'p str) -> Option<(&'c str, &'c MountSource, &'p str)> {
    let below = |target: &str| {
        let rest = path.strip_prefix(target.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
    };
    let mounts = container.mounts.iter();
    let found = mounts.filter_map(|(target, mount)| Some((target.as_str(), &mount.source, below(target)?)));
    found.max_by_key(|(target, _, _)| target.len())
}

/// Where it lies on the host, as the file wants it mounted; a volume's place is known once podman was asked.
fn on_host(container: &Container, contract: &Contract, observed: &Observed) -> Option<PathBuf> {
    host_path(container, &contract.path, observed)
}

/// The same of any path in the container.
pub(super) fn host_path(container: &Container, path: &str, observed: &Observed) -> Option<PathBuf> {
    let (_, source, below) = covering(container, path)?;
    let root = match source {
        MountSource::Bind(path) => path.clone(),
        MountSource::Volume { address: _, name, subpath } => {
            let place = PathBuf::from(&observed.volumes.get(name)?.mountpoint);
            subpath.iter().fold(place, |place, subpath| place.join(subpath.trim_start_matches('/')))
        }
        MountSource::Tmpfs { .. } | MountSource::Image { .. } => return None,
    };
    Some(if below.is_empty() { root } else { root.join(below) })
}

/// All of them, as far as it is known where they lie.
fn held<'c>(container: &'c Container, observed: &'c Observed) -> impl Iterator<Item = Held<'c>> {
    container.data.iter().filter_map(|contract| {
        let place = on_host(container, contract, observed)?;
        Some(Held { address: &container.address, name: &container.name, contract, place })
    })
}

/// Those that are set aside, since their contracts say so.
pub(super) fn hollow(container: &Container, observed: &Observed) -> Vec<Hollow> {
    let quarantined = held(container, observed).filter(|held| held.contract.is_quarantined);
    let hollow = quarantined.filter_map(|held| {
        let is_loss = held.is_loss(observed);
        Hollow::of(held.place, held.contract.requirement(), is_loss, observed)
    });
    hollow.collect()
}

/// The databases that are as their contracts say, and what those say; or were, before a newcomer that has not proved itself.
pub(super) fn good(container: &Container, observed: &Observed) -> Vec<(PathBuf, Requirement)> {
    let is_being_replaced = is_being_replaced(container, observed);
    let databases = held(container, observed).filter(|held| held.contract.engine == Engine::Sqlite);
    let good = databases.filter_map(|held| {
        let wanted = held.contract.requirement();
        let is_good = observed.data.get(&held.place).is_some_and(|reading| wanted.unmet(reading).is_none());
        (is_good || (is_being_replaced && held.last_good(observed).is_some())).then_some((held.place, wanted))
    });
    good.collect()
}

pub(super) fn has_quarantine(container: &Container) -> bool {
    container.data.iter().any(|contract| contract.is_quarantined)
}

pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    query.data.extend(places(container, observed));
}

/// What has a contract, where it lies and what it is.
pub(super) fn places(container: &Container, observed: &Observed) -> impl Iterator<Item = (PathBuf, Engine)> {
    container.data.iter().filter_map(|contract| Some((on_host(container, contract, observed)?, contract.engine)))
}

/// What has a contract and is a file, where it lies.
pub(super) fn files(container: &Container, observed: &Observed) -> Vec<PathBuf> {
    let files = container.data.iter().filter(|contract| contract.engine == Engine::Sqlite);
    files.filter_map(|contract| on_host(container, contract, observed)).collect()
}

pub(super) fn query_closer(container: &Container, observed: &Observed, is_checked: bool, query: &mut Query) {
    held(container, observed).for_each(|held| held.query_closer(observed, &container.context, is_checked, query));
}

/// A small stack is looked at whole; of a large one, what has a contract, unless all is inspected.
pub(super) fn query_mounts(container: &Container, query: &mut Query) {
    let mut mounts = Mounts::default();
    for (target, mount) in &container.mounts {
        if mount.read_only {
            mounts.read_only.insert(target.clone());
        }
        match &mount.source {
            MountSource::Bind(source) => {
                mounts.sources.insert(target.clone(), source.clone());
            }
            MountSource::Volume { address: _, name, subpath } => {
                let below = subpath.iter().map(|below| below.trim_start_matches('/')).collect();
                mounts.volumes.insert(target.clone(), (name.clone(), below));
            }
            MountSource::Tmpfs { .. } | MountSource::Image { .. } => {}
        }
    }
    let covering = |contract: &Contract| {
        covering(container, &contract.path).map(|(target, _, _)| (contract.path.clone(), target.to_owned()))
    };
    mounts.contracts = container.data.iter().filter_map(covering).collect();
    if !mounts.sources.is_empty() || !mounts.volumes.is_empty() {
        query.mounts.insert(container.name.clone(), mounts);
    }
}

/// What it goes on with is not what lies at its source any more: whatever stops it, loses that.
pub(super) fn mounts(container: &Container, observed: &Observed) -> Vec<Risk> {
    let Some(live) = observed.mounts.get(&container.name) else { return Vec::new() };
    let made_with = observed.containers.get(&container.name).and_then(labels::applied);
    let made_with = made_with.and_then(|spec| spec.get("volumes"));
    let risk = |(target, seen): (&String, &LiveMount)| {
        let (mount, mounted, _) = covering(container, target)?;
        let wanted = match mounted {
            MountSource::Bind(source) => ("bind", source.display().to_string()),
            MountSource::Volume { address: _, name, subpath: _ } => ("volume", name.clone()),
            MountSource::Tmpfs { .. } | MountSource::Image { .. } => return None,
        };
        // Another source in the file is a change of the file, and no loss.
        if made_with.is_none_or(|volumes| volumes[mount][wanted.0] != *wanted.1) {
            return None;
        }
        let source = host_path(container, target, observed)?.display().to_string();
        told(&container.address, target, &source, seen)
    };
    live.iter().filter_map(risk).collect()
}

/// What is the matter with what the running container has at `target`, which is to be what lies at `source`.
fn told(address: &Address, target: &str, source: &str, seen: &LiveMount) -> Option<Risk> {
    let critical = |code, message, first: &str, more: Vec<String>| {
        let remedies = std::iter::once(first.to_owned()).chain(more).collect();
        Some(Risk { code, severity: Severity::Critical, message, remedies })
    };
    let begins_anew = "Do not stop it: started again, it begins with what lies there now.";
    match seen {
        LiveMount::Same | LiveMount::Unknown(_) => None,
        LiveMount::NotWritable(why) => Some(Risk {
            code: "DATA_NOT_WRITABLE",
            severity: Severity::Warning,
            message: format!("{address}: {target} cannot be written to: {why}"),
            remedies: vec![
                "Give it to whom the program runs as, seen from inside (numbers as above, 0 is you):".to_owned(),
                format!("  podman unshare chown UID:GID {source}"),
            ],
        }),
        LiveMount::Deleted { was: _, held } => {
            let message = format!("{address}: {source} was removed while {target} of the running container is on it");
            let first = match held.is_empty() {
                true => {
                    "Do not stop it: what it still holds is gone with it. Copy out what it can still show, then put it back."
                }
                false => "Do not stop it before what it still holds open is copied out:",
            };
            let names = held.keys().cloned().collect::<Vec<_>>().join(", ");
            let more = vec![format!("It holds {names} open still."), format!("  stackctl rescue {address}")];
            critical("MOUNT_SOURCE_DELETED", message, first, if held.is_empty() { Vec::new() } else { more })
        }
        LiveMount::Covered { by } => critical(
            "MOUNT_SOURCE_REPLACED",
            format!(
                "{address}: {by} is mounted over {target} in the running container, which has not what lies at {source}"
            ),
            begins_anew,
            vec![
                "What it writes there goes with that mount. Copy out what it has:".to_owned(),
                format!("  stackctl rescue {address} {target}"),
            ],
        ),
        LiveMount::Replaced { lies_at } if lies_at.ends_with(GONE) => critical(
            "MOUNT_SOURCE_REPLACED",
            format!(
                "{address}: {source} was removed, or another put in its place, while {target} of the running container is on it"
            ),
            begins_anew,
            vec![
                "It goes on with the old one. Copy out what that has:".to_owned(),
                format!("  stackctl rescue {address} {target}"),
            ],
        ),
        LiveMount::Replaced { lies_at } => critical(
            "MOUNT_SOURCE_REPLACED",
            format!(
                "{address}: {target} of the running container is on {lies_at}, and not on what lies at {source} now"
            ),
            begins_anew,
            vec![
                format!("Move {lies_at} back to {source}; the container goes on with it. Or copy out what it has:"),
                format!("  stackctl rescue {address}"),
            ],
        ),
    }
}

pub(super) fn facts(container: &Container, observed: &Observed) -> Option<Value> {
    if container.data.is_empty() {
        return None;
    }
    let kept = held(container, observed).filter_map(|held| held.fact(observed));
    Some(Value::Object(kept.collect()))
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    let is_being_replaced = is_being_replaced(container, observed);
    let of_data = held(container, observed).flat_map(|held| held.judge(observed)).map(|mut risk| {
        if is_being_replaced && risk.code.starts_with("DB_") && risk.severity == Severity::Critical {
            risk.severity = Severity::Warning;
            risk.message.push_str("; a copy of before is there, and comes back unless the newcomer mends that");
            risk.remedies.clear();
        }
        risk
    });
    weighed(&container.address, of_data, observed)
}

/// A run was killed on the way: a newcomer may have written, and there is a copy of what was before.
fn is_being_replaced(container: &Container, observed: &Observed) -> bool {
    snapshot::is_open(container, observed) && Lies::of(container, observed).parked.is_some()
}
