//! What is remembered must survive a lost database, and no run may begin that cannot be written down.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::json;

use super::{Ledger, LedgerError, Start, secrets, secrets_to_look};
use crate::address::Address;
use crate::change::{Action, Change, Steps};
use crate::execute::{Fate, Journal as _, StepState};
use crate::machine::{Failure, FailureKind};
use crate::observed::Facts;

/// A directory of this test's own, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stackctl-ledger-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn one_fact() -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([("applied:directory.~/x".to_owned(), json!({ "mode": "0700" }))])
}

#[test]
fn facts_outlive_a_lost_and_a_broken_database() {
    let place = Place::new("facts");
    Ledger::open(&place.0).unwrap().remember(&one_fact(), &[]).unwrap();
    fs::remove_file(place.0.join("ledger.db")).unwrap();
    assert_eq!(Ledger::open(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()));
    for sidecar in ["ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(place.0.join(sidecar)).ok();
    }
    fs::write(place.0.join("ledger.db"), "this was never a database, whatever its name says").unwrap();
    assert_eq!(Ledger::open_to_look(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()));
    assert_eq!(Ledger::open(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()));
    let kept = fs::read_dir(&place.0).unwrap().filter_map(Result::ok);
    let kept = kept.filter(|entry| entry.file_name().to_string_lossy().contains("broken")).count();
    assert_eq!(kept, 1, "the broken one is set aside, not deleted");
}

#[test]
fn looking_makes_no_ledger() {
    let place = Place::new("look");
    assert!(Ledger::open_to_look(&place.0).unwrap().facts().unwrap().0.is_empty());
    assert!(!place.0.exists());
}

#[test]
fn a_fact_that_is_gone_is_forgotten_in_both_places() {
    let place = Place::new("forget");
    let ledger = Ledger::open(&place.0).unwrap();
    ledger.remember(&one_fact(), &[]).unwrap();
    ledger.remember(&BTreeMap::new(), &["applied:directory.~/x".to_owned()]).unwrap();
    assert!(ledger.facts().unwrap().0.is_empty());
    assert!(!fs::read_to_string(place.0.join("facts.json")).unwrap().contains("directory"));
}

#[test]
fn steps_are_there_for_another_process_before_their_effect() {
    let place = Place::new("steps");
    let ledger = std::rc::Rc::new(Ledger::open(&place.0).unwrap());
    let journal =
        ledger.begin(&Start { verb: "apply", command: "stackctl apply", changes: &[], origin: None }).unwrap();
    let address = Address::new("container", "x");
    journal.step(&address, 0, StepState::Intended, "create container x").unwrap();
    let other = rusqlite::Connection::open(place.0.join("ledger.db")).unwrap();
    let state: String = other.query_row("SELECT state FROM steps", [], |row| row.get(0)).unwrap();
    assert_eq!(state, "intended");
    journal.fate(&address, &Fate::Done).unwrap();
    journal.end(0).unwrap();
    let exit: i64 = other.query_row("SELECT exit_code FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(exit, 0);
}

#[test]
fn everything_is_private_and_the_key_stays_the_same() {
    let place = Place::new("key");
    let first = secrets(&place.0).unwrap();
    assert_eq!(first, secrets(&place.0).unwrap());
    drop(Ledger::open(&place.0).unwrap());
    for (name, mode) in [(".", 0o700), ("key", 0o600), ("ledger.db", 0o600)] {
        let found = fs::metadata(place.0.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    fs::write(place.0.join("key"), "short").unwrap();
    assert!(matches!(secrets(&place.0), Err(LedgerError::Key(_))));
}

#[test]
fn a_ledger_of_a_later_version_is_left_alone() {
    let place = Place::new("newer");
    drop(Ledger::open(&place.0).unwrap());
    let other = rusqlite::Connection::open(place.0.join("ledger.db")).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(&place.0), Err(LedgerError::Newer(_, 99))));
}

#[test]
fn looking_makes_no_key_and_uses_the_one_that_is_there() {
    let place = Place::new("look-key");
    let seal = |secrets: crate::attributes::Secrets| secrets.seal("word");
    let first = seal(secrets_to_look(&place.0).unwrap());
    assert_ne!(first, seal(secrets_to_look(&place.0).unwrap()), "a key that is the same everywhere hides nothing");
    assert!(!place.0.exists());
    let made = seal(secrets(&place.0).unwrap());
    assert_eq!(seal(secrets_to_look(&place.0).unwrap()), made);
}

impl Place {
    /// Names in the directory that a set-aside left.
    fn broken(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".broken-")).collect()
    }

    fn mirror(&self) -> PathBuf {
        self.0.join("facts.json")
    }
}

#[test]
fn damage_inside_the_database_is_found_when_it_is_opened() {
    let place = Place::new("damage");
    let ledger = Ledger::open(&place.0).unwrap();
    ledger.remember(&one_fact(), &[]).unwrap();
    ledger.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(ledger);
    // The first page, with the header and the names of the tables, stays whole.
    let path = place.0.join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    assert_eq!(Ledger::open_to_look(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()));
    assert_eq!(place.broken(), [""; 0], "looking sets nothing aside");
    let ledger = Ledger::open(&place.0).unwrap();
    assert_eq!(ledger.facts().unwrap(), Facts(one_fact().into()));
    assert_eq!(place.broken().len(), 1);
    let more = BTreeMap::from([("fingerprint:container.x".to_owned(), json!("abc"))]);
    ledger.remember(&more, &[]).unwrap();
    assert_eq!(ledger.facts().unwrap().0.len(), 2);
}

#[test]
fn a_database_whose_tables_were_never_made_knows_what_the_mirror_says() {
    let place = Place::new("unmade");
    Ledger::open(&place.0).unwrap().remember(&one_fact(), &[]).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(place.0.join(name)).ok();
    }
    fs::write(place.0.join("ledger.db"), "").unwrap();
    assert_eq!(Ledger::open_to_look(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()));
    assert_eq!(Ledger::open(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()));
    assert_eq!(place.broken(), [""; 0]);
}

#[test]
fn a_mirror_that_is_lost_behind_or_broken_is_written_anew() {
    let place = Place::new("mirror");
    let ledger = Ledger::open(&place.0).unwrap();
    ledger.remember(&BTreeMap::from([("b:x.y".to_owned(), json!(1))]), &[]).unwrap();
    let behind = fs::read(place.mirror()).unwrap();
    ledger.remember(&one_fact(), &["b:x.y".to_owned()]).unwrap();
    let right = fs::read(place.mirror()).unwrap();
    drop(ledger);

    fs::remove_file(place.mirror()).unwrap();
    drop(Ledger::open(&place.0).unwrap());
    assert_eq!(fs::read(place.mirror()).unwrap(), right);

    fs::write(place.mirror(), behind).unwrap();
    assert_eq!(Ledger::open(&place.0).unwrap().facts().unwrap(), Facts(one_fact().into()), "the database is right");
    assert_eq!(fs::read(place.mirror()).unwrap(), right);

    fs::write(place.mirror(), "{").unwrap();
    drop(Ledger::open(&place.0).unwrap());
    assert_eq!(fs::read(place.mirror()).unwrap(), right);
    assert_eq!(place.broken().len(), 1, "it may have been all that was left");
}

#[test]
fn forgotten_facts_do_not_come_back_from_a_mirror_that_is_behind() {
    let place = Place::new("behind");
    let ledger = Ledger::open(&place.0).unwrap();
    ledger.remember(&one_fact(), &[]).unwrap();
    let behind = fs::read(place.mirror()).unwrap();
    ledger.remember(&BTreeMap::new(), &["applied:directory.~/x".to_owned()]).unwrap();
    drop(ledger);
    // As a kill between the transaction and the mirror leaves it.
    fs::write(place.mirror(), behind).unwrap();
    assert!(Ledger::open(&place.0).unwrap().facts().unwrap().0.is_empty());
}

#[test]
fn a_mirror_of_a_later_version_is_left_alone() {
    let place = Place::new("newer-mirror");
    fs::create_dir(&place.0).unwrap();
    let later = r#"{"format_version": 2, "facts": ["of another form"]}"#;
    fs::write(place.mirror(), later).unwrap();
    assert!(matches!(Ledger::open(&place.0), Err(LedgerError::Newer(_, 2))));
    assert_eq!(fs::read_to_string(place.mirror()).unwrap(), later);
}

#[test]
fn looking_at_a_ledger_of_a_later_version_is_refused() {
    let place = Place::new("newer-look");
    drop(Ledger::open(&place.0).unwrap());
    let other = rusqlite::Connection::open(place.0.join("ledger.db")).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open_to_look(&place.0), Err(LedgerError::Newer(_, 99))));
}

#[test]
fn a_directory_that_others_can_read_is_closed_to_them() {
    let place = Place::new("open");
    fs::create_dir(&place.0).unwrap();
    fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
    secrets(&place.0).unwrap();
    assert_eq!(fs::metadata(&place.0).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn runs_that_begin_together_end_with_one_key() {
    let place = Place::new("race");
    let seals: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| secrets(&place.0).unwrap().hash("word"))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(seals.len(), 1);
    let names: Vec<_> = fs::read_dir(&place.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["key"], "nothing is left beside it");
}

fn change(name: &str) -> Change {
    Change {
        address: Address::new("container", name),
        action: Action::Replace,
        reasons: vec!["the image differs".to_owned(), "a port differs".to_owned()],
        attributes: Vec::new(),
        risks: Vec::new(),
        steps: Steps::default(),
        after: Vec::new(),
    }
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let place = Place::new("rows");
    let ledger = std::rc::Rc::new(Ledger::open(&place.0).unwrap());
    let changes = [change("b"), change("a")];
    let start = Start { verb: "apply", command: "stackctl apply", changes: &changes, origin: None };
    let journal = ledger.begin(&start).unwrap();
    let failure = Failure::new(FailureKind::Refused, "podman said no");
    journal.step(&changes[0].address, 0, StepState::Intended, "stop b").unwrap();
    journal.step(&changes[0].address, 0, StepState::Failed, "stop b").unwrap();
    journal.fate(&changes[0].address, &Fate::Undone { step: "stop b".to_owned(), failure }).unwrap();
    let because = changes[0].address.clone();
    journal.fate(&changes[1].address, &Fate::Skipped { because }).unwrap();
    journal.end(1).unwrap();
    ledger
        .begin(&Start { verb: "destroy", command: "stackctl destroy", changes: &[], origin: None })
        .unwrap()
        .end(0)
        .unwrap();

    let looking = Ledger::open_to_look(&place.0).unwrap();
    let verbs: Vec<_> = looking.runs(10).unwrap().into_iter().map(|run| run.verb).collect();
    assert_eq!(verbs, ["destroy", "apply"], "the last one first");
    assert_eq!(looking.runs(1).unwrap().len(), 1);
    assert_eq!(looking.run(99).unwrap(), None);
    let detail = looking.run(1).unwrap().unwrap();
    assert_eq!((detail.run.exit_code, detail.run.pid), (Some(1), std::process::id()));
    assert!(detail.run.ended_us.unwrap() >= detail.run.started_us);
    let told: Vec<_> = detail
        .changes
        .iter()
        .map(|row| (row.address.name(), row.action.as_str(), row.fate.as_deref(), row.failure.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("b", "replace", Some("undone"), Some("stop b: podman said no")),
            ("a", "replace", Some("skipped"), Some("container.b")),
        ]
    );
    assert_eq!(detail.changes[0].reasons, "the image differs\na port differs");
    let states: Vec<_> = detail.steps.iter().map(|step| (step.ordinal, step.state.as_str())).collect();
    assert_eq!(states, [(0, "intended"), (0, "failed")]);
}

#[test]
fn a_run_that_was_cut_off_tells_the_steps_in_its_hands() {
    let place = Place::new("cut-off");
    let ledger = std::rc::Rc::new(Ledger::open(&place.0).unwrap());
    assert_eq!(ledger.unfinished().unwrap(), None);
    let changes = [change("a"), change("b"), change("c")];
    let journal =
        ledger.begin(&Start { verb: "apply", command: "stackctl apply", changes: &changes, origin: None }).unwrap();
    let [a, b, c] = changes.each_ref().map(|change| &change.address);
    for (address, ordinal, state) in [
        (a, 0, StepState::Intended),
        (a, 0, StepState::Done),
        (a, 1, StepState::Intended),
        (b, 0, StepState::Intended),
        (b, 0, StepState::Done),
        (b, 0, StepState::Undoing),
        (c, 0, StepState::Intended),
        (c, 0, StepState::Failed),
    ] {
        journal.step(address, ordinal, state, "a step").unwrap();
    }
    drop((journal, ledger));

    let ledger = std::rc::Rc::new(Ledger::open(&place.0).unwrap());
    let unfinished = ledger.unfinished().unwrap().unwrap();
    assert_eq!(unfinished.run.verb, "apply");
    let open: Vec<_> =
        unfinished.steps.iter().map(|step| (step.address.name(), step.ordinal, step.state.as_str())).collect();
    assert_eq!(open, [("a", 1, "intended"), ("b", 0, "undoing")]);

    ledger
        .begin(&Start { verb: "apply", command: "stackctl apply", changes: &[], origin: None })
        .unwrap()
        .end(0)
        .unwrap();
    assert_eq!(ledger.unfinished().unwrap(), None, "only the last run counts");
}

#[test]
fn looking_changes_no_fact_and_no_row_and_nothing_beside_the_directory() {
    let home = Place::new("look-only");
    let state = home.0.join("state/stackctl/s");
    fs::create_dir_all(&state).unwrap();
    fs::write(home.0.join("stack.yaml"), "version: 1").unwrap();
    let ledger = Ledger::open(&state).unwrap();
    ledger.remember(&one_fact(), &[]).unwrap();
    drop(ledger);
    secrets(&state).unwrap();
    let files = || -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
        let names = ["stack.yaml", "state/stackctl/s/ledger.db", "state/stackctl/s/facts.json", "state/stackctl/s/key"];
        let paths = names.map(|name| home.0.join(name));
        paths
            .map(|path| (path.clone(), (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap())))
            .into()
    };
    let before = files();
    let looking = Ledger::open_to_look(&state).unwrap();
    assert_eq!(looking.facts().unwrap(), Facts(one_fact().into()));
    assert_eq!(looking.runs(10).unwrap(), []);
    secrets_to_look(&state).unwrap();
    looking.connection().execute("DELETE FROM facts", []).unwrap_err();
    drop(looking);
    assert_eq!(files(), before);
    let beside: Vec<_> =
        fs::read_dir(home.0.join("state/stackctl")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["s"]);
}
