//! Native systemd user services. The unit file is the object: everything that the user sets is a line in it, and the spec
//! in its second line is the last-applied.

mod attributes;
mod render;
mod sockets;
mod spec;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::address::Address;
use crate::attributes::{Attributes, digest};
use crate::change::{Action, Risk, Severity, Steps};
use crate::desired::{
    Condition, Context, Database, Declared, Dependency, Difference, HostPort, Kind, Liveness, Neighbours, Object,
    Resource,
};
use crate::diagnostic::{Diagnostics, Span};
use crate::hand_over;
use crate::kinds::container::{Needs, Restart, UnitDependencies};
use crate::kinds::contract::is_loss;
use crate::kinds::file;
use crate::kinds::quarantine::Hollow;
use crate::kinds::unit::{self, BootWait, Found, Parts, Unit};
use crate::observed::{Observed, PathKind, Query, Seen, Sort};
use crate::probe::Readiness;

/// What the running process was started with; systemd itself cannot say once the file was loaded anew.
const STARTED_WITH: &str = "started_with";

pub(super) use render::seconds;
pub(super) use spec::{SECTIONS, is_unit_name, job};

pub static KIND: Kind = Kind {
    name: "service",
    section: Some("services"),
    keys: spec::KEYS,
    about: "Native systemd user services",
    attributes: attributes::ATTRIBUTES,
    holds_data: false,
    read: Some(spec::read),
    owned: |observed, ours| unit::owned_by("service", observed, ours),
    remove: unit::removal,
    loses: crate::desired::loses_nothing,
};

use sockets::Socket;

#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    address: Address,
    span: Span,
    context: Context,
    /// The program's path, then its arguments.
    exec: Vec<String>,
    kind: &'static str,
    environment: BTreeMap<String, String>,
    env_files: Vec<(PathBuf, bool)>,
    working_dir: Option<PathBuf>,
    depends_on: Vec<Needs>,
    restart: Restart,
    restart_sec: Option<Duration>,
    start_limit: Option<(u32, Duration)>,
    timeout_start: Option<Duration>,
    timeout_stop: Option<Duration>,
    kill_signal: Option<String>,
    nice: Option<i64>,
    memory_max: Option<u64>,
    cpu_quota: Option<f64>,
    tasks_max: Option<i64>,
    sandbox: Option<bool>,
    wanted_by: Vec<String>,
    enabled: bool,
    overrides: BTreeMap<String, Vec<(String, String)>>,
    sockets: Vec<Socket>,
    readiness: Option<Readiness>,
    boot_waits: Vec<BootWait>,
    unit_dependencies: UnitDependencies,
    /// Of a oneshot: does it count as up once it has ended well? Else it is run again and again.
    remains: bool,
    /// Files that it names and the stack file declares; filled by linking.
    files: BTreeMap<PathBuf, Address>,
    /// That it writes; filled by linking.
    databases: Vec<Database>,
    /// Declared directories that those lie in; filled by linking.
    roots: BTreeSet<PathBuf>,
    /// See [`Service::unit`].
    unit: OnceLock<Unit>,
    /// See [`sockets::unit`].
    socket: OnceLock<Unit>,
}

impl Service {
    fn unit_name(&self) -> String {
        format!("{}.service", self.address.name())
    }

    /// Made once, after everything is linked.
    pub(super) fn unit(&self) -> &Unit {
        self.unit.get_or_init(|| {
            let parts = Parts {
                name: self.unit_name(),
                address: self.address.clone(),
                spec: attributes::spec(self),
                body: render::body(self),
                enabled: self.is_enabled() && self.sockets.is_empty(),
                target: "default.target",
            };
            Unit::new(&self.context, parts)
        })
    }

    /// What nothing wants cannot be enabled; where systemd listens for it, it is wanted by its sockets.
    fn is_enabled(&self) -> bool {
        self.enabled && !(self.wanted_by.is_empty() && self.sockets.is_empty())
    }

    /// Is it to run although nobody has asked it anything yet?
    fn runs_by_itself(&self) -> bool {
        !self.is_one_shot() && self.sockets.is_empty()
    }

    /// A oneshot that has ended well is up.
    fn is_one_shot(&self) -> bool {
        self.kind == "oneshot"
    }

    fn has_quarantine(&self) -> bool {
        self.databases.iter().any(|database| database.is_quarantined)
    }

    /// Its databases that are set aside, since their contracts say so.
    fn hollow(&self, observed: &Observed) -> Vec<Hollow> {
        let quarantined = self.databases.iter().filter(|database| database.is_quarantined);
        let hollow = quarantined.filter_map(|database| {
            let Database { address, path, requirement, .. } = database;
            let is_loss = is_loss(address, &path.display().to_string(), observed);
            Hollow::of(path.clone(), requirement.clone(), is_loss, observed)
        });
        hollow.collect()
    }

    fn runs(&self, observed: &Observed) -> bool {
        observed.units.get(&self.unit_name()).is_some_and(crate::observed::Unit::is_active)
    }

    /// Was the process started before the unit came to say what it says now? One that waits for a connection has none.
    fn runs_old_definition(&self, observed: &Observed) -> bool {
        if !self.runs(observed) {
            return false;
        }
        let unit = self.unit();
        let modified = observed.paths.get(unit.path()).and_then(Seen::present);
        let since = observed.units.get(&unit.name).and_then(|unit| unit.details.as_ref());
        let (Some(modified), Some(since)) = (modified, since) else { return false };
        let Found::Ours { spec, edited: None, .. } = unit.found(observed, &self.context) else {
            return false;
        };
        let remembered = observed.facts.get(STARTED_WITH, &self.address);
        remembered.is_some_and(|hash| *hash != of_the_process(&spec)) && since.active_since_us < modified.modified_us
    }
}

impl Resource for Service {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        self.unit().attributes(&mut attributes);
        if self.runs_by_itself() {
            attributes.set("running", true);
        }
        attributes.set("socket_unit", sockets::unit(self).map_or(Value::Null, |unit| unit.text().into()));
        if !self.sockets.is_empty() {
            attributes.set("listening", true);
        }
        attributes.set("current", true);
        if self.has_quarantine() {
            attributes.set("hollow", json!([]));
        }
        attributes
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let edge = |needs: &Needs| {
            let Needs { name: _, on, condition, restart, required: _, span: _ } = needs;
            Some(Dependency { on: on.clone()?, condition: *condition, restart: *restart })
        };
        let is_there = |on: &Address| Dependency { on: on.clone(), condition: Condition::Exists, restart: false };
        let databases = self.databases.iter().map(|database| &database.address);
        self.depends_on.iter().filter_map(edge).chain(self.files.values().chain(databases).map(is_there)).collect()
    }

    fn link(&mut self, declared: &Declared<'_>, diagnostics: &mut Diagnostics) {
        let linked = crate::kinds::container::link_needs(&mut self.depends_on, declared, diagnostics);
        (self.unit_dependencies, self.boot_waits) = linked;
        let program = self.exec.first().filter(|program| program.starts_with('/')).map(PathBuf::from);
        let named = self.env_files.iter().map(|(path, _)| path.clone()).chain(program);
        let declared_file = |path: PathBuf| {
            let address = file::address(&path, &declared.context.home);
            declared.resources.contains_key(&address).then_some((path, address))
        };
        self.files = named.filter_map(declared_file).collect();
        self.databases = declared.databases.get(&self.address).cloned().unwrap_or_default();
        self.roots = self.databases.iter().filter_map(|database| declared.root(&database.path)).collect();
    }

    fn query(&self, query: &mut Query) {
        self.unit().query(&self.context, query);
        sockets::query(self, query);
        query.paths.extend(self.env_files.iter().map(|(path, _)| path.clone()));
        query.paths.extend(self.exec.first().filter(|program| program.starts_with('/')).map(PathBuf::from));
    }

    /// When the process was started is worth asking only where what it was started with is not what the unit says.
    fn query_more(&self, observed: &Observed, query: &mut Query) {
        sockets::query_more(self, observed, query);
        let remembered = observed.facts.get(STARTED_WITH, &self.address);
        if let (Some(hash), Found::Ours { spec, .. }) = (remembered, self.unit().found(observed, &self.context))
            && *hash != of_the_process(&spec)
        {
            query.unit_details.insert(self.unit_name());
        }
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        if let Some(why) = observed.blind.get(&Sort::Units) {
            return Seen::Unknown(why.clone());
        }
        let unit = self.unit();
        match unit.found(observed, &self.context) {
            Found::Unknown(why) => return Seen::Unknown(why),
            Found::Absent | Found::Masked | Found::Foreign(_) => return Seen::Absent,
            Found::Ours { .. } => {}
        }
        let mut attributes = Attributes::default();
        let spec = unit.seen(observed, &self.context, &mut attributes);
        attributes.set("running", self.runs(observed));
        attributes.set("current", !self.runs_old_definition(observed));
        if self.has_quarantine() {
            let hollow: Vec<PathBuf> = self.hollow(observed).into_iter().map(|hollow| hollow.path).collect();
            attributes.set("hollow", json!(hollow));
        }
        sockets::seen(self, spec.get("sockets").is_some(), observed, &mut attributes);
        Seen::Present(Object { attributes, last_applied: Some(spec) })
    }

    fn is_settled(&self, observed: &Observed) -> bool {
        self.sockets.is_empty()
            && observed.blind.is_empty()
            && (!self.runs_by_itself() || self.runs(observed))
            && self.unit().is_settled(observed)
            && sockets::is_gone(self, observed)
            && !self.runs_old_definition(observed)
            && self.hollow(observed).is_empty()
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let unit = self.unit();
        let names = unit::conflicts(unit, observed, &self.context).into_iter().map(|(risk, _)| risk);
        let mut risks: Vec<Risk> = names.chain(unit::drop_ins(unit, observed, &self.context)).collect();
        if let Some(socket) = sockets::unit(self) {
            risks.extend(unit::conflicts(socket, observed, &self.context).into_iter().map(|(risk, _)| risk));
            risks.extend(unit::drop_ins(socket, observed, &self.context));
            risks.extend(sockets::conflicts(self, observed));
        }
        let is_made =
            |path: &PathBuf| self.files.contains_key(path) && observed.paths.get(path).is_some_and(Seen::is_absent);
        let env_files = self.env_files.iter().filter(|(path, _)| !is_made(path));
        risks.extend(env_files.filter_map(|(path, required)| env_file(path, *required, observed)));
        let program = self.exec.first().filter(|program| !is_made(&PathBuf::from(program)));
        risks.extend(program.and_then(|program| missing_program(program, observed)));
        risks
    }

    fn hand_over(&self, observed: &Observed) -> hand_over::Steps {
        let units = std::iter::once(self.unit()).chain(sockets::unit(self));
        let conflicts = units.flat_map(|unit| unit::conflicts(unit, observed, &self.context));
        conflicts.flat_map(|(_, steps)| steps).collect()
    }

    fn steps(&self, difference: &Difference, observed: &Observed, neighbours: &Neighbours<'_>) -> Steps {
        steps::steps(self, difference, observed, neighbours)
    }

    fn facts(&self, observed: &Observed) -> BTreeMap<&'static str, Value> {
        let mut facts = BTreeMap::new();
        if self.runs(observed) {
            facts.insert(STARTED_WITH, of_the_process(&attributes::spec(self)));
        }
        facts
    }

    fn liveness(&self) -> Option<Liveness> {
        Some(Liveness {
            readiness: self.readiness.clone(),
            container: None,
            unit: Some(if self.sockets.is_empty() { self.unit_name() } else { sockets::unit_name(self) }),
            one_shot: self.is_one_shot(),
        })
    }

    fn host_ports(&self) -> Vec<HostPort> {
        sockets::ports(self).collect()
    }

    fn name_on_machine(&self) -> String {
        self.unit_name()
    }

    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}

/// A hash of the rows that a process has from its start; the others are the manager's, and a reload changes them.
fn of_the_process(spec: &Attributes) -> Value {
    let is_the_process = |path: &str| {
        let row = attributes::ATTRIBUTES.iter().find(|row| row.path == path);
        row.is_some_and(|row| row.on_change >= Action::Restart && !row.state)
    };
    let rows = spec.0.iter().filter(|(path, _)| is_the_process(path));
    json!(digest(&Attributes(rows.map(|(path, value)| (path.clone(), value.clone())).collect()).canonical()))
}

/// Secrets lie in it: refused unless nobody else can read it.
fn env_file(path: &std::path::Path, required: bool, observed: &Observed) -> Option<Risk> {
    let risk = |code, message, remedies| Risk { code, severity: Severity::Critical, message, remedies };
    match observed.paths.get(path)? {
        Seen::Present(info) if info.kind == PathKind::File && info.mode & 0o077 != 0 => Some(risk(
            "PATH_TOO_OPEN",
            format!("{} holds secrets and has mode {:04o}", path.display(), info.mode),
            vec!["Let nobody else read it:".to_owned(), format!("  chmod 600 {}", path.display())],
        )),
        Seen::Absent if required => Some(risk(
            "PATH_MISSING",
            format!("the environment file {} does not exist", path.display()),
            vec!["Make it with mode 0600, or say `required: false`.".to_owned()],
        )),
        Seen::Present(_) | Seen::Absent | Seen::Unknown(_) => None,
    }
}

fn missing_program(program: &str, observed: &Observed) -> Option<Risk> {
    let absent = observed.paths.get(std::path::Path::new(program))?.is_absent();
    absent.then(|| Risk {
        code: "PATH_MISSING",
        severity: Severity::Critical,
        message: format!("the program {program} does not exist"),
        remedies: vec!["Install it there, or write the path where it is.".to_owned()],
    })
}

/// Of the edges of a service.
pub(super) fn condition_word(condition: Condition) -> &'static str {
    match condition {
        Condition::Healthy => "service_healthy",
        Condition::CompletedSuccessfully => "service_completed_successfully",
        Condition::Started | Condition::Exists => "service_started",
    }
}
