//! What each combination of container, unit and probe is called.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ask, rows};
use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::Steps;
use crate::desired::{Dependency, Desired, Difference, Liveness, Neighbours, Object, Resource, Resources};
use crate::observed::systemd::UnitDetails;
use crate::observed::{Container, ContainerState, Health, Observed, ProbeReading, Query, Seen, Unit};
use crate::probe::{Probe, Readiness};
use crate::report::status::{Row, State};

const NOW_US: u64 = 1_000_000_000_000;

#[derive(Debug)]
struct Thing {
    address: Address,
    liveness: Liveness,
    seen: Seen<Object>,
}

impl Resource for Thing {
    fn address(&self) -> &Address {
        &self.address
    }
    fn attributes(&self) -> Attributes {
        Attributes::default()
    }
    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }
    fn query(&self, _query: &mut Query) {}
    fn seen(&self, _observed: &Observed) -> Seen<Object> {
        self.seen.clone()
    }
    fn steps(&self, _difference: &Difference, _observed: &Observed, _graph: &Neighbours<'_>) -> Steps {
        Steps::default()
    }
    fn liveness(&self) -> Option<Liveness> {
        Some(self.liveness.clone())
    }
}

/// Healthy within two minutes of its start.
fn readiness() -> Readiness {
    Readiness {
        probe: Probe::Tcp { address: "127.0.0.1:6333".to_owned() },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        retries: 3,
        start_period: Duration::from_secs(60),
    }
}

fn desired(liveness: Liveness, seen: Seen<Object>) -> Desired {
    let address = Address::new("container", "x");
    let thing = Thing { address: address.clone(), liveness, seen };
    let resources: Resources = Resources::from_iter([(address, Box::new(thing) as Box<dyn Resource>)]);
    Desired { stack: "s".to_owned(), called: "s".to_owned(), resources, inactive: BTreeMap::new() }
}

fn container_liveness() -> Liveness {
    Liveness { container: Some("s-x".to_owned()), unit: Some("podman-s-x.service".to_owned()), ..Liveness::default() }
}

fn container(state: ContainerState, exit_code: i32) -> Container {
    Container {
        id: "id".to_owned(),
        name: "s-x".to_owned(),
        labels: BTreeMap::new(),
        image: String::new(),
        image_id: String::new(),
        state,
        exit_code,
        health: None,
        started_at: String::new(),
        pid: 0,
        networks: Vec::new(),
        ports: Vec::new(),
        inspect: None,
        applied: std::sync::OnceLock::new(),
    }
}

fn unit(active: &str, sub: &str, seconds_ago: u64) -> Unit {
    Unit {
        name: "podman-s-x.service".to_owned(),
        load: "loaded".to_owned(),
        active: active.to_owned(),
        sub: sub.to_owned(),
        details: Some(UnitDetails {
            restarts: 4,
            exit_status: 7,
            active_since_us: NOW_US - seconds_ago * 1_000_000,
            ..UnitDetails::default()
        }),
    }
}

fn observed(container: Option<Container>, unit: Option<Unit>) -> Observed {
    Observed {
        containers: container.map(|container| (container.name.clone(), container)).into_iter().collect(),
        units: unit.map(|unit| (unit.name.clone(), unit)).into_iter().collect(),
        ..Observed::default()
    }
}

fn row(liveness: Liveness, observed: &Observed) -> Row {
    rows(&desired(liveness, Seen::Present(Object::default())), observed, NOW_US).remove(0)
}

#[test]
fn a_container_that_does_not_run_says_why() {
    let one_shot = || Liveness { one_shot: true, ..container_liveness() };
    for (liveness, container, unit, state) in [
        (container_liveness(), container(ContainerState::Exited, 101), unit("failed", "failed", 5), State::Failed),
        (
            container_liveness(),
            container(ContainerState::Exited, 1),
            unit("activating", "auto-restart", 5),
            State::Restarting,
        ),
        (container_liveness(), container(ContainerState::Exited, 143), unit("inactive", "dead", 5), State::Stopped),
        (container_liveness(), container(ContainerState::Created, 0), unit("inactive", "dead", 5), State::Stopped),
        (one_shot(), container(ContainerState::Exited, 0), unit("inactive", "dead", 5), State::Completed),
        (one_shot(), container(ContainerState::Exited, 2), unit("inactive", "dead", 5), State::Failed),
    ] {
        let row = row(liveness, &observed(Some(container.clone()), Some(unit)));
        assert_eq!((row.state, row.restarts), (state, Some(4)), "{container:?}");
    }
}

#[test]
fn what_runs_is_running_until_more_was_promised() {
    let up = observed(Some(container(ContainerState::Running, 0)), Some(unit("active", "running", 30)));
    let plain = row(container_liveness(), &up);
    assert_eq!((plain.state, plain.since_us), (State::Running, Some(NOW_US - 30_000_000)));
    let promised = Liveness { readiness: Some(readiness()), ..container_liveness() };
    assert_eq!(row(promised, &up).state, State::Unknown, "a probe without an answer is not healthy");
}

#[test]
fn a_probe_that_fails_has_until_its_deadline() {
    let promised = || Liveness { readiness: Some(readiness()), ..container_liveness() };
    let seen = |seconds_ago, passed| {
        let answer = "connection refused".to_owned();
        let mut observed =
            observed(Some(container(ContainerState::Running, 0)), Some(unit("active", "running", seconds_ago)));
        observed.probes.insert(Address::new("container", "x"), ProbeReading { passed, answer });
        row(promised(), &observed)
    };
    assert_eq!(seen(500, true).state, State::Healthy);
    let starting = seen(30, false);
    assert_eq!((starting.state, starting.time_left), (State::Starting, Some(Duration::from_secs(90))));
    assert_eq!(starting.answer.as_deref(), Some("connection refused"));
    assert_eq!((seen(120, false).state, seen(120, false).time_left), (State::Unhealthy, None));
}

#[test]
fn a_containers_own_check_counts_where_there_is_no_other() {
    for (health, state) in
        [(Health::Healthy, State::Healthy), (Health::Starting, State::Starting), (Health::Unhealthy, State::Unhealthy)]
    {
        let container = Container { health: Some(health), ..container(ContainerState::Running, 0) };
        let seen = observed(Some(container), Some(unit("active", "running", 30)));
        assert_eq!(row(container_liveness(), &seen).state, state);
    }
}

#[test]
fn a_service_is_known_by_its_unit() {
    let service = || Liveness { unit: Some("podman-s-x.service".to_owned()), ..Liveness::default() };
    for (active, sub, state, exit_code) in [
        ("active", "running", State::Running, None),
        ("activating", "start", State::Starting, None),
        ("activating", "auto-restart", State::Restarting, Some(7)),
        ("failed", "failed", State::Failed, Some(7)),
        ("inactive", "dead", State::Stopped, None),
    ] {
        let row = row(service(), &observed(None, Some(unit(active, sub, 5))));
        assert_eq!((row.state, row.exit_code), (state, exit_code), "{active} {sub}");
    }
    assert_eq!(row(service(), &observed(None, None)).state, State::Stopped);
}

#[test]
fn missing_and_unknown_are_kept_apart() {
    let state = |seen| rows(&desired(container_liveness(), seen), &Observed::default(), NOW_US).remove(0).state;
    assert_eq!(state(Seen::Absent), State::Missing);
    assert_eq!(state(Seen::Unknown("no answer".to_owned())), State::Unknown);
}

#[test]
fn probes_and_details_are_asked_for() {
    let mut query = Query::default();
    let liveness = Liveness { readiness: Some(readiness()), ..container_liveness() };
    ask(&desired(liveness, Seen::Absent), &mut query);
    assert!(query.probes.contains_key(&Address::new("container", "x")));
    assert!(query.unit_details.contains("podman-s-x.service") && query.containers.contains("s-x"));
}
