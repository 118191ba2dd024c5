//! A machine as plain data: podman's objects, the user manager's units, files. It answers as the real ones do, as far as the
//! kinds of [`super::stacks`] need it, and knows nothing of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stackctl::address::Address;
use stackctl::effect::podman::{CopyOut, CopySource};
use stackctl::effect::{Effect, Files, Podman, Systemd, Wait};
use stackctl::machine::{Failure, FailureKind};
use stackctl::observed::layer::{Layer, Written};
use stackctl::observed::systemd::UnitDetails;
use stackctl::observed::{
    Container, ContainerState, Engine, Facts, Health, Image, Manager, Network, Observed, PathInfo, PathKind, Query,
    Secret, Seen, Unit, Volume,
};

use super::contents::{Contents, at_us};
use super::stacks::{self, SICK};

type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    id: u64,
    pub(crate) image: String,
    pub(crate) labels: Labels,
    pub(crate) running: bool,
    started: bool,
    started_at: u64,
    /// What must survive of what it has mounted, by its place.
    data: BTreeSet<PathBuf>,
    /// With its aliases there.
    networks: BTreeMap<String, Vec<String>>,
    pub(crate) volumes: BTreeSet<String>,
    has_check: bool,
    /// Ids of those in whose namespaces it lives.
    needs: BTreeSet<u64>,
    /// What inspect shows of how it was made.
    made: Value,
}

impl Object {
    fn is_sick(&self) -> bool {
        self.image.ends_with(&format!(":{SICK}"))
    }

    pub(crate) fn serves(&self) -> bool {
        self.running && !self.is_sick()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    text: String,
    mode: u32,
    at: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) containers: BTreeMap<String, Object>,
    pub(crate) networks: BTreeMap<String, (Labels, bool)>,
    /// With what lies in each: the first who writes it leaves its mark for ever.
    pub(crate) volumes: BTreeMap<String, (Labels, u64)>,
    pub(crate) secrets: BTreeMap<String, Labels>,
    images: BTreeSet<String>,
    files: BTreeMap<PathBuf, File>,
    pub(crate) directories: BTreeMap<PathBuf, u32>,
    enabled: BTreeSet<String>,
    /// Unit files as of the last reload.
    loaded: BTreeSet<String>,
    /// Of those, the ones that are nothing without their socket.
    listened_for: BTreeSet<String>,
    loaded_at: u64,
    /// Services that run, since when.
    services: BTreeMap<String, u64>,
    /// What must survive, and its copies.
    contents: Contents,
    pub(crate) facts: BTreeMap<String, Value>,
    /// What was copied out of containers: the files in each place.
    copies: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Somebody connects as soon as there is who listens.
    pub(crate) is_pressed: bool,
    now: u64,
}

const HELD_BY: &str = "ConditionPathExists=!";
const ASSERT: &str = "AssertPathExists=";
const PARTIAL: &str = ".partial";
const UNITS: &str = "/home/u/.config/systemd/user";

fn failure(kind: FailureKind, words: &str) -> Result<(), Failure> {
    Err(Failure::new(kind, words))
}

impl World {
    /// With what belongs to others, and must outlive everything.
    pub(crate) fn new() -> Self {
        let mut world = Self::default();
        let theirs = Object {
            id: 0,
            image: "localhost/theirs:1".to_owned(),
            labels: Labels::from([("com.docker.compose.project".to_owned(), "theirs".to_owned())]),
            running: true,
            started: true,
            started_at: 0,
            data: BTreeSet::new(),
            networks: BTreeMap::new(),
            volumes: BTreeSet::new(),
            has_check: false,
            needs: BTreeSet::new(),
            made: Value::Null,
        };
        world.containers.insert("theirs".to_owned(), theirs);
        world.networks.insert("theirs".to_owned(), (Labels::new(), false));
        world.volumes.insert("theirs".to_owned(), (Labels::new(), 7));
        world.secrets.insert("theirs".to_owned(), Labels::new());
        let file = File { text: "[Service]\n".to_owned(), mode: 0o644, at: 0 };
        world.files.insert(Path::new(UNITS).join("theirs.service"), file);
        for above in Path::new(UNITS).ancestors() {
            world.directories.insert(above.to_owned(), 0o755);
        }
        world
    }

    pub(crate) fn has_image(&mut self, reference: &str) {
        self.images.insert(reference.to_owned());
    }

    pub(crate) fn write_unit(&mut self, name: &str, text: &str) {
        let file = File { text: text.to_owned(), mode: 0o644, at: self.now };
        self.files.insert(Path::new(UNITS).join(name), file);
    }

    pub(crate) fn remove_unit(&mut self, name: &str) {
        self.files.remove(&Path::new(UNITS).join(name));
    }

    pub(crate) fn runs(&self, unit: &str) -> bool {
        self.services.contains_key(unit)
    }

    pub(crate) fn is_enabled(&self, unit: &str) -> bool {
        self.enabled.contains(unit)
    }

    /// Is everything of others as it was?
    pub(crate) fn others_are_whole(&self) -> bool {
        let new = Self::new();
        self.containers.get("theirs") == new.containers.get("theirs")
            && self.networks.get("theirs") == new.networks.get("theirs")
            && self.volumes.get("theirs") == new.volumes.get("theirs")
            && self.secrets.contains_key("theirs")
            && self.files.contains_key(&Path::new(UNITS).join("theirs.service"))
    }

    /// A hollow database in the place of what its program had; nobody runs on it.
    pub(crate) fn empties(&mut self, path: &Path) {
        let units: Vec<String> = self
            .services
            .keys()
            .filter(|unit| stacks::data_of_service(unit).is_some_and(|data| data == *path))
            .cloned()
            .collect();
        for unit in &units {
            self.stop(unit);
        }
        self.containers.values_mut().filter(|found| found.data.contains(path)).for_each(|found| found.running = false);
        self.contents.empties(path);
    }

    /// Of what image the last one was that wrote there.
    pub(crate) fn last_image(&self, path: &Path) -> Option<&str> {
        self.contents.last_image(path)
    }

    /// How many hollow files there are, and others that made way, by their databases.
    pub(crate) fn hollow(&self) -> BTreeMap<&Path, usize> {
        self.contents.hollow()
    }

    /// Everything stops, and what is enabled starts.
    pub(crate) fn reboot(&mut self) {
        self.containers
            .values_mut()
            .filter(|found| !found.labels.contains_key("com.docker.compose.project"))
            .for_each(|found| found.running = false);
        self.services.clear();
        self.load();
        for unit in self.enabled.clone() {
            drop(self.start(&unit));
        }
    }

    fn load(&mut self) {
        self.loaded = self.unit_files();
        self.loaded_at = self.now;
        let needs_socket = |unit: &&String| {
            let file = self.files.get(&Path::new(UNITS).join(unit));
            file.is_some_and(|file| file.text.contains(&format!("Requires={}\n", socket_of(unit))))
        };
        self.listened_for = self.loaded.iter().filter(needs_socket).cloned().collect();
    }

    /// Somebody connects to everything that is listened on.
    pub(crate) fn is_asked(&mut self) {
        let sockets: Vec<String> = self.services.keys().filter(|unit| unit.ends_with(".socket")).cloned().collect();
        for socket in sockets {
            drop(self.start(&socket.replace(".socket", ".service")));
        }
    }

    fn unit_files(&self) -> BTreeSet<String> {
        let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
        self.files.keys().filter(|path| path.parent() == Some(Path::new(UNITS))).filter_map(name).collect()
    }

    /// As the unit does: first its condition, which puts a parked one back where there is no other.
    fn start(&mut self, unit: &str) -> Result<(), Failure> {
        if !self.loaded.contains(unit) {
            return failure(FailureKind::NotFound, "systemd knows no such unit");
        }
        if let Some(name) = unit.strip_suffix(".socket")
            && self.services.contains_key(&format!("{name}.service"))
            && !self.services.contains_key(unit)
        {
            return failure(FailureKind::NotUp, "its service runs already");
        }
        if self.listened_for.contains(unit) && !self.services.contains_key(unit) {
            self.start(&socket_of(unit))?;
        }
        let live = container_of(unit);
        let file = self.files.get(&Path::new(UNITS).join(unit));
        let asserted = file.into_iter().flat_map(|file| file.text.lines()).filter_map(|line| line.strip_prefix(ASSERT));
        let is_up = match &live {
            Some(live) => self.containers.get(live).is_some_and(|found| found.running),
            None => self.services.contains_key(unit),
        };
        if !is_up && asserted.into_iter().any(|path| !self.files.contains_key(Path::new(path))) {
            return failure(FailureKind::NotUp, "an assertion does not hold");
        }
        let file = self.files.get(&Path::new(UNITS).join(unit));
        let mut held =
            file.into_iter().flat_map(|file| file.text.lines()).filter_map(|line| line.strip_prefix(HELD_BY));
        if !is_up && held.any(|path| self.contents.has_hold(Path::new(path))) {
            return failure(FailureKind::NotUp, "its data is on its way back");
        }
        let Some(live) = live else {
            if !is_up {
                self.services.insert(unit.to_owned(), self.now);
                let data = stacks::data_of_service(unit);
                if let Some(path) = data {
                    self.contents.makes(&path, 0, unit);
                }
            }
            return Ok(());
        };
        if !self.containers.contains_key(&live) {
            let needs = self.containers.get(&format!("{live}.parked")).map(|found| found.needs.clone());
            let is_next = self
                .containers
                .iter()
                .any(|(name, found)| name.ends_with(".parked") && needs.iter().any(|needs| needs.contains(&found.id)));
            let half = format!("{live}.{}", if is_next { "next" } else { "parked" });
            if let Some(half) = self.containers.remove(&half) {
                self.containers.insert(live.clone(), half);
            }
        }
        self.start_homes(&live);
        let is_newcomer = self.has_parked(&live);
        let Some(found) = self.containers.get_mut(&live) else {
            return failure(FailureKind::NotUp, "its condition does not hold");
        };
        found.started = true;
        // What runs is not started again.
        if !found.running {
            found.started_at = self.now;
            self.contents.written((&live, is_newcomer), found.id, &found.image, &found.data);
        }
        found.running = found.has_check || !found.is_sick();
        let (is_sick, volumes, now) = (found.is_sick(), found.volumes.clone(), self.now);
        for volume in volumes {
            self.volumes.entry(volume).and_modify(|(_, mark)| *mark = if *mark == 0 { now } else { *mark });
        }
        if is_sick { failure(FailureKind::NotUp, "it is sick") } else { Ok(()) }
    }

    /// Has it not proved itself yet?
    fn has_parked(&self, name: &str) -> bool {
        self.containers.contains_key(&format!("{name}.parked"))
    }

    /// Podman starts those first in whose namespaces it lives, whatever they are called.
    fn start_homes(&mut self, name: &str) {
        let needs = self.containers.get(name).map(|found| found.needs.clone()).unwrap_or_default();
        let with_parked = |home: &&String| self.has_parked(home);
        let parked: BTreeSet<String> = self.containers.keys().filter(with_parked).cloned().collect();
        for (home, found) in self.containers.iter_mut().filter(|(_, found)| needs.contains(&found.id)) {
            assert!(found.running || !home.ends_with(".parked"), "{name} started {home}, which lies parked");
            found.started = true;
            if !found.running {
                found.started_at = self.now;
                self.contents.written((home, parked.contains(home)), found.id, &found.image, &found.data);
            }
            found.running = found.has_check || !found.is_sick();
        }
    }

    fn stop(&mut self, unit: &str) {
        self.services.remove(unit);
        // Of what needs its socket.
        let listened_for = &self.listened_for;
        self.services.retain(|service, _| !listened_for.contains(service) || socket_of(service) != unit);
        if let Some(found) = container_of(unit).and_then(|live| self.containers.get_mut(&live)) {
            found.running = false;
        }
    }

    pub(crate) fn perform(&mut self, effect: &Effect) -> Result<(), Failure> {
        self.now += 1;
        match effect {
            Effect::Podman(effect) => self.podman(effect),
            Effect::Systemd(effect) => self.systemd(effect),
            Effect::Files(effect) => self.file(effect),
            Effect::Wait(Wait::Healthy { container: Some(name), .. }) => match self.containers.get(name) {
                Some(found) if found.serves() => Ok(()),
                Some(_) | None => failure(FailureKind::NotUp, "it is not healthy"),
            },
            Effect::Wait(Wait::Running { container: Some(name), .. }) => match self.containers.get(name) {
                Some(found) if found.running => Ok(()),
                Some(_) | None => failure(FailureKind::NotUp, "it does not run"),
            },
            Effect::Snapshot(effect) => self.contents.perform(effect, self.now),
            Effect::Wait(Wait::Holds { path, wanted, .. }) => match wanted.unmet(&self.contents.reading(path)) {
                Some(why) => failure(FailureKind::NotUp, &why),
                None => Ok(()),
            },
            Effect::CopyOut(copy) => self.copy_out(copy),
            Effect::Wait(_) => Ok(()),
        }
    }

    /// It comes no further than its first half.
    pub(crate) fn begin(&mut self, effect: &Effect) {
        if let Effect::CopyOut(copy) = effect {
            self.copies.insert(partial(&copy.to), BTreeSet::new());
        }
    }

    /// Written beside and renamed, as the real one does.
    fn copy_out(&mut self, copy: &CopyOut) -> Result<(), Failure> {
        if self.copies.contains_key(&copy.to) {
            return failure(FailureKind::Conflict, "it is there already");
        }
        self.copies.remove(&partial(&copy.to));
        let Some(found) = self.containers.values().find(|found| id(found.id) == copy.id) else {
            return failure(FailureKind::NotFound, "there is no such container");
        };
        let wrote = |source: &CopySource| found.started && source.path == written_by(found.id);
        let files = copy.sources.iter().filter(|source| wrote(source)).map(|source| source.path.clone()).collect();
        self.copies.insert(copy.to.clone(), files);
        Ok(())
    }

    /// All but the copies, and the time.
    pub(crate) fn without_copies(&self) -> World {
        World { copies: BTreeMap::new(), now: 0, ..self.clone() }
    }

    /// What lies in copies below a directory.
    pub(crate) fn copied(&self, to: &Path) -> BTreeSet<&str> {
        self.copies
            .iter()
            .filter(|(place, _)| place.starts_with(to))
            .flat_map(|(_, files)| files)
            .map(String::as_str)
            .collect()
    }

    /// Do all that have their name hold something?
    pub(crate) fn copies_are_whole(&self) -> bool {
        self.copies.iter().all(|(place, files)| place.to_string_lossy().ends_with(PARTIAL) || !files.is_empty())
    }

    /// What each container of an address wrote outside its mounts.
    pub(crate) fn written_outside(&self, address: &Address) -> BTreeSet<String> {
        let is_its = |found: &&Object| {
            found.started && found.labels.get("io.stackctl.address").is_some_and(|of| *of == address.to_string())
        };
        self.containers.values().filter(is_its).map(|found| written_by(found.id)).collect()
    }

    fn systemd(&mut self, effect: &Systemd) -> Result<(), Failure> {
        match effect {
            Systemd::Reload => {
                self.load();
            }
            Systemd::Enable { unit } => {
                if !self.unit_files().contains(unit) {
                    return failure(FailureKind::NotFound, "there is no such unit file");
                }
                self.enabled.insert(unit.clone());
            }
            Systemd::Disable { unit } => drop(self.enabled.remove(unit)),
            Systemd::Start { unit, .. } => return self.start(unit),
            Systemd::Stop { unit, .. } => {
                self.stop(unit);
                if self.is_pressed {
                    self.is_asked();
                }
                if self.services.contains_key(unit) {
                    return failure(FailureKind::Refused, "somebody connects, and it runs again");
                }
            }
            Systemd::Restart { unit, .. } => {
                self.stop(unit);
                return self.start(unit);
            }
        }
        Ok(())
    }

    fn file(&mut self, effect: &Files) -> Result<(), Failure> {
        match effect {
            Files::CreateDirectory { path, mode } => {
                for above in path.ancestors().skip(1) {
                    self.directories.entry(above.to_owned()).or_insert(0o700);
                }
                self.directories.entry(path.clone()).or_insert(*mode);
            }
            Files::RemoveEmptyDirectory { path } => {
                let below = |other: &PathBuf| other != path && other.starts_with(path);
                if self.directories.keys().any(below) || self.files.keys().any(below) {
                    return failure(FailureKind::Refused, "something lies in it");
                }
                self.directories.remove(path);
            }
            Files::SetMode { path, mode } => {
                if let Some(known) = self.directories.get_mut(path) {
                    *known = *mode;
                }
                if let Some(file) = self.files.get_mut(path) {
                    file.mode = *mode;
                }
            }
            Files::SetAside { path } | Files::PutBack { path } => {
                let writer = self.containers.iter().find(|(_, found)| found.running && found.data.contains(path));
                let service = self.services.keys().find(|unit| stacks::data_of_service(unit).as_ref() == Some(path));
                let writer = writer.map(|(name, _)| name).or(service);
                assert!(writer.is_none(), "`{effect}` while {writer:?} runs on it");
                return self.contents.file(effect);
            }
            Files::KeepAside { .. } => return self.contents.file(effect),
            Files::RemoveTree { .. } => {}
            Files::Write { path, content, mode } | Files::Overwrite { path, content, mode } => {
                let file = File { text: content.clone(), mode: *mode, at: self.now };
                self.files.insert(path.clone(), file);
            }
            Files::Remove { path } => drop(self.files.remove(path)),
        }
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each call")]
    fn podman(&mut self, effect: &Podman) -> Result<(), Failure> {
        match effect {
            Podman::PullImage { reference } => drop(self.images.insert(reference.clone())),
            Podman::CreateNetwork(body) => match self.networks.get(&body.name) {
                Some((labels, _)) if *labels == body.labels => {}
                Some(_) => return failure(FailureKind::Conflict, "the name is taken"),
                None => drop(self.networks.insert(body.name.clone(), (body.labels.clone(), body.internal))),
            },
            Podman::RemoveNetwork { name } => {
                if self.containers.values().any(|found| found.networks.contains_key(name)) {
                    return failure(FailureKind::Conflict, "somebody is on it");
                }
                self.networks.remove(name);
            }
            Podman::Connect { network, container, endpoint } => {
                if !self.networks.contains_key(network) {
                    return failure(FailureKind::NotFound, "there is no such network");
                }
                let Some(found) = self.containers.get_mut(container) else {
                    return failure(FailureKind::NotFound, "there is no such container");
                };
                found.networks.insert(network.clone(), endpoint.aliases.clone());
            }
            Podman::Disconnect { network, container } => {
                if let Some(found) = self.containers.get_mut(container) {
                    found.networks.remove(network);
                }
            }
            Podman::CreateVolume(body) => match self.volumes.get(&body.name) {
                Some((labels, _)) if *labels == body.label => {}
                Some(_) => return failure(FailureKind::Conflict, "the name is taken"),
                None => drop(self.volumes.insert(body.name.clone(), (body.label.clone(), 0))),
            },
            Podman::CreateContainer(body) => return self.create(body),
            Podman::RenameContainer { from, to } => {
                match (self.containers.contains_key(from), self.containers.contains_key(to)) {
                    (true, true) => return failure(FailureKind::Conflict, "the name is taken"),
                    (false, false) => return failure(FailureKind::NotFound, "no such container"),
                    (false, true) => {}
                    (true, false) => {
                        let object = self.containers.remove(from).expect("it is there");
                        self.containers.insert(to.clone(), object);
                    }
                }
            }
            Podman::RemoveContainer { name } => match self.containers.get(name) {
                Some(object) if object.running => return failure(FailureKind::Refused, "it runs"),
                Some(object) if self.containers.values().any(|other| other.needs.contains(&object.id)) => {
                    return failure(FailureKind::Conflict, "it has dependent containers");
                }
                Some(_) | None => drop(self.containers.remove(name)),
            },
            Podman::StopContainer { name, .. } => {
                self.containers.get_mut(name).into_iter().for_each(|found| found.running = false);
            }
            Podman::TagImage { .. } | Podman::UntagImage { .. } => {}
            Podman::RemoveVolume { name } => drop(self.volumes.remove(name)),
            Podman::CreateSecret(body) => match self.secrets.get(&body.name) {
                Some(labels) if *labels == body.labels => {}
                Some(_) => return failure(FailureKind::Conflict, "the name is taken"),
                None => drop(self.secrets.insert(body.name.clone(), body.labels.clone())),
            },
            Podman::RemoveSecret { name, named_in } => {
                let told = Value::from(name.as_str()).to_string();
                let uses = |found: &Object| found.labels.get(*named_in).is_some_and(|label| label.contains(&told));
                if !self.containers.values().any(uses) {
                    self.secrets.remove(name);
                }
            }
            Podman::StartContainer { name } => {
                self.start_homes(name);
                let is_newcomer = self.has_parked(name);
                match self.containers.get_mut(name) {
                    Some(found) if found.running => {}
                    Some(found) => {
                        (found.running, found.started, found.started_at) = (true, true, self.now);
                        self.contents.written((name, is_newcomer), found.id, &found.image, &found.data);
                    }
                    None => return failure(FailureKind::NotFound, "there is no such container"),
                }
            }
            other @ (Podman::BuildImage(_) | Podman::UnpauseContainer { .. }) => {
                panic!("no stack of these tests leads to `{other}`")
            }
        }
        Ok(())
    }

    /// What it needs must be there: podman itself would make a volume that is missing.
    fn create(&mut self, body: &stackctl::effect::ContainerCreate) -> Result<(), Failure> {
        if let Some(found) = self.containers.get(&body.name) {
            let same = found.labels == body.labels;
            return if same { Ok(()) } else { failure(FailureKind::Conflict, "the name is taken") };
        }
        let volumes: BTreeSet<String> = body.volumes.iter().map(|volume| volume.name.clone()).collect();
        let networks: BTreeMap<String, Vec<String>> =
            body.networks.iter().map(|(name, endpoint)| (name.clone(), endpoint.aliases.clone())).collect();
        let is_there = self.images.contains(&body.image)
            && volumes.iter().all(|name| self.volumes.contains_key(name))
            && networks.keys().all(|name| self.networks.contains_key(name));
        if !is_there {
            return failure(FailureKind::NotFound, "something that it needs is not there");
        }
        if !body.secrets.iter().all(|secret| self.secrets.contains_key(&secret.source)) {
            return failure(FailureKind::Refused, "no such secret");
        }
        let mut made = inspected(body);
        let mut needs = BTreeSet::new();
        if let Some(home) = &body.netns.value {
            let Some(found) = self.containers.get(home) else {
                return failure(FailureKind::NotFound, "there is no such container");
            };
            needs.insert(found.id);
            let id = id(found.id);
            made["HostConfig"]["NetworkMode"] = json!(format!("container:{id}"));
            made["Dependencies"] = json!([id]);
        }
        let object = Object {
            id: self.now,
            image: body.image.clone(),
            labels: body.labels.clone(),
            running: false,
            started: false,
            started_at: 0,
            data: body.mounts.iter().filter_map(|mount| stacks::data_of(mount.source.as_deref()?)).collect(),
            networks,
            volumes,
            has_check: body.healthconfig.is_some(),
            needs,
            made,
        };
        self.containers.insert(body.name.clone(), object);
        Ok(())
    }

    pub(crate) fn observed(&self, query: &Query) -> Observed {
        let image = |reference: &String| {
            let id = reference.clone();
            let seen = if self.images.contains(reference) {
                Seen::Present(Image { id, ..Image::default() })
            } else {
                Seen::Absent
            };
            (reference.clone(), seen)
        };
        let network = |(name, (labels, internal)): (&String, &(Labels, bool))| {
            let found = Network {
                name: name.clone(),
                driver: "bridge".to_owned(),
                internal: *internal,
                dns_enabled: true,
                labels: labels.clone(),
                ..Network::default()
            };
            (name.clone(), found)
        };
        let volume = |(name, (labels, _)): (&String, &(Labels, u64))| {
            let found = Volume { name: name.clone(), labels: labels.clone(), ..Volume::default() };
            (name.clone(), Volume { driver: "local".to_owned(), ..found })
        };
        let secret = |(name, labels): (&String, &Labels)| {
            (name.clone(), Secret { name: name.clone(), labels: labels.clone(), value: None })
        };
        let is_inspected = |name: &String| query.inspect_only.as_ref().is_none_or(|only| only.contains(name));
        let container = |(name, found): (&String, &Object)| {
            let shown = shown(name, found);
            let inspect = shown.inspect.filter(|_| is_inspected(name));
            (name.clone(), Container { inspect, ..shown })
        };
        Observed {
            podman: Seen::Present(Engine { version: "5.4.2".to_owned() }),
            manager: Seen::Present(Manager { loaded_at_us: self.loaded_at }),
            containers: self.containers.iter().map(container).collect(),
            by_list: query.inspect_only.is_some(),
            networks: self.networks.iter().map(network).collect(),
            volumes: self.volumes.iter().map(volume).collect(),
            secrets: self.secrets.iter().map(secret).collect(),
            images: query.images.iter().map(image).collect(),
            units: self.units().into(),
            paths: self.paths(query),
            facts: Facts(self.facts.clone().into()),
            data: query.data.iter().map(|(path, _)| (path.clone(), self.contents.reading(path))).collect(),
            snapshots: self.contents.snapshots(&query.snapshots),
            layers: query.layers.keys().filter_map(|name| self.layer(name)).collect(),
            ..Observed::default()
        }
    }

    /// Each container that was ever started has a database outside its mounts.
    fn layer(&self, name: &str) -> Option<(String, Seen<Layer>)> {
        let found = self.containers.get(name)?;
        let database = Written { size: 1, database: Some("SQLite database".to_owned()), ..Written::default() };
        let files = found.started.then(|| (written_by(found.id), database)).into_iter().collect();
        Some((name.to_owned(), Seen::Present(Layer { id: id(found.id), files, more: 0 })))
    }

    fn units(&self) -> BTreeMap<String, Unit> {
        let unit = |name: &String| {
            let since = self.services.get(name).copied();
            let runs = match container_of(name) {
                Some(live) => self.containers.get(&live).is_some_and(|found| found.running),
                None => since.is_some(),
            };
            let details = UnitDetails { active_since_us: since.unwrap_or_default(), ..UnitDetails::default() };
            let unit = Unit {
                name: name.clone(),
                load: "loaded".to_owned(),
                active: if runs { "active" } else { "inactive" }.to_owned(),
                sub: String::new(),
                details: Some(details),
            };
            (name.clone(), unit)
        };
        self.loaded.iter().map(unit).collect()
    }

    fn paths(&self, query: &Query) -> stackctl::observed::PathMap<Seen<PathInfo>> {
        let info = |kind, mode, modified_us, content, empty| {
            Seen::Present(PathInfo { kind, mode, uid: 1000, modified_us, writable: true, content, empty })
        };
        let mut paths: stackctl::observed::PathMap<Seen<PathInfo>> =
            query.paths.union(&query.files).map(|path| (path.to_path_buf(), Seen::Absent)).collect();
        let parents: BTreeSet<&Path> =
            self.directories.keys().chain(self.files.keys()).filter_map(|path| path.parent()).collect();
        for (path, mode) in &self.directories {
            let is_empty = !parents.contains(path.as_path());
            paths.insert(path.clone(), info(PathKind::Directory, *mode, 0, None, Some(is_empty)));
        }
        for (path, file) in &self.files {
            paths.insert(path.clone(), info(PathKind::File, file.mode, file.at, Some(file.text.clone()), None));
        }
        // The programs of services.
        let program = PathBuf::from("/bin/sleep");
        if query.paths.contains(&program) {
            paths.insert(program, info(PathKind::File, 0o755, 0, None, None));
        }
        for unit in &self.enabled {
            let target = if unit.ends_with(".socket") { "sockets.target.wants" } else { "default.target.wants" };
            let link = Path::new(UNITS).join(target).join(unit);
            paths.insert(link, info(PathKind::File, 0o777, 0, None, None));
        }
        paths
    }
}

/// The container that a unit of ours runs.
fn container_of(unit: &str) -> Option<String> {
    Some(unit.strip_prefix("podman-")?.strip_suffix(".service")?.to_owned())
}

fn socket_of(service: &str) -> String {
    service.replace(".service", ".socket")
}

fn partial(to: &Path) -> PathBuf {
    PathBuf::from(format!("{}{PARTIAL}", to.display()))
}

/// Where a container keeps what is on no mount.
fn written_by(number: u64) -> String {
    format!("/app/{number}.db")
}

fn id(number: u64) -> String {
    format!("{number:064x}")
}

fn shown(name: &str, found: &Object) -> Container {
    let health = if found.is_sick() { Health::Unhealthy } else { Health::Healthy };
    Container {
        applied: std::sync::OnceLock::new(),
        id: id(found.id),
        name: name.to_owned(),
        labels: found.labels.clone(),
        image: found.image.clone(),
        image_id: found.image.clone(),
        state: match (found.running, found.started) {
            (true, _) => ContainerState::Running,
            (false, true) => ContainerState::Exited,
            (false, false) => ContainerState::Created,
        },
        exit_code: 0,
        health: (found.running && found.has_check).then_some(health),
        started_at: if found.started { stackctl::time::rfc3339(at_us(found.started_at)) } else { String::new() },
        pid: 0,
        networks: found.networks.keys().cloned().collect(),
        ports: Vec::new(),
        inspect: Some(found.made.clone()).filter(|made| !made.is_null()).map(|mut made| {
            let endpoint = |(name, aliases): (&String, &Vec<String>)| (name.clone(), json!({ "Aliases": aliases }));
            let networks: serde_json::Map<String, Value> = found.networks.iter().map(endpoint).collect();
            made["NetworkSettings"] = json!({ "Networks": networks });
            made
        }),
    }
}

/// As podman shows what the stacks of these tests set.
fn inspected(body: &stackctl::effect::ContainerCreate) -> Value {
    let env: Vec<String> = body.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let volume = |volume: &stackctl::effect::podman::NamedVolume| json!({ "Type": "volume", "Name": volume.name, "Destination": volume.dest, "RW": true });
    let bind = |mount: &stackctl::effect::podman::Mount| json!({ "Type": "bind", "Source": mount.source, "Destination": mount.destination, "RW": true });
    let mounts: Vec<Value> = body.volumes.iter().map(volume).chain(body.mounts.iter().map(bind)).collect();
    let check = body.healthconfig.as_ref().map(|check| {
        json!({
            "Test": check.test,
            "Interval": check.interval,
            "Timeout": check.timeout,
            "StartPeriod": check.start_period,
            "Retries": check.retries,
        })
    });
    json!({
        "Config": { "Env": env, "Labels": body.labels, "Healthcheck": check },
        "HostConfig": { "NetworkMode": "bridge", "PortBindings": {} },
        "Mounts": mounts,
    })
}
