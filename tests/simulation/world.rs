//! A machine of one container with its unit, as plain data. It answers as podman and systemd do, as far as a replace needs
//! it, and fails at the call that it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use stackctl::address::Address;
use stackctl::desired::{Context, Desired};
use stackctl::effect::{Effect, Files, Podman, Systemd, Wait};
use stackctl::execute::journal::JournalError;
use stackctl::execute::{Cancel, Fate, Journal, Options, StepState, execute};
use stackctl::graph::Graph;
use stackctl::kinds;
use stackctl::machine::{Failure, FailureKind, Observe, Perform, Progress};
use stackctl::observed::{
    Container, ContainerState, Engine, Health, Image, Manager, Observed, PathInfo, PathKind, Query, Seen, Unit,
};
use stackctl::plan::{self, Inputs, Plan};
use tokio::sync::Notify;

use super::SICK;
use crate::plans::{resolved_with, seen_paths};

const LIVE: &str = "s-web";
const UNIT: &str = "podman-s-web.service";

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process ends; the call was not made.
    KillBefore,
    /// The process ends; the call was made.
    KillAfter,
    Refuse,
    LoseRequest,
    LoseReply,
    /// The call is made, and the user asks for the end meanwhile.
    Interrupt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) tag: String,
    labels: BTreeMap<String, String>,
    running: bool,
    started: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) containers: BTreeMap<String, Object>,
    /// With the time of its last change.
    files: BTreeMap<PathBuf, (String, u64)>,
    enabled: bool,
    /// A stop is under way, and what it stops still runs.
    pub(crate) going_down: bool,
    loaded_at: u64,
    now: u64,
}

impl World {
    /// The tag of what runs under the name, and is healthy.
    pub(crate) fn serving(&self) -> Option<&str> {
        let live = self.containers.get(LIVE).filter(|live| live.running && live.tag != SICK)?;
        Some(&live.tag)
    }

    /// Everything stops, and what is enabled starts.
    pub(crate) fn reboot(&mut self) {
        self.containers.values_mut().for_each(|container| container.running = false);
        self.loaded_at = self.now;
        if self.enabled {
            self.start().ok();
        }
    }

    /// Carries the plan out; whether the fault's call was reached.
    pub(crate) fn execute(&mut self, plan: &Plan, fault: Option<(usize, Fault)>) -> bool {
        let machine = Machine {
            world: RefCell::new(std::mem::take(self)),
            fault,
            calls: Cell::new(0),
            killed: Notify::new(),
            cancel: Cancel::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without a driver");
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = machine.killed.notified() => {}
                _ = execute(plan, &machine, &Nowhere, &|_| {}, Options { parallelism: 1 }, &machine.cancel) => {}
            }
        });
        *self = machine.world.into_inner();
        fault.is_some_and(|(call, _)| machine.calls.get() > call)
    }

    /// As the unit does: first its condition, which puts a parked one back where there is no other.
    fn start(&mut self) -> Result<(), Failure> {
        if !self.containers.contains_key(LIVE)
            && let Some(parked) = self.containers.remove(&format!("{LIVE}.parked"))
        {
            self.containers.insert(LIVE.to_owned(), parked);
        }
        let Some(live) = self.containers.get_mut(LIVE) else {
            return Err(Failure::new(FailureKind::NotUp, "there is nothing to start"));
        };
        (live.running, live.started) = (true, true);
        is_healthy(live)
    }

    fn perform(&mut self, effect: &Effect) -> Result<(), Failure> {
        self.now += 1;
        match effect {
            Effect::Podman(effect) => self.podman(effect),
            Effect::Systemd(Systemd::Start { .. }) => self.start(),
            Effect::Systemd(Systemd::Stop { .. }) => {
                self.containers.get_mut(LIVE).into_iter().for_each(|live| live.running = false);
                Ok(())
            }
            Effect::Systemd(Systemd::Reload) => {
                self.loaded_at = self.now;
                Ok(())
            }
            Effect::Systemd(Systemd::Enable { .. }) => {
                self.enabled = true;
                Ok(())
            }
            Effect::Systemd(Systemd::Disable { .. }) => {
                self.enabled = false;
                Ok(())
            }
            Effect::Files(Files::Write { path, content, mode: _ }) => {
                self.files.insert(path.clone(), (content.clone(), self.now));
                Ok(())
            }
            Effect::Files(Files::Remove { path }) => {
                self.files.remove(path);
                Ok(())
            }
            Effect::Wait(Wait::Healthy { .. }) => match self.containers.get(LIVE).filter(|live| live.running) {
                Some(live) => is_healthy(live),
                None => Err(Failure::new(FailureKind::NotUp, "it is down")),
            },
            other => panic!("this machine has no `{other}`"),
        }
    }

    fn podman(&mut self, effect: &Podman) -> Result<(), Failure> {
        let conflict = || Err(Failure::new(FailureKind::Conflict, "the name is taken"));
        match effect {
            Podman::CreateContainer(body) if self.containers.contains_key(&body.name) => return conflict(),
            Podman::CreateContainer(body) => {
                let tag = body.image.rsplit(':').next().unwrap_or_default().to_owned();
                let object = Object { tag, labels: body.labels.clone(), running: false, started: false };
                self.containers.insert(body.name.clone(), object);
            }
            Podman::RenameContainer { from, to } => {
                match (self.containers.contains_key(from), self.containers.contains_key(to)) {
                    (true, true) => return conflict(),
                    (false, false) => return Err(Failure::new(FailureKind::NotFound, "no such container")),
                    (false, true) => {}
                    (true, false) => {
                        let object = self.containers.remove(from).expect("it is there");
                        self.containers.insert(to.clone(), object);
                    }
                }
            }
            Podman::RemoveContainer { name } => match self.containers.get(name) {
                Some(object) if object.running => return Err(Failure::new(FailureKind::Refused, "it runs")),
                _ => drop(self.containers.remove(name)),
            },
            other => panic!("this podman has no `{other}`"),
        }
        Ok(())
    }

    fn observed(&self, query: &Query) -> Observed {
        let container = |(name, object): (&String, &Object)| {
            let seen = Container {
                applied: std::sync::OnceLock::new(),
                id: format!("{name} {}", object.tag),
                name: name.clone(),
                labels: object.labels.clone(),
                image: format!("localhost/web:{}", object.tag),
                image_id: object.tag.clone(),
                state: match (object.running, object.started) {
                    (true, _) => ContainerState::Running,
                    (false, true) => ContainerState::Exited,
                    (false, false) => ContainerState::Created,
                },
                exit_code: 0,
                health: object.running.then_some(if object.tag == SICK { Health::Unhealthy } else { Health::Healthy }),
                started_at: if object.started { "2026-01-01T00:00:00Z".to_owned() } else { String::new() },
                pid: 0,
                networks: Vec::new(),
                ports: Vec::new(),
                inspect: None,
            };
            (name.clone(), seen)
        };
        let active = match self.containers.get(LIVE).is_some_and(|live| live.running) {
            true if self.going_down => "deactivating",
            true => "active",
            false => "inactive",
        };
        let unit = Unit {
            name: UNIT.to_owned(),
            load: "loaded".to_owned(),
            active: active.to_owned(),
            sub: String::new(),
            details: None,
        };
        let file = |content: Option<String>, modified_us| {
            Seen::Present(PathInfo {
                kind: PathKind::File,
                mode: 0o644,
                uid: 1000,
                modified_us,
                writable: true,
                content,
                empty: None,
            })
        };
        let mut paths = seen_paths(query);
        paths.extend(self.files.iter().map(|(path, (text, at))| (path.clone(), file(Some(text.clone()), *at))));
        if self.enabled {
            let link = PathBuf::from("/home/u/.config/systemd/user/default.target.wants").join(UNIT);
            paths.insert(link, file(None, 0));
        }
        let image = |reference: &String| {
            let id = reference.rsplit(':').next().unwrap_or_default().to_owned();
            (reference.clone(), Seen::Present(Image { id, ..Image::default() }))
        };
        Observed {
            podman: Seen::Present(Engine { version: "5.4.2".to_owned() }),
            manager: Seen::Present(Manager { loaded_at_us: self.loaded_at }),
            containers: self.containers.iter().map(container).collect(),
            images: query.images.iter().map(image).collect(),
            units: [(UNIT.to_owned(), unit)].into_iter().collect(),
            paths,
            ..Observed::default()
        }
    }
}

/// Only the sick one never gets there.
fn is_healthy(object: &Object) -> Result<(), Failure> {
    if object.tag == SICK { Err(Failure::new(FailureKind::NotUp, "it is sick")) } else { Ok(()) }
}

/// What brings this world to this tag.
pub(crate) fn plan(world: &World, tag: &str) -> Plan {
    /// By tag: reading the file is most of the work otherwise.
    type Read = BTreeMap<String, Rc<(Desired, Graph, Context)>>;
    thread_local! { static READ: RefCell<Read> = RefCell::default(); }
    let read = || {
        let vars = BTreeMap::from([("TAG".to_owned(), tag.to_owned())]);
        Rc::new(resolved_with(&["tests/simulation/web.yaml"], vars))
    };
    let read = READ.with_borrow_mut(|all| Rc::clone(all.entry(tag.to_owned()).or_insert_with(read)));
    let (desired, graph, context) = &*read;
    let mut query = Query::default();
    desired.resources.values().for_each(|resource| resource.query(&mut query));
    let observed = world.observed(&query);
    let options = plan::Options::default();
    let inputs = Inputs { desired, graph, observed: &observed, context, kinds: kinds::ALL, options: &options };
    stackctl::plan::plan(&inputs)
}

struct Machine {
    world: RefCell<World>,
    fault: Option<(usize, Fault)>,
    calls: Cell<usize>,
    killed: Notify,
    cancel: Cancel,
}

impl Observe for Machine {
    async fn observe(&self, query: &Query) -> Observed {
        self.world.borrow().observed(query)
    }
}

impl Perform for Machine {
    async fn perform(&self, effect: &Effect, _progress: &Progress<'_>) -> Result<(), Failure> {
        let call = self.calls.replace(self.calls.get() + 1);
        let fault = self.fault.filter(|(at, _)| *at == call).map(|(_, fault)| fault);
        let lost = || Err(Failure::new(FailureKind::LostReply, "the connection broke"));
        match fault {
            None => self.world.borrow_mut().perform(effect),
            Some(Fault::Refuse) => Err(Failure::new(FailureKind::Refused, "no")),
            Some(Fault::LoseRequest) => lost(),
            Some(Fault::LoseReply) => {
                self.world.borrow_mut().perform(effect)?;
                lost()
            }
            Some(Fault::Interrupt) => {
                self.cancel.cancel();
                self.world.borrow_mut().perform(effect)
            }
            Some(Fault::KillBefore) => self.end().await,
            Some(Fault::KillAfter) => {
                self.world.borrow_mut().perform(effect).ok();
                self.end().await
            }
        }
    }
}

impl Machine {
    /// The process is gone: this never answers, and who waits for it is dropped.
    async fn end(&self) -> Result<(), Failure> {
        self.killed.notify_one();
        std::future::pending().await
    }
}

struct Nowhere;

impl Journal for Nowhere {
    fn step(&self, _: &Address, _: usize, _: StepState, _: &str) -> Result<(), JournalError> {
        Ok(())
    }

    fn fate(&self, _: &Address, _: &Fate) -> Result<(), JournalError> {
        Ok(())
    }
}
