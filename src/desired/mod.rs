//! Desired: what the file declares, resolved into resources. The trait that a resource answers to and the struct that
//! describes a kind stand here; the kinds themselves stand in `kinds/` and are handed in as a list.
//!
//! No I/O: a resource says what it wants to know, reads the answer, and writes down steps.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::address::Address;
use crate::attributes::{Attribute, Attributes, Secrets};
use crate::change::{Action, AttributeChange, Risk, Step, Steps};
use crate::diagnostic::{Diagnostics, Span};
use crate::hand_over;
use crate::observed::data::Requirement;
use crate::observed::{Observed, Query, Seen};
use crate::probe::Readiness;
use crate::sorted::Sorted;
use crate::stack::forms::{Described, Places};
use crate::stack::source::Files;
use crate::stack::yaml::{Key, Node};

mod resolve;
pub use resolve::resolve;

/// What a dependent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It is there: a network, a volume, an image, a directory.
    Exists,
    Started,
    Healthy,
    CompletedSuccessfully,
}

/// An edge of the graph: this resource needs `on`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub on: Address,
    pub condition: Condition,
    /// Compose's `restart: true`: restart this one whenever `on` is replaced or restarted.
    pub restart: bool,
}

/// What everything in a run has in common; never the clock, never the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub stack: String,
    pub home: PathBuf,
    /// `~/.config/systemd/user`.
    pub unit_directory: PathBuf,
    /// `/run/user/UID`.
    pub runtime_directory: PathBuf,
    /// `~/.local/share`.
    pub data: PathBuf,
    pub secrets: Secrets,
}

/// The live side of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    pub attributes: Attributes,
    /// As the object itself carries it; None where the ledger's fact must serve.
    pub last_applied: Option<Attributes>,
}

/// What differs, as the planner found it: the input of a resource's steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub action: Action,
    pub attributes: Vec<AttributeChange>,
}

impl Difference {
    /// With more that differs, each told once; the action is the greatest that any of it costs.
    pub fn and(mut self, mut more: Vec<AttributeChange>) -> Self {
        more.retain(|new| self.attributes.iter().all(|known| known.path != new.path));
        self.action = more.iter().map(|change| change.on_change).fold(self.action, Action::max);
        self.attributes.extend(more);
        self
    }

    /// Did this attribute, or a key of it, change?
    pub fn has(&self, path: &str) -> bool {
        self.attributes.iter().any(|change| {
            change.path == path || change.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// How others wait for a resource, and how its failure is explained.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Liveness {
    pub readiness: Option<Readiness>,
    /// Name of the container, where it is one.
    pub container: Option<String>,
    pub unit: Option<String>,
    pub one_shot: bool,
}

/// A database of a native service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub address: Address,
    pub path: PathBuf,
    /// Who writes it.
    pub service: Address,
    pub requirement: Requirement,
    /// Set aside where it is hollow, so that the service makes it anew.
    pub is_quarantined: bool,
}

/// One thing that the file declares.
pub trait Resource: std::fmt::Debug + std::any::Any {
    fn address(&self) -> &Address;

    /// What the user set, canonical.
    fn attributes(&self) -> Attributes;

    fn dependencies(&self) -> Vec<Dependency>;

    /// Resources that nobody declares because this one says enough: the image of a container, the directory of a mount.
    fn implies(&self) -> Vec<Box<dyn Resource>> {
        Vec::new()
    }

    /// The directory that it declares.
    fn root(&self) -> Option<&Path> {
        None
    }

    /// The database of a service that it is.
    fn database(&self) -> Option<Database> {
        None
    }

    /// What of this machine's files it gives to a container.
    fn mounted(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// Turns names into addresses, once everything is read; a name that leads nowhere is reported.
    fn link(&mut self, _declared: &Declared<'_>, _diagnostics: &mut Diagnostics) {}

    /// What it wants to know.
    fn query(&self, query: &mut Query);

    /// What it wants to know in the second round, of what the first answered.
    fn query_more(&self, _observed: &Observed, _query: &mut Query) {}

    /// What it wants to know before the plan is shown, of what is the matter with it and of what is to be done: where a copy of what was
    /// lost may lie, and how much would be left behind.
    fn query_closer(&self, _action: Action, _observed: &Observed, _query: &mut Query) {}

    /// The live object. `Absent` where there is none that is ours; `Unknown` never leads to an action.
    fn seen(&self, observed: &Observed) -> Seen<Object>;

    /// May say that nothing differs where that is plain to see, without putting both sides into words: that is most of what a plan
    /// of thousands costs. The full comparison must come to the same (`--deep` makes it; the simulation holds the two together).
    fn is_settled(&self, _observed: &Observed) -> bool {
        false
    }

    /// What stands in the way, whoever owns it: names, ports, paths.
    fn conflicts(&self, _observed: &Observed) -> Vec<Risk> {
        Vec::new()
    }

    /// What would be lost with it, were it removed or made anew: part of its conflicts.
    fn loses(&self, _observed: &Observed) -> Vec<Risk> {
        Vec::new()
    }

    /// Is its data not to go, not by its name either? None where the file says nothing of it: then what was said before holds.
    fn protect(&self) -> Option<bool> {
        None
    }

    /// Paths inside of it that are written and not missed.
    fn ephemeral(&self) -> &[String] {
        &[]
    }

    /// What whoever stands in the way would have to do to let go; the commands in its conflicts' remedies are of these.
    fn hand_over(&self, _observed: &Observed) -> hand_over::Steps {
        hand_over::Steps::new()
    }

    /// The calls that bring the object from what was seen to what is desired.
    fn steps(&self, difference: &Difference, observed: &Observed, graph: &Neighbours<'_>) -> Steps;

    /// Whose namespaces what is there of it lives in: it cannot stay where one of those is made anew.
    fn lives_in(&self, _observed: &Observed) -> Vec<Home> {
        Vec::new()
    }

    /// The calls of all `members` in one, of which this is the first: those that live in one another's namespaces.
    fn steps_together(
        &self,
        _members: &[(&dyn Resource, &Difference)],
        _observed: &Observed,
        _neighbours: &Neighbours<'_>,
    ) -> Vec<Step> {
        Vec::new()
    }

    /// Facts that only the ledger can keep, read off the machine after a successful change: kind of fact -> value.
    fn facts(&self, _observed: &Observed) -> BTreeMap<&'static str, Value> {
        BTreeMap::new()
    }

    /// By its name, where it is one.
    fn container(&self) -> Option<&str> {
        None
    }

    /// How dependents and `status` see whether it is up; None for what does not run.
    fn liveness(&self) -> Option<Liveness> {
        None
    }

    /// Host ports that it listens on, for the check that no two claim one.
    fn host_ports(&self) -> Vec<HostPort> {
        Vec::new()
    }

    /// Its name on the machine, where others must say it: a network's, a volume's; of a directory its path.
    fn name_on_machine(&self) -> String {
        self.address().name().to_owned()
    }

    /// The same, once this plan is carried out: of what gets a new name with each version. `made_anew`: the user asks for it.
    fn name_after(&self, _observed: &Observed, _made_anew: bool) -> String {
        self.name_on_machine()
    }

    /// What it was made with and is not what its neighbours are by now, or will be once this plan is carried out.
    fn outdated(&self, _observed: &Observed, _neighbours: &Neighbours<'_>) -> Vec<AttributeChange> {
        Vec::new()
    }

    /// The address that it had under another name, as `renamed_from` tells: what is there under that is this one.
    fn was(&self) -> Option<Address> {
        None
    }

    /// Does the file declare it itself, rather than another resource imply it?
    fn declares(&self) -> bool {
        self.span().is_some()
    }

    /// Where the file declares or implies it.
    fn span(&self) -> Option<Span> {
        None
    }
}

/// Whose namespace something lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub of: Address,
    /// It is a half of a replace that did not come to its end.
    pub half: bool,
}

/// A claim on a host port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub ip: std::net::IpAddr,
    pub port: u16,
    pub protocol: String,
    pub span: Option<Span>,
}

impl HostPort {
    /// One cannot be bound while the other is: the same port, and the same address or a wildcard on either side.
    pub fn overlaps(&self, ip: std::net::IpAddr, port: u16, protocol: &str) -> bool {
        let wildcard = self.ip.is_unspecified() || ip.is_unspecified();
        self.port == port && self.protocol == protocol && (self.ip == ip || wildcard)
    }
}

/// Everything that is declared or implied, by address.
pub type Resources = Sorted<Address, Box<dyn Resource>>;

/// What a kind's reader is given.
#[derive(Debug)]
pub struct Reading<'a> {
    pub places: Places<'a>,
    pub context: &'a Context,
    /// For `env_file`; nothing else is read.
    pub files: &'a dyn ReadFiles,
    pub diagnostics: &'a mut Diagnostics,
}

/// [`Files`] that can be shown in a debug text.
pub trait ReadFiles: Files + std::fmt::Debug {}
impl<T: Files + std::fmt::Debug> ReadFiles for T {}

/// What is declared, for linking.
#[derive(Debug)]
pub struct Declared<'a> {
    pub resources: &'a BTreeMap<Address, Known>,
    /// What no active profile brings in, with its profiles.
    pub inactive: &'a BTreeMap<Address, Vec<String>>,
    pub context: &'a Context,
    /// Addresses of all containers, in one place for all of them.
    pub containers: Arc<BTreeSet<Address>>,
    /// Directories that the file declares, and no container sees into.
    pub roots: &'a BTreeSet<PathBuf>,
    /// By the services that write them.
    pub databases: &'a BTreeMap<Address, Vec<Database>>,
}

impl Declared<'_> {
    /// The nearest of the declared directories above a path.
    pub fn root(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find(|above| self.roots.contains(*above)).map(Path::to_path_buf)
    }
}

/// What linking may know of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub name_on_machine: String,
    pub liveness: Option<Liveness>,
    /// Not merely implied.
    pub declared: bool,
}

/// What a resource may know of the others while it is compared and writes its steps.
#[derive(Debug)]
pub struct Neighbours<'a> {
    pub resources: &'a Resources,
    pub context: &'a Context,
    /// What the user wants made anew although nothing differs.
    pub replace: &'a BTreeSet<Address>,
    /// Does systemd's user manager run the containers? Else podman's own restart policy does (design §2.2).
    pub systemd: bool,
    observed: &'a Observed,
    /// What they will be called, of those that somebody has asked for.
    names: RefCell<BTreeMap<Address, Option<String>>>,
}

/// Which of the objects on the machine are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    pub stack: &'a str,
    /// Not those of these addresses.
    pub but: Option<&'a Resources>,
}

impl<'a> Ours<'a> {
    pub fn all(stack: &'a str) -> Self {
        Self { stack, but: None }
    }

    pub fn asks_for(&self, address: &str) -> bool {
        self.but.is_none_or(|declared| !declared.contains_key(address))
    }
}

/// An object on the machine that carries our labels or marker, whether or not the file still declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub address: Address,
    /// The object's names on the machine.
    pub names: Vec<String>,
    /// Made for this one, and none of its own in the file.
    pub part_of: Option<Address>,
}

/// A kind: its name, its section, its table, and how its objects are found and removed.
#[derive(Clone, Copy)]
pub struct Kind {
    /// As in addresses: `container`.
    pub name: &'static str,
    /// As in the stack file: `containers`; None for kinds that only others imply, such as images.
    pub section: Option<&'static str>,
    /// The keys of one entry of the section; an entry may be empty.
    pub keys: &'static [Described],
    /// What the section holds: one sentence without a full stop.
    pub about: &'static str,
    pub attributes: &'static [Attribute],
    /// Reads one entry of the section; None for kinds without one.
    pub read: Option<Read>,
    /// Data is never removed but by name: such a kind's objects are listed as kept.
    pub holds_data: bool,
    /// Objects of this stack on the machine.
    pub owned: fn(&Observed, Ours<'_>) -> Vec<Owned>,
    /// Takes one of them down, its data kept.
    pub remove: fn(&Owned, &Observed, &Context) -> Steps,
    /// What would be lost with one of them that no longer stands in the file.
    pub loses: fn(&Owned, &Observed) -> Vec<Risk>,
}

/// What can be made anew as it was.
pub fn loses_nothing(_owned: &Owned, _observed: &Observed) -> Vec<Risk> {
    Vec::new()
}

/// One entry of a section, with its key, to the resources that it declares.
pub type Read = fn(&Key, &Node, &mut Reading<'_>) -> Vec<Box<dyn Resource>>;

impl<'a> Neighbours<'a> {
    pub fn new(
        resources: &'a Resources,
        context: &'a Context,
        replace: &'a BTreeSet<Address>,
        observed: &'a Observed,
    ) -> Self {
        let systemd = !observed.manager.is_absent();
        Self { resources, context, replace, systemd, observed, names: RefCell::default() }
    }

    /// What another has for a name once this plan is carried out.
    pub fn name_after(&self, address: &Address) -> Option<String> {
        let known = self.names.borrow().get(address).cloned();
        known.unwrap_or_else(|| {
            let resource = self.resources.get(address);
            let name = resource.map(|resource| resource.name_after(self.observed, self.replace.contains(address)));
            self.names.borrow_mut().insert(address.clone(), name.clone());
            name
        })
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Everything that the file declares, resolved.
#[derive(Debug)]
pub struct Desired {
    /// Its name on the machine.
    pub stack: String,
    /// Its name in the file.
    pub called: String,
    pub resources: Resources,
    /// What no active profile brings in, with its profiles: it may be on the machine, and is no orphan there.
    pub inactive: BTreeMap<Address, Vec<String>>,
}

impl Desired {
    /// From the old address to the new one.
    pub fn renamed(&self) -> BTreeMap<Address, Address> {
        let renamed = |resource: &dyn Resource| Some((resource.was()?, resource.address().clone()));
        self.resources.values().filter_map(|resource| renamed(resource.as_ref())).collect()
    }
}
