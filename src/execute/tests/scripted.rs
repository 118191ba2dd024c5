//! A machine of a few containers and unit files for the executor's tests. It keeps `Perform`'s contract (an end already
//! reached is done), refuses what podman refuses, and fails where a test says so. It knows nothing of the executor.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::address::Address;
use crate::effect::{Effect, Files, Podman, Systemd, Wait};
use crate::execute::journal::{JournalError, StepState};
use crate::execute::{Cancel, Fate, Journal};
use crate::machine::{Failure, FailureKind, Observe, Perform, Progress};
use crate::observed::{Observed, Query};

/// What happens to one call, by its ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing happened.
    Refuse,
    Unreachable,
    /// Nothing happened, but who asked cannot know.
    LoseRequest,
    /// It happened, but who asked cannot know.
    LoseReply,
    /// It happened, and what was started is down again.
    NotUp,
    /// It happens, and the user asks for the end meanwhile.
    Interrupt,
    /// It never answers; the user asks for the end meanwhile.
    HangAndInterrupt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) image: String,
    pub(super) running: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) containers: BTreeMap<String, Object>,
    pub(super) files: BTreeMap<String, String>,
}

impl World {
    pub(super) fn with(mut self, name: &str, image: &str, running: bool) -> Self {
        self.containers.insert(name.to_owned(), Object { image: image.to_owned(), running });
        self
    }

    /// The image that runs under this name.
    pub(super) fn serving(&self, name: &str) -> Option<&str> {
        self.containers.get(name).filter(|object| object.running).map(|object| object.image.as_str())
    }
}

#[derive(Debug, Default)]
pub(super) struct Scripted {
    pub(super) world: RefCell<World>,
    pub(super) faults: BTreeMap<usize, Fault>,
    pub(super) cancel: Cancel,
    /// What the journal and the machine saw, in one order.
    pub(super) log: Rc<RefCell<Vec<String>>>,
    pub(super) calls: Cell<usize>,
    pub(super) at_work: Cell<usize>,
    pub(super) at_work_most: Cell<usize>,
}

impl Scripted {
    pub(super) fn new(world: World) -> Self {
        Self { world: world.into(), ..Self::default() }
    }

    pub(super) fn fault(mut self, call: usize, fault: Fault) -> Self {
        self.faults.insert(call, fault);
        self
    }

    pub(super) fn world(&self) -> World {
        self.world.borrow().clone()
    }

    /// The lines of the log that are calls.
    pub(super) fn called(&self) -> Vec<String> {
        self.log.borrow().iter().filter_map(|line| line.strip_prefix("call ")).map(str::to_owned).collect()
    }

    fn happens(&self, effect: &Effect) -> Result<(), Failure> {
        let mut world = self.world.borrow_mut();
        match effect {
            Effect::Podman(effect) => podman(&mut world.containers, effect),
            Effect::Systemd(Systemd::Start { unit, .. }) => run(&mut world.containers, unit, true),
            Effect::Systemd(Systemd::Stop { unit, timeout: _ }) => run(&mut world.containers, unit, false),
            Effect::Files(Files::Write { path, content, mode: _ }) => {
                world.files.insert(path.display().to_string(), content.clone());
                Ok(())
            }
            Effect::Files(Files::Remove { path }) => {
                world.files.remove(&path.display().to_string());
                Ok(())
            }
            Effect::Systemd(_) | Effect::Files(_) | Effect::CopyOut(_) | Effect::Snapshot(_) => Ok(()),
            Effect::Wait(Wait::Healthy { subject, .. }) => match world.serving(subject) {
                Some(_) => Ok(()),
                None => Err(Failure::new(FailureKind::NotUp, format!("{subject} is down"))),
            },
            Effect::Wait(_) => Ok(()),
        }
    }

    fn is_down_again(&self, effect: &Effect) {
        if let Effect::Systemd(Systemd::Start { unit, .. }) = effect {
            run(&mut self.world.borrow_mut().containers, unit, false).expect("what was started can be stopped");
        }
    }
}

type Containers = BTreeMap<String, Object>;

fn refused(message: &str) -> Failure {
    Failure::new(FailureKind::Refused, message)
}

fn run(containers: &mut Containers, unit: &str, running: bool) -> Result<(), Failure> {
    match containers.get_mut(unit.trim_end_matches(".service")) {
        Some(object) => object.running = running,
        None if running => return Err(Failure::new(FailureKind::NotUp, format!("{unit} has no container"))),
        None => {}
    }
    Ok(())
}

fn podman(containers: &mut Containers, effect: &Podman) -> Result<(), Failure> {
    match effect {
        Podman::CreateContainer(body) if containers.contains_key(&body.name) => {
            return Err(Failure::new(FailureKind::Conflict, "the name is taken"));
        }
        Podman::CreateContainer(body) => {
            containers.insert(body.name.clone(), Object { image: body.image.clone(), running: false });
        }
        Podman::RemoveContainer { name } => match containers.get(name) {
            Some(object) if object.running => return Err(refused("it runs")),
            _ => drop(containers.remove(name)),
        },
        Podman::RenameContainer { from, to } => match (containers.remove(from), containers.contains_key(to)) {
            (Some(object), false) => drop(containers.insert(to.clone(), object)),
            (Some(object), true) => {
                containers.insert(from.clone(), object);
                return Err(Failure::new(FailureKind::Conflict, "the name is taken"));
            }
            (None, true) => {}
            (None, false) => return Err(Failure::new(FailureKind::NotFound, "no such container")),
        },
        Podman::PullImage { .. } => {}
        other => panic!("the scripted machine has no `{other}`"),
    }
    Ok(())
}

impl Observe for Scripted {
    async fn observe(&self, _query: &Query) -> Observed {
        Observed::default()
    }
}

impl Perform for Scripted {
    async fn perform(&self, effect: &Effect, progress: &Progress<'_>) -> Result<(), Failure> {
        let call = self.calls.replace(self.calls.get() + 1);
        self.log.borrow_mut().push(format!("call {effect}"));
        progress("halfway");
        self.at_work.set(self.at_work.get() + 1);
        self.at_work_most.set(self.at_work_most.get().max(self.at_work.get()));
        // Every other change that is ready gets its turn.
        tokio::task::yield_now().await;
        self.at_work.set(self.at_work.get() - 1);
        match self.faults.get(&call) {
            None => self.happens(effect),
            Some(Fault::Refuse) => Err(refused("no")),
            Some(Fault::Unreachable) => Err(Failure::new(FailureKind::Unreachable, "nobody answers")),
            Some(Fault::LoseRequest) => Err(Failure::new(FailureKind::LostReply, "the request was lost")),
            Some(Fault::LoseReply) => {
                self.happens(effect)?;
                Err(Failure::new(FailureKind::LostReply, "the reply was lost"))
            }
            Some(Fault::NotUp) => {
                self.happens(effect)?;
                self.is_down_again(effect);
                Err(Failure::new(FailureKind::NotUp, "it is down again"))
            }
            Some(Fault::Interrupt) => {
                self.cancel.cancel();
                self.happens(effect)
            }
            Some(Fault::HangAndInterrupt) => {
                self.cancel.cancel();
                std::future::pending().await
            }
        }
    }
}

/// A journal in memory that can be full.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) log: Rc<RefCell<Vec<String>>>,
    pub(super) fates: RefCell<BTreeMap<Address, Fate>>,
    pub(super) written: Cell<usize>,
    /// How many rows it takes before it fails.
    pub(super) capacity: usize,
}

impl Rows {
    pub(super) fn of(machine: &Scripted) -> Self {
        Self { log: machine.log.clone(), fates: RefCell::default(), written: Cell::new(0), capacity: usize::MAX }
    }

    fn take_row(&self) -> Result<(), JournalError> {
        if self.written.get() >= self.capacity {
            return Err(JournalError("the disk is full".into()));
        }
        self.written.set(self.written.get() + 1);
        Ok(())
    }
}

impl Journal for Rows {
    fn step(&self, address: &Address, ordinal: usize, state: StepState, text: &str) -> Result<(), JournalError> {
        self.take_row()?;
        self.log.borrow_mut().push(format!("{state:?} {address} {ordinal} {text}"));
        Ok(())
    }

    fn fate(&self, address: &Address, fate: &Fate) -> Result<(), JournalError> {
        self.take_row()?;
        let before = self.fates.borrow_mut().insert(address.clone(), fate.clone());
        assert_eq!(before, None, "{address} is settled once");
        Ok(())
    }
}
