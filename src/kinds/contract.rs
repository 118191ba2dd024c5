//! What must survive, whoever has it: what the file says of it, what was read of it, and what of that is a risk. A contract is never a
//! change: nothing here is made, moved or removed.
//!
//! What a reading is held against is the contract of the file, and the last good reading, which the ledger keeps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::address::Address;
use crate::change::{Risk, Severity};
use crate::desired::Context;
use crate::diagnostic::{Diagnostics, Span};
use crate::observed::data::{Candidate, Check, Engine, Integrity, Reading, Requirement, State};
use crate::observed::{Observed, Query};
use crate::stack::forms::{self, Described, Form, Map, TEXTS, key};
use crate::stack::yaml::Node;
use crate::time;

/// The kind of fact that keeps the last good reading of each path.
pub(super) const FACT: &str = "data";

/// Of what a table had, less than this part is left: more than a user deletes by and by.
const SHRUNK_BELOW: u64 = 2;

/// The first is a container's alone, the last two a database's.
const ALL_KEYS: &[Described] = &[
    key("path", Form::Text, "In the container, on a bind mount or a volume"),
    key(
        "engine",
        Form::OneOf(ENGINES),
        "A SQLite database, the data directory of a PostgreSQL, the storage of a Qdrant, or any directory that is not to be empty",
    ),
    key("min_tables", Form::Integer, "It has at least so many tables, or collections of a Qdrant"),
    key("tables", TEXTS, "It has these tables, or collections of a Qdrant"),
    key("min_rows", Form::Integer, "All tables together have at least so many rows"),
    key(
        "must_exist",
        Form::Boolean,
        "It is there from the first; else it may come later, and is missed once it was there",
    ),
    key(
        "integrity",
        Form::OneOf(INTEGRITY),
        "Where something is done, and in `drift`: check its pages, or its indexes too",
    ),
    key("owner", Form::Text, "`UID` or `UID:GID` that it belongs to, as `podman unshare stat` shows them: 0 is you"),
    key("mode", Form::Mode, "Its mode in octal"),
    key(
        "when_hollow",
        Form::OneOf(WHEN_HOLLOW),
        "Where it is a file without a table: `refuse` to do anything, or `quarantine` it, so that the program makes it anew",
    ),
    key("protect", Form::Boolean, "Never removed, not with what it lies in either; outlives this line"),
    key(
        "service",
        Form::Text,
        "Of `services`: who writes it, and does not start where the directory that it lies in is not there",
    ),
];

pub(super) const KEYS_IN_CONTAINER: &[Described] = ALL_KEYS.split_at(ALL_KEYS.len() - 2).0;
pub(super) const KEYS_ON_HOST: &[Described] = ALL_KEYS.split_at(1).1;

const ENGINES: &[&str] = &["sqlite", "postgres", "qdrant", "dir"];
/// As SQLite calls its checks.
const INTEGRITY: &[&str] = &["quick", "full"];
const WHEN_HOLLOW: &[&str] = &["refuse", "quarantine"];

/// One entry of `data:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contract {
    /// As it is written: in the container, or on the host.
    pub(super) path: String,
    pub(super) engine: Engine,
    min_tables: u64,
    tables: Vec<String>,
    min_rows: u64,
    must_exist: bool,
    /// Set aside where it is hollow, so that its program makes it anew.
    pub(super) is_quarantined: bool,
    /// Whether every page of it is checked, and its indexes too.
    integrity: Option<Check>,
    /// User and group, as the user namespace of this user's containers has them.
    owner: Option<(u32, Option<u32>)>,
    mode: Option<u32>,
    pub(super) span: Span,
}

impl Contract {
    pub(super) fn requirement(&self) -> Requirement {
        let Self { min_tables, tables, min_rows, .. } = self;
        Requirement { min_tables: *min_tables, tables: tables.clone(), min_rows: *min_rows }
    }

    /// Is it as the contract says who has it and who may write to it?
    fn kept(&self, reading: &Reading) -> Option<(&'static str, String)> {
        let is_there = !matches!(reading.state, State::Absent | State::Undetermined);
        let (uid, gid) = reading.owner.filter(|_| is_there)?;
        if let Some((wanted, group)) = self.owner
            && (wanted != uid || group.is_some_and(|group| group != gid))
        {
            let group = group.map(|group| format!(":{group}")).unwrap_or_default();
            return Some(("DATA_OWNER", format!("belongs to {uid}:{gid}, and not to {wanted}{group}")));
        }
        let (wanted, mode) = self.mode.zip(reading.mode)?;
        (wanted != mode).then(|| ("DATA_MODE", format!("has the mode {mode:04o}, and not {wanted:04o}")))
    }
}

/// The keys of a contract; the map may have more.
pub(super) fn read(map: &mut Map<'_, '_>, path: Option<String>, span: Span) -> Option<Contract> {
    let engine =
        map.require("engine", "sqlite", |node, diagnostics| forms::one_of(ENGINES, node, diagnostics)).map(engine_of);
    let mut count = |key| {
        let given: Option<i64> = map.read(key, |node, diagnostics| forms::integer_in(0..=i64::MAX, node, diagnostics));
        given.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
    };
    let (min_tables, min_rows) = (count("min_tables"), count("min_rows"));
    let tables = map.read("tables", forms::list_of_text).unwrap_or_default();
    let must_exist = map.read("must_exist", forms::boolean).unwrap_or_default();
    let when_hollow = map.read("when_hollow", |node, diagnostics| forms::one_of(WHEN_HOLLOW, node, diagnostics));
    let is_directory = engine.is_some_and(Engine::is_directory);
    if is_directory && when_hollow == Some("quarantine") {
        map.diagnostics.error(span, "Contradiction", "a directory is not set aside: it is what is mounted");
    }
    let has_names = min_tables > 0 || !tables.is_empty();
    let asked = match engine {
        Some(Engine::Dir | Engine::Text) if has_names || min_rows > 0 => Some("a directory has no tables and no rows"),
        Some(Engine::Postgres) if has_names || min_rows > 0 => Some(
            "only a PostgreSQL that runs can tell its tables and rows: from its files, no more is known than what is lost",
        ),
        Some(Engine::Qdrant) if min_rows > 0 => {
            Some("only a Qdrant that runs can tell how many points a collection has")
        }
        _ => None,
    };
    if let Some(detail) = asked {
        map.diagnostics.error(span, "Contradiction", detail);
    }
    let integrity = map.read("integrity", |node, diagnostics| forms::one_of(INTEGRITY, node, diagnostics));
    let owner = map.read("owner", owner);
    let mode = map.read("mode", forms::mode);
    if is_directory && integrity.is_some() {
        map.diagnostics.error(span, "Contradiction", "a directory has no pages to check");
    }
    let is_quarantined = when_hollow == Some("quarantine");
    let integrity = integrity.map(|word| if word == "full" { Check::Full } else { Check::Quick });
    Some(Contract {
        path: path?,
        engine: engine?,
        min_tables,
        tables,
        min_rows,
        must_exist,
        is_quarantined,
        integrity,
        owner,
        mode,
        span,
    })
}

fn engine_of(word: &str) -> Engine {
    match word {
        "postgres" => Engine::Postgres,
        "qdrant" => Engine::Qdrant,
        "dir" => Engine::Dir,
        _ => Engine::Sqlite,
    }
}

fn owner(node: &Node, diagnostics: &mut Diagnostics) -> Option<(u32, Option<u32>)> {
    let text = forms::word(node, diagnostics)?;
    let (uid, gid) = text.split_once(':').map_or((text.as_str(), None), |(uid, gid)| (uid, Some(gid)));
    let parsed = uid.parse().ok().zip(gid.map_or(Some(None), |gid| gid.parse().ok().map(Some)));
    if parsed.is_none() {
        diagnostics.error(node.span, "No owner", format!("{} is neither UID nor UID:GID", node.shown()));
    }
    parsed
}

/// A contract, and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Held<'a> {
    pub(super) address: &'a Address,
    /// Who has it, as a person calls it.
    pub(super) name: &'a str,
    pub(super) contract: &'a Contract,
    /// Where it lies on the host.
    pub(super) place: PathBuf,
}

impl Held<'_> {
    /// As it is written, with its place where that is another.
    fn called(&self) -> String {
        let place = self.place.display().to_string();
        if place == self.contract.path { place } else { format!("{} ({place})", self.contract.path) }
    }

    pub(super) fn query(&self, query: &mut Query) {
        query.data.insert((self.place.clone(), self.contract.engine));
    }

    /// Copies of what was lost are looked for beside where it lay, where people keep copies, and among what was rescued or copied. Its
    /// pages are checked where somebody waits for it anyway.
    pub(super) fn query_closer(&self, observed: &Observed, context: &Context, is_checked: bool, query: &mut Query) {
        if let Some(check) = self.contract.integrity.filter(|_| is_checked) {
            query.integrity.insert(self.place.clone(), (check, context.data.join("stackctl")));
        }
        let is_lost = || self.judge(observed).iter().any(|risk| risk.severity == Severity::Critical);
        if self.contract.engine != Engine::Sqlite || !is_lost() {
            return;
        }
        let above = self.place.parent().and_then(|directory| directory.parent());
        let beside = above.filter(|beside| beside.parent().is_some()).map(PathBuf::from);
        let kept = [".config-backups", ".dotfiles"].map(|place| context.home.join(place));
        let all = kept.into_iter().chain([context.data.join("stackctl")]).chain(beside);
        query.candidates.insert(self.place.clone(), all.collect());
    }

    pub(super) fn is_loss(&self, observed: &Observed) -> bool {
        is_loss(self.address, &self.contract.path, observed)
    }

    pub(super) fn last_good(&self, observed: &Observed) -> Option<Reading> {
        last_good(self.address, &self.contract.path, observed)
    }

    /// The reading that is worth being held against later ones: what keeps its contract, and what the user has accepted.
    pub(super) fn fact(&self, observed: &Observed) -> Option<(String, Value)> {
        let path = &self.contract.path;
        let before = || observed.facts.get(FACT, self.address)?.get(path).cloned();
        let reading = observed.data.get(&self.place)?;
        let is_there = matches!(reading.state, State::Unused | State::Populated);
        let is_good = self
            .judge(observed)
            .iter()
            .all(|risk| risk.severity == Severity::Info || is_accepted(self.address, risk.code, observed));
        let fact = if is_there && is_good { serde_json::to_value(reading).ok() } else { before() };
        Some((path.clone(), fact?))
    }

    fn look_for_it(&self, found: Option<&Vec<Candidate>>, severity: Severity) -> Vec<String> {
        if severity < Severity::Critical {
            return Vec::new();
        }
        let leave = format!(
            "Leave {} as it is until it is found: where its program writes to, a copy, a backup, a directory that was moved.",
            self.name
        );
        let candidate = |found: &Candidate| {
            let Candidate { path, tables, rows, modified_s } = found;
            let date = time::rfc3339(modified_s * 1_000_000);
            format!("It may be {}: {tables} tables with {rows} rows, of {date}.", path.display())
        };
        std::iter::once(leave).chain(found.into_iter().flatten().map(candidate)).collect()
    }
}

/// It had rows: to make it anew would hide that they are gone. `path` is as it is written.
pub(super) fn is_loss(address: &Address, path: &str, observed: &Observed) -> bool {
    last_good(address, path, observed).is_some_and(|before| before.rows() > 0)
        && !is_accepted(address, "DB_EMPTY", observed)
}

fn last_good(address: &Address, path: &str, observed: &Observed) -> Option<Reading> {
    let fact = observed.facts.get(FACT, address)?.get(path)?;
    serde_json::from_value(fact.clone()).ok()
}

pub(super) fn is_hollow(reading: &Reading) -> bool {
    matches!(reading.state, State::ZeroLength | State::NoTables)
}

fn is_accepted(address: &Address, code: &'static str, observed: &Observed) -> bool {
    observed.accepted.contains(&(code.to_owned(), address.clone()))
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

impl Held<'_> {
    /// What is the matter with it.
    pub(super) fn judge(&self, observed: &Observed) -> Vec<Risk> {
        let Self { contract, place, .. } = self;
        let Some(reading) = observed.data.get(place) else { return Vec::new() };
        let before = self.last_good(observed);
        let root_changed = has_moved(reading, before.as_ref()).then(|| {
            let what = "lies in another directory than at the last good reading, under the same path".to_owned();
            self.risk("DATA_ROOT_IDENTITY_CHANGED", Severity::Critical, what, observed)
        });
        // A run was killed on the way: its program may still be at it, and the next one proves what it made, or puts the old one back.
        let had_rows = before.as_ref().is_some_and(|before| before.rows() > 0);
        let is_being_made = contract.is_quarantined && reading.is_set_aside && !had_rows;
        let content = self.content(reading, before.as_ref(), observed).into_iter().map(|risk| match risk.severity {
            Severity::Critical if is_being_made => Risk {
                severity: Severity::Warning,
                message: format!("{}; it is being made anew, which apply ends or takes back", risk.message),
                remedies: Vec::new(),
                ..risk
            },
            _ => risk,
        });
        let kept = contract.kept(reading).map(|(code, what)| self.risk(code, Severity::Warning, what, observed));
        let damaged = observed.integrity.get(place).and_then(damaged);
        let damaged = damaged.map(|(code, severity, what)| self.risk(code, severity, what, observed));
        root_changed.into_iter().chain(content).chain(kept).chain(damaged).collect()
    }

    fn risk(&self, code: &'static str, severity: Severity, what: String, observed: &Observed) -> Risk {
        let message = format!("{}: {} {what}", self.address, self.called());
        Risk { code, severity, message, remedies: self.look_for_it(observed.candidates.get(&self.place), severity) }
    }

    /// Against what the contract says, and what it had.
    fn content(&self, reading: &Reading, before: Option<&Reading>, observed: &Observed) -> Vec<Risk> {
        let contract = self.contract;
        let words = Words::of(contract.engine);
        let had = before.map(|before| words.had(before)).unwrap_or_default();
        let risk = |code, severity, what| self.risk(code, severity, what, observed);
        let is_set_aside = contract.is_quarantined && is_hollow(reading) && !self.is_loss(observed);
        let empty = |what: String| match is_set_aside {
            true => {
                let what = format!("{what}; apply sets it aside, and the program makes it anew");
                risk("DB_EMPTY", Severity::Warning, what)
            }
            false => risk("DB_EMPTY", Severity::Critical, what),
        };
        match (reading.state, contract.engine) {
            (State::Absent, _) if contract.must_exist || before.is_some() => {
                vec![risk("DB_MISSING", Severity::Critical, format!("is not there{had}"))]
            }
            (State::Absent, _) => Vec::new(),
            (State::NoTables, engine) if engine.is_directory() && !contract.must_exist && before.is_none() => {
                Vec::new()
            }
            (State::NoTables, Engine::Dir | Engine::Postgres | Engine::Qdrant) => {
                vec![risk("DB_EMPTY", Severity::Critical, format!("is a directory with nothing in it{had}"))]
            }
            (State::ZeroLength, _) => vec![empty(format!("has no byte{had}"))],
            (State::NoTables, Engine::Sqlite | Engine::Text) => {
                let what = format!("is a database of {} bytes without any table{had}", reading.size);
                vec![empty(what)]
            }
            (State::NotSqlite, Engine::Sqlite | Engine::Text) => {
                vec![risk("DB_NOT_SQLITE", Severity::Critical, format!("is no SQLite database{had}"))]
            }
            (State::NotSqlite, _) => {
                let what = format!("has {} entries, and {} is not among them{had}", reading.size, words.mark);
                vec![risk("DB_MISSING", Severity::Critical, what)]
            }
            (State::Locked, _) => {
                vec![risk("DB_UNDETERMINED", Severity::Warning, "is held by its owner alone at this moment".to_owned())]
            }
            (State::Undetermined, _) => {
                vec![risk("DB_UNDETERMINED", Severity::Warning, format!("could not be read: {}", reading.why))]
            }
            (State::Unused | State::Populated, _) => {
                let missing = missing(contract, reading, before, words);
                let shrunk = shrunk(contract, reading, before, has_moved(reading, before), words);
                let missing = missing.map(|what| risk("DB_TABLES_MISSING", Severity::Critical, what));
                missing.into_iter().chain(shrunk.map(|(weight, what)| risk("DB_SHRUNK", weight, what))).collect()
            }
        }
    }
}

fn has_moved(reading: &Reading, before: Option<&Reading>) -> bool {
    before.is_some_and(|before| !before.root.is_empty() && !reading.root.is_empty() && before.root != reading.root)
}

/// What SQLite itself says of it, where it was asked.
fn damaged(found: &Integrity) -> Option<(&'static str, Severity, String)> {
    match found {
        Integrity::Damaged(what) => Some(("DB_DAMAGED", Severity::Critical, format!("is damaged: {what}"))),
        Integrity::Unknown(why) => Some(("DB_UNDETERMINED", Severity::Warning, format!("could not be checked: {why}"))),
        Integrity::Whole => None,
    }
}

/// What an engine calls what is counted.
#[derive(Clone, Copy, Debug)]
struct Words {
    tables: &'static str,
    /// And of one, which has none of them.
    rows: &'static str,
    row: &'static str,
    /// What lies in each directory of its kind.
    mark: &'static str,
}

impl Words {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite | Engine::Text | Engine::Dir => {
                Self { tables: "tables", rows: "rows", row: "row", mark: "a table" }
            }
            Engine::Postgres => {
                Self { tables: "databases", rows: "relations", row: "relation", mark: "`PG_VERSION` of a PostgreSQL" }
            }
            Engine::Qdrant => {
                Self { tables: "collections", rows: "points", row: "point", mark: "`collections` of a Qdrant" }
            }
        }
    }

    fn had(self, before: &Reading) -> String {
        let Self { tables, rows, .. } = self;
        match before.tables.len() {
            0 => format!("; had {} at the last good reading", before.size),
            count if before.tables.values().all(Option::is_none) => {
                format!("; had {count} {tables} at the last good reading")
            }
            count => format!("; had {count} {tables} with {} {rows} at the last good reading", before.rows()),
        }
    }
}

/// Tables of the contract that are not there, or of the last good reading where there are too few.
fn missing(contract: &Contract, reading: &Reading, before: Option<&Reading>, words: Words) -> Option<String> {
    let tables = words.tables;
    let gone = |name: &&String| !reading.tables.contains_key(*name);
    let named: Vec<&String> = contract.tables.iter().filter(gone).collect();
    let count = u64::try_from(reading.tables.len()).unwrap_or(u64::MAX);
    let known: Vec<&String> = before.into_iter().flat_map(|before| before.tables.keys()).filter(gone).collect();
    let names = |names: &[&String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (named.is_empty(), count < contract.min_tables) {
        (false, _) => Some(format!("has {count} {tables}, and not {}", names(&named))),
        (true, true) if known.is_empty() => {
            Some(format!("has {count} {tables}; the contract wants {}", contract.min_tables))
        }
        (true, true) => Some(format!("has {count} {tables} of {}: {} is gone", contract.min_tables, names(&known))),
        // As many or more, under other names, is what a new version of the program makes of it.
        (true, false) if before.is_some_and(|before| reading.tables.len() < before.tables.len()) => {
            Some(format!("has {count} {tables}; {} is gone", names(&known)))
        }
        (true, false) => None,
    }
}

/// A table that had rows and has none, or hardly any of all that there were, or fewer in another directory. What a user deletes by and
/// by is told, and is no drift.
fn shrunk(
    contract: &Contract,
    reading: &Reading,
    before: Option<&Reading>,
    moved: bool,
    Words { rows: called, row, .. }: Words,
) -> Option<(Severity, String)> {
    let is_whole = reading.tables.values().all(Option::is_some);
    let rows = reading.rows();
    let before_rows = before.map(Reading::rows);
    let had = before_rows.map(|had| format!(", had {had}")).unwrap_or_default();
    if is_whole && rows < contract.min_rows {
        return Some((
            Severity::Critical,
            format!("has {rows} {called}, and the contract wants {}{had}", contract.min_rows),
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
        let told = emptied.iter().map(|(name, had)| format!("`{name}` has no {row}, had {had}"));
        return Some((Severity::Critical, told.collect::<Vec<_>>().join("; ")));
    }
    let sum = |pick: fn(&(&String, u64, u64)) -> u64| counted.iter().map(pick).sum::<u64>();
    let (had, has) = (sum(|(_, had, _)| *had), sum(|(_, _, has)| *has));
    match has {
        has if has * SHRUNK_BELOW < had || (moved && has < had) => {
            Some((Severity::Critical, format!("has {has} {called}, had {had}")))
        }
        // Of a PostgreSQL, what is rebuilt or dropped is files alike.
        has if has < had && contract.engine == Engine::Sqlite => {
            Some((Severity::Info, format!("has {has} {called}, had {had}")))
        }
        _ => None,
    }
}
