//! What must survive (`data:`): where it lies on the host, what was read of it, and what of that is a risk. A contract is never a
//! change: nothing here is made, moved or removed.
//!
//! What a reading is held against is the contract of the file, and the last good reading, which the ledger keeps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Container, MountSource};
use crate::address::Address;
use crate::change::{Risk, Severity};
use crate::diagnostic::{Diagnostics, Span};
use crate::kinds::labels;
use crate::observed::data::{Candidate, Engine, LiveMount, Reading, Requirement, State};
use crate::observed::query::Mounts;
use crate::observed::{Observed, Query};
use crate::stack::forms::{self, Described, Form, Map, TEXTS, key};
use crate::stack::yaml::Node;
use crate::time;

/// The kind of fact that keeps the last good reading of each path.
pub(super) const FACT: &str = "data";

/// Of what a table had, less than this part is left: more than a user deletes by and by.
const SHRUNK_BELOW: u64 = 2;

pub(super) const KEYS: &[Described] = &[
    key("path", Form::Text, "In the container, on a bind mount or a volume"),
    key("engine", Form::OneOf(&["sqlite", "dir"]), "A SQLite database, or a directory that is not to be empty"),
    key("min_tables", Form::Integer, "It has at least so many tables"),
    key("tables", TEXTS, "It has these tables"),
    key("min_rows", Form::Integer, "All tables together have at least so many rows"),
    key(
        "must_exist",
        Form::Boolean,
        "It is there from the first; else it may come later, and is missed once it was there",
    ),
    key(
        "when_hollow",
        Form::OneOf(WHEN_HOLLOW),
        "Where it is a file without a table: `refuse` to do anything, or `quarantine` it, so that the program makes it anew",
    ),
];

const WHEN_HOLLOW: &[&str] = &["refuse", "quarantine"];

/// One entry of `data:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contract {
    /// In the container.
    path: String,
    engine: Engine,
    min_tables: u64,
    tables: Vec<String>,
    min_rows: u64,
    must_exist: bool,
    /// Set aside where it is hollow, so that its program makes it anew.
    is_quarantined: bool,
    span: Span,
}

impl Contract {
    fn requirement(&self) -> Requirement {
        let Self { path: _, engine: _, min_tables, tables, min_rows, must_exist: _, is_quarantined: _, span: _ } = self;
        Requirement { min_tables: *min_tables, tables: tables.clone(), min_rows: *min_rows }
    }
}

pub(super) fn read(map: &mut Map<'_, '_>) -> Vec<Contract> {
    let what = "a list of what must survive, such as `[{ path: /data/app.db, engine: sqlite }]`";
    map.read("data", |node, diagnostics| forms::list_of(node, what, diagnostics, one)).unwrap_or_default()
}

fn one(node: &Node, diagnostics: &mut Diagnostics) -> Option<Contract> {
    let mut map = Map::new(node, "an entry of `data`", KEYS, diagnostics)?;
    let path = map.require("path", "/app/backend/data/webui.db", forms::container_path);
    let engine =
        map.require("engine", "sqlite", |node, diagnostics| forms::one_of(&["sqlite", "dir"], node, diagnostics));
    let mut count = |key| {
        let given: Option<i64> = map.read(key, |node, diagnostics| forms::integer_in(0..=i64::MAX, node, diagnostics));
        given.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
    };
    let (min_tables, min_rows) = (count("min_tables"), count("min_rows"));
    let tables = map.read("tables", forms::list_of_text).unwrap_or_default();
    let must_exist = map.read("must_exist", forms::boolean).unwrap_or_default();
    let when_hollow = map.read("when_hollow", |node, diagnostics| forms::one_of(WHEN_HOLLOW, node, diagnostics));
    if engine == Some("dir") && when_hollow == Some("quarantine") {
        map.diagnostics.error(node.span, "Contradiction", "a directory is not set aside: it is what is mounted");
    }
    if engine == Some("dir") && (min_tables > 0 || min_rows > 0 || !tables.is_empty()) {
        map.diagnostics.error(node.span, "Contradiction", "a directory has no tables and no rows");
    }
    map.finish();
    let engine = if engine? == "dir" { Engine::Dir } else { Engine::Sqlite };
    let is_quarantined = when_hollow == Some("quarantine");
    Some(Contract { path: path?, engine, min_tables, tables, min_rows, must_exist, is_quarantined, span: node.span })
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

/// A database that is set aside in this change, or was by a run that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hollow {
    pub(super) path: PathBuf,
    /// It lies there still.
    pub(super) is_there: bool,
    pub(super) requirement: Requirement,
}

/// Those of which the contract says so.
pub(super) fn hollow(container: &Container, observed: &Observed) -> Vec<Hollow> {
    let quarantined = container.data.iter().filter(|contract| contract.is_quarantined);
    let hollow = quarantined.filter_map(|contract| {
        let path = on_host(container, contract, observed)?;
        let reading = observed.data.get(&path)?;
        let is_there = is_hollow(reading) && !is_loss(container, contract, observed);
        (is_there || reading.is_set_aside).then(|| Hollow { path, is_there, requirement: contract.requirement() })
    });
    hollow.collect()
}

fn is_hollow(reading: &Reading) -> bool {
    matches!(reading.state, State::ZeroLength | State::NoTables)
}

/// It had rows: to make it anew would hide that they are gone.
fn is_loss(container: &Container, contract: &Contract, observed: &Observed) -> bool {
    last_good(container, contract, observed).is_some_and(|before| before.rows() > 0)
        && !is_accepted(container, "DB_EMPTY", observed)
}

/// The databases that are as their contracts say, and what those say.
pub(super) fn good(container: &Container, observed: &Observed) -> Vec<(PathBuf, Requirement)> {
    let databases = container.data.iter().filter(|contract| contract.engine == Engine::Sqlite);
    let good = databases.filter_map(|contract| {
        let path = on_host(container, contract, observed)?;
        let wanted = contract.requirement();
        let is_good = observed.data.get(&path).is_some_and(|reading| wanted.unmet(reading).is_none());
        is_good.then_some((path, wanted))
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

/// Copies of what was lost are looked for beside where it lay, where people keep copies, and among what was rescued.
pub(super) fn query_closer(container: &Container, observed: &Observed, query: &mut Query) {
    let (home, ours) = (&container.context.home, container.context.data.join("stackctl"));
    for contract in container.data.iter().filter(|contract| contract.engine == Engine::Sqlite) {
        let is_lost = judge(container, contract, observed).iter().any(|risk| risk.severity == Severity::Critical);
        let (Some(path), true) = (on_host(container, contract, observed), is_lost) else { continue };
        let beside = path.parent().and_then(|directory| directory.parent()).filter(|beside| beside.parent().is_some());
        let kept = [".config-backups", ".dotfiles"].map(|place| home.join(place)).into_iter().chain([ours.clone()]);
        query.candidates.insert(path.clone(), kept.chain(beside.map(PathBuf::from)).collect());
    }
}

/// A small stack is looked at whole; of a large one, what has a contract, unless all is inspected.
pub(super) fn query_mounts(container: &Container, query: &mut Query) {
    let binds = container.mounts.iter().filter_map(|(target, mount)| match &mount.source {
        MountSource::Bind(source) => Some((target.clone(), source.clone())),
        MountSource::Volume { .. } | MountSource::Tmpfs { .. } | MountSource::Image { .. } => None,
    });
    let mounts = Mounts { sources: binds.collect(), is_contracted: !container.data.is_empty() };
    if !mounts.sources.is_empty() {
        query.mounts.insert(container.name.clone(), mounts);
    }
}

/// What it goes on with is not what lies at its source any more: whatever stops it, loses that.
pub(super) fn mounts(container: &Container, observed: &Observed) -> Vec<Risk> {
    let live = observed.mounts.get(&container.name).into_iter().flatten();
    let made_with = observed.containers.get(&container.name).and_then(labels::applied);
    let made_with = made_with.and_then(|spec| spec.get("volumes"));
    let risk = |(target, seen): (&String, &LiveMount)| {
        let source = match &container.mounts.get(target)?.source {
            MountSource::Bind(source) => source.display().to_string(),
            MountSource::Volume { .. } | MountSource::Tmpfs { .. } | MountSource::Image { .. } => return None,
        };
        // Another source in the file is a change of the file, and no loss.
        if made_with.is_none_or(|volumes| volumes[target]["bind"] != *source) {
            return None;
        }
        let address = &container.address;
        let (code, message, mut remedies) = match seen {
            LiveMount::Same | LiveMount::Unknown(_) => return None,
            LiveMount::Deleted { was: _, held } => (
                "MOUNT_SOURCE_DELETED",
                format!("{address}: {source} was removed while {target} of the running container is on it"),
                match held.len() {
                    0 => Vec::new(),
                    _ => vec![
                        format!("It holds {} open still.", held.keys().cloned().collect::<Vec<_>>().join(", ")),
                        format!("  stackctl rescue {address}"),
                    ],
                },
            ),
            LiveMount::Replaced { lies_at } => (
                "MOUNT_SOURCE_REPLACED",
                format!(
                    "{address}: {target} of the running container is on {lies_at}, and not on what lies at {source} now"
                ),
                vec![
                    format!("Move {lies_at} back to {source}; the container goes on with it. Or copy out what it has:"),
                    format!("  stackctl rescue {address}"),
                ],
            ),
        };
        let first = match seen {
            LiveMount::Deleted { held, .. } if held.is_empty() => {
                "Do not stop it: what it still holds is gone with it. Copy out what it can still show, then put it back."
            }
            LiveMount::Deleted { .. } => "Do not stop it before what it still holds open is copied out:",
            _ => "Do not stop it: started again, it begins with what lies there now.",
        };
        remedies.insert(0, first.to_owned());
        Some(Risk { code, severity: Severity::Critical, message, remedies })
    };
    live.filter_map(risk).collect()
}

fn last_good(container: &Container, contract: &Contract, observed: &Observed) -> Option<Reading> {
    let fact = observed.facts.get(FACT, &container.address)?.get(&contract.path)?;
    serde_json::from_value(fact.clone()).ok()
}

/// The readings that are worth being held against later ones: what keeps its contract, and what the user has accepted.
pub(super) fn facts(container: &Container, observed: &Observed) -> Option<Value> {
    if container.data.is_empty() {
        return None;
    }
    let kept = container.data.iter().filter_map(|contract| {
        let before = || observed.facts.get(FACT, &container.address)?.get(&contract.path).cloned();
        let place = on_host(container, contract, observed)?;
        let reading = observed.data.get(&place)?;
        let is_there = matches!(reading.state, State::Unused | State::Populated);
        let is_good = judge(container, contract, observed)
            .iter()
            .all(|risk| risk.severity == Severity::Info || is_accepted(container, risk.code, observed));
        let fact = if is_there && is_good { serde_json::to_value(reading).ok() } else { before() };
        Some((contract.path.clone(), fact?))
    });
    Some(Value::Object(kept.collect()))
}

fn is_accepted(container: &Container, code: &'static str, observed: &Observed) -> bool {
    observed.accepted.contains(&(code.to_owned(), container.address.clone()))
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    let of_data = container.data.iter().flat_map(|contract| judge(container, contract, observed));
    weighed(&container.address, of_data, observed)
}

/// What the user lets pass for this run is a warning; what is left in the way says how that is done.
pub(super) fn weighed(address: &Address, risks: impl IntoIterator<Item = Risk>, observed: &Observed) -> Vec<Risk> {
    let weighed = risks.into_iter().map(|mut risk| {
        if risk.severity == Severity::Critical {
            match observed.accepted.contains(&(risk.code.to_owned(), address.clone())) {
                true => {
                    risk.severity = Severity::Warning;
                    risk.message.push_str("; accepted for this run");
                }
                false => risk.remedies.extend([
                    "If it is meant to be so, say that once:".to_owned(),
                    format!("  stackctl apply --accept {}:{address}", risk.code),
                ]),
            }
        }
        risk
    });
    weighed.collect()
}

fn judge(container: &Container, contract: &Contract, observed: &Observed) -> Vec<Risk> {
    let Some(place) = on_host(container, contract, observed) else { return Vec::new() };
    let Some(reading) = observed.data.get(&place) else { return Vec::new() };
    let before = last_good(container, contract, observed);
    let had = before.as_ref().map(had).unwrap_or_default();
    let risk = |code, severity, what: String| Risk {
        code,
        severity,
        message: format!("{}: {} ({}) {what}", container.address, contract.path, place.display()),
        remedies: look_for_it(container, observed.candidates.get(&place), severity),
    };
    let is_set_aside = contract.is_quarantined && is_hollow(reading) && !is_loss(container, contract, observed);
    let empty = |what: String| match is_set_aside {
        true => Risk {
            remedies: Vec::new(),
            ..risk("DB_EMPTY", Severity::Warning, format!("{what}; apply sets it aside, and the program makes it anew"))
        },
        false => risk("DB_EMPTY", Severity::Critical, what),
    };
    let moved = before
        .as_ref()
        .is_some_and(|before| !before.root.is_empty() && !reading.root.is_empty() && before.root != reading.root);
    let root_changed = moved.then(|| {
        let what = "lies in another directory than at the last good reading, under the same path".to_owned();
        risk("DATA_ROOT_IDENTITY_CHANGED", Severity::Critical, what)
    });
    let content = match (reading.state, contract.engine) {
        (State::Absent, _) if contract.must_exist || before.is_some() => {
            vec![risk("DB_MISSING", Severity::Critical, format!("is not there{had}"))]
        }
        (State::Absent, _) => Vec::new(),
        (State::NoTables, Engine::Dir) if !contract.must_exist && before.is_none() => Vec::new(),
        (State::NoTables, Engine::Dir) => {
            vec![risk("DB_EMPTY", Severity::Critical, format!("is a directory with nothing in it{had}"))]
        }
        (State::ZeroLength, _) => vec![empty(format!("has no byte{had}"))],
        (State::NoTables, Engine::Sqlite | Engine::Text) => {
            let what = format!("is a database of {} bytes without any table{had}", reading.size);
            vec![empty(what)]
        }
        (State::NotSqlite, _) => vec![risk("DB_NOT_SQLITE", Severity::Critical, format!("is no SQLite database{had}"))],
        (State::Locked, _) => {
            vec![risk("DB_UNDETERMINED", Severity::Warning, "is held by its owner alone at this moment".to_owned())]
        }
        (State::Undetermined, _) => {
            vec![risk("DB_UNDETERMINED", Severity::Warning, format!("could not be read: {}", reading.why))]
        }
        (State::Unused | State::Populated, _) => {
            let missing = missing(contract, reading, before.as_ref());
            let shrunk = shrunk(contract, reading, before.as_ref(), moved);
            let missing = missing.map(|what| risk("DB_TABLES_MISSING", Severity::Critical, what));
            missing.into_iter().chain(shrunk.map(|(weight, what)| risk("DB_SHRUNK", weight, what))).collect()
        }
    };
    root_changed.into_iter().chain(content).collect()
}

fn had(before: &Reading) -> String {
    match before.tables.len() {
        0 => format!("; had {} at the last good reading", before.size),
        tables => format!("; had {tables} tables with {} rows at the last good reading", before.rows()),
    }
}

fn look_for_it(container: &Container, found: Option<&Vec<Candidate>>, severity: Severity) -> Vec<String> {
    if severity < Severity::Critical {
        return Vec::new();
    }
    let leave = format!(
        "Leave {} as it is until it is found: where its program writes to, a copy, a backup, a directory that was moved.",
        container.name
    );
    let candidate = |found: &Candidate| {
        let Candidate { path, tables, rows, modified_s } = found;
        let date = time::rfc3339(modified_s * 1_000_000);
        format!("It may be {}: {tables} tables with {rows} rows, of {date}.", path.display())
    };
    std::iter::once(leave).chain(found.into_iter().flatten().map(candidate)).collect()
}

/// Tables of the contract that are not there, or of the last good reading where there are too few.
fn missing(contract: &Contract, reading: &Reading, before: Option<&Reading>) -> Option<String> {
    let gone = |name: &&String| !reading.tables.contains_key(*name);
    let named: Vec<&String> = contract.tables.iter().filter(gone).collect();
    let count = u64::try_from(reading.tables.len()).unwrap_or(u64::MAX);
    let known: Vec<&String> = before.into_iter().flat_map(|before| before.tables.keys()).filter(gone).collect();
    let names = |names: &[&String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (named.is_empty(), count < contract.min_tables) {
        (false, _) => Some(format!("has {count} tables, and not {}", names(&named))),
        (true, true) if known.is_empty() => {
            Some(format!("has {count} tables; the contract wants {}", contract.min_tables))
        }
        (true, true) => Some(format!("has {count} tables of {}: {} is gone", contract.min_tables, names(&known))),
        // As many or more, under other names, is what a new version of the program makes of it.
        (true, false) if before.is_some_and(|before| reading.tables.len() < before.tables.len()) => {
            Some(format!("has {count} tables; {} is gone", names(&known)))
        }
        (true, false) => None,
    }
}

/// A table that had rows and has none, or hardly any of all that there were, or fewer in another directory. What a user deletes by and
/// by is told, and is no drift.
fn shrunk(contract: &Contract, reading: &Reading, before: Option<&Reading>, moved: bool) -> Option<(Severity, String)> {
    let is_whole = reading.tables.values().all(Option::is_some);
    let rows = reading.rows();
    let before_rows = before.map(Reading::rows);
    let had = before_rows.map(|had| format!(", had {had}")).unwrap_or_default();
    if is_whole && rows < contract.min_rows {
        return Some((
            Severity::Critical,
            format!("has {rows} rows, and the contract wants {}{had}", contract.min_rows),
        ));
    }
    let before = before?;
    let rows_of = |name: &String| reading.tables.get(name).copied().flatten();
    let counted: Vec<(&String, u64, u64)> =
        before.tables.iter().filter_map(|(name, had)| Some((name, (*had)?, rows_of(name)?))).collect();
    // Where the contract names tables, the others may come and go.
    let counts = |name: &String| contract.tables.is_empty() || contract.tables.contains(name);
    let emptied = counted.iter().filter(|(name, had, has)| *had > 0 && *has == 0 && counts(name));
    let emptied: BTreeMap<&String, u64> = emptied.map(|(name, had, _)| (*name, *had)).collect();
    if !emptied.is_empty() {
        let told = emptied.iter().map(|(name, had)| format!("`{name}` has no row, had {had}"));
        return Some((Severity::Critical, told.collect::<Vec<_>>().join("; ")));
    }
    let sum = |pick: fn(&(&String, u64, u64)) -> u64| counted.iter().map(pick).sum::<u64>();
    let (had, has) = (sum(|(_, had, _)| *had), sum(|(_, _, has)| *has));
    match has {
        has if has * SHRUNK_BELOW < had || (moved && has < had) => {
            Some((Severity::Critical, format!("has {has} rows, had {had}")))
        }
        has if has < had => Some((Severity::Info, format!("has {has} rows, had {had}"))),
        _ => None,
    }
}
