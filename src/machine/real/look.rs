//! One look at the machine: everything that was asked, at the same time. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use super::{Real, podman_is_installed};
use crate::effect::BuildSource;
use crate::machine::podman::Podman;
use crate::machine::{Failure, FailureKind, clock, data, files, host, http, layer, snapshot};
use crate::observed::data::{Candidate, Extent, Integrity, LiveMount, Reading, State, Writer};
use crate::observed::layer::Layer;
use crate::observed::snapshot::{Snapshot, Space};
use crate::observed::{
    Container, Engine, Health, Host, Image, Listener, Manager, Network, Observed, PathInfo, PathMap, ProbeReading,
    Query, RemoteImage, Secret, Seen, Sort, Unit, Volume,
};
use crate::probe::{Probe, Readiness};
use crate::sorted::Sorted;

/// Podman gains nothing from more at a time (notes: 1.4-1.9 times at 4 on 2 cores, then nothing).
const AT_ONCE: usize = 8;

/// A file system that does not answer (a dead network mount) makes its paths unknown, not the program hang.
const FILES_TIMEOUT: Duration = Duration::from_secs(10);

/// A gigabyte of sources is read in seconds.
const BUILD_SOURCE_TIMEOUT: Duration = Duration::from_secs(120);

const STACK_LABEL: &str = "io.stackctl.stack";

#[derive(Default)]
struct OfPodman {
    engine: Seen<Engine>,
    containers: BTreeMap<String, Container>,
    networks: BTreeMap<String, Network>,
    volumes: BTreeMap<String, Volume>,
    secrets: BTreeMap<String, Secret>,
    images: BTreeMap<String, Seen<Image>>,
    registry: BTreeMap<String, Seen<RemoteImage>>,
    blind: BTreeMap<Sort, String>,
}

#[derive(Default)]
struct OfSystemd {
    manager: Seen<Manager>,
    units: BTreeMap<String, Unit>,
    blind: BTreeMap<Sort, String>,
}

#[derive(Default)]
struct OfHost {
    paths: PathMap<Seen<PathInfo>>,
    folders: BTreeMap<PathBuf, BTreeMap<PathBuf, String>>,
    search_path: Vec<(PathBuf, BTreeSet<String>)>,
    listeners: Vec<Listener>,
    host: Option<Host>,
    blind: BTreeMap<Sort, String>,
}

impl Real {
    pub(super) async fn look(&self, query: &Query) -> Observed {
        let (podman, systemd, host, probes, build_sources, data) = tokio::join!(
            self.look_podman(query),
            self.look_systemd(query),
            self.look_host(query),
            self.look_probes(query),
            look_build_sources(query),
            look_data(&query.data)
        );
        let mounts = live_mounts(&podman.containers, &podman.volumes, query);
        let layers = self.look_layers(&podman.containers, query).await;
        let (snapshots, space) = look_for_snapshots(query).await;
        let integrity = check_integrity(query).await;
        let mut blind = podman.blind;
        blind.extend(systemd.blind);
        blind.extend(host.blind);
        Observed {
            now_us: clock::now_us(),
            podman: podman.engine,
            manager: systemd.manager,
            containers: Sorted::from(podman.containers).into(),
            by_list: query.inspect_only.is_some(),
            networks: podman.networks.into(),
            volumes: podman.volumes.into(),
            secrets: podman.secrets,
            images: podman.images.into(),
            registry: podman.registry,
            pulls: self.look_at_pulls(query).await,
            build_sources,
            units: systemd.units.into(),
            paths: host.paths,
            folders: host.folders,
            search_path: host.search_path,
            listeners: host.listeners,
            probes,
            host: host.host,
            facts: crate::observed::Facts::default(),
            data,
            integrity,
            mounts,
            candidates: look_for_copies(query).await,
            extents: count_extents(query).await,
            writers: find_writers(query).await,
            snapshots,
            space,
            going_back: BTreeMap::new(),
            layers,
            accepted: BTreeSet::new(),
            blind,
        }
    }

    /// Whoever is not reached says so when it is pulled.
    async fn look_at_pulls(&self, query: &Query) -> BTreeMap<String, Vec<u64>> {
        if query.pulls.is_empty() {
            return BTreeMap::new();
        }
        let Ok(podman) = &self.podman().await else { return BTreeMap::new() };
        let all = bounded(
            query
                .pulls
                .iter()
                .map(|reference| async move { (reference.clone(), podman.remote_layers(reference).await) }),
        );
        let all: BTreeMap<_, _> = all.await;
        all.into_iter().filter_map(|(reference, layers)| Some((reference, layers.ok()?))).collect()
    }

    /// A container that is not there has none.
    async fn look_layers(
        &self,
        containers: &BTreeMap<String, Container>,
        query: &Query,
    ) -> BTreeMap<String, Seen<Layer>> {
        let asked = query.layers.iter().filter_map(|(name, wanted)| Some((name, containers.get(name)?, wanted)));
        bounded(asked.map(|(name, container, wanted)| async move {
            let seen = match self.podman().await {
                Ok(podman) => layer::look(&podman, container, wanted).await,
                Err(failure) => Seen::Unknown(failure.message),
            };
            (name.clone(), seen)
        }))
        .await
    }

    async fn look_podman(&self, query: &Query) -> OfPodman {
        if let Some(podman) = self.likely_podman().await {
            match ask_podman(&podman, query).await {
                Ok(seen) => {
                    self.found(podman).await;
                    return seen;
                }
                // A socket that a service left behind when it ended.
                Err(failure) if failure.kind == FailureKind::Unreachable => {}
                Err(failure) => return blind_podman(query, &failure, true),
            }
        }
        match self.podman().await {
            Ok(podman) => match ask_podman(&podman, query).await {
                Ok(seen) => seen,
                Err(failure) => blind_podman(query, &failure, true),
            },
            Err(failure) => blind_podman(query, &failure, podman_is_installed(&self.options.path)),
        }
    }

    async fn look_systemd(&self, query: &Query) -> OfSystemd {
        if !host::systemd_runs() {
            return OfSystemd::default();
        }
        let looking = async {
            let systemd = self.systemd().await?;
            let (manager, units, detailed) = tokio::try_join!(
                systemd.manager(),
                systemd.units(&query.units),
                systemd.detailed(&query.unit_details),
            )?;
            // A row with details replaces the one without.
            let units = units.into_iter().chain(detailed).map(|unit| (unit.name.clone(), unit)).collect();
            Ok::<_, Failure>((manager, units))
        };
        match looking.await {
            Ok((manager, units)) => OfSystemd { manager: Seen::Present(manager), units, blind: BTreeMap::new() },
            Err(failure) => OfSystemd {
                manager: Seen::Unknown(failure.message.clone()),
                units: BTreeMap::new(),
                blind: BTreeMap::from([(Sort::Units, failure.message)]),
            },
        }
    }

    async fn look_host(&self, query: &Query) -> OfHost {
        let question = query.clone();
        let uid = self.options.uid;
        let looking = tokio::task::spawn_blocking(move || look_host(&question, uid));
        match tokio::time::timeout(FILES_TIMEOUT, looking).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(_)) | Err(_) => {
                let why = format!("the file system does not answer within {}", http::in_words(FILES_TIMEOUT));
                let paths =
                    query.paths.union(&query.files).map(|path| (path.to_path_buf(), Seen::Unknown(why.clone())));
                let blind = [Sort::Units, Sort::Listeners].map(|sort| (sort, why.clone()));
                OfHost { paths: paths.collect(), blind: blind.into(), ..OfHost::default() }
            }
        }
    }

    async fn look_probes(&self, query: &Query) -> BTreeMap<crate::address::Address, ProbeReading> {
        bounded(query.probes.iter().map(|(address, Readiness { probe, timeout, .. })| async {
            (address.clone(), self.probe(probe, *timeout).await)
        }))
        .await
    }

    /// Asks once.
    pub(super) async fn probe(&self, probe: &Probe, timeout: Duration) -> ProbeReading {
        if let Some(reading) = http::ask(probe, timeout).await {
            return reading;
        }
        let (Probe::Container { name } | Probe::Http { url: name, .. } | Probe::Tcp { address: name }) = probe;
        let log = match self.podman().await {
            Ok(podman) => podman.health_log(name).await,
            Err(failure) => Err(failure),
        };
        let log = match log {
            Ok(log) => log,
            Err(failure) => return ProbeReading { passed: false, answer: failure.message },
        };
        let Some(log) = log else { return ProbeReading { passed: false, answer: "there is no such container".into() } };
        let word = match log.health {
            Some(Health::Healthy) => "healthy",
            Some(Health::Unhealthy) => "unhealthy",
            Some(Health::Starting) => "starting",
            None => "it has no health check",
        };
        let passed = log.health == Some(Health::Healthy);
        let answer = match log.output.as_str() {
            output if !passed && !output.is_empty() => format!("{word}: {output}"),
            _ => word.to_owned(),
        };
        ProbeReading { passed, answer }
    }
}

/// What podman itself mounts at a volume's place, for a device or a share, it mounts where only containers see it.
fn is_directory(volume: &Volume) -> bool {
    volume.driver == "local" && !["type", "device"].iter().any(|key| volume.options.contains_key(*key))
}

/// Of those that run. To look is a few calls of the kernel each.
fn live_mounts(
    containers: &BTreeMap<String, Container>,
    volumes: &BTreeMap<String, Volume>,
    query: &Query,
) -> BTreeMap<String, BTreeMap<String, LiveMount>> {
    let all = query.inspect_only.is_none();
    let wanted = query.mounts.iter().filter(|(_, wanted)| all || !wanted.contracts.is_empty());
    let running = wanted.filter_map(|(name, wanted)| {
        let found = containers.get(name).filter(|found| found.is_running() && found.pid > 0)?;
        let mut sources = wanted.sources.clone();
        sources.extend(wanted.volumes.iter().filter_map(|(target, (volume, below))| {
            let volume = volumes.get(volume).filter(|volume| is_directory(volume))?;
            Some((target.clone(), Path::new(&volume.mountpoint).join(below)))
        }));
        Some((name.clone(), host::live_mounts(found.pid, &sources, wanted)))
    });
    running.collect()
}

/// What this user may not read is asked for once more from inside the user namespace, where it may: all of it in one entry.
pub(super) async fn look_data(questions: &data::Questions) -> BTreeMap<PathBuf, Reading> {
    if questions.is_empty() {
        return BTreeMap::new();
    }
    let asked = questions.clone();
    let reading = tokio::task::spawn_blocking(move || data::read_all(&asked));
    let undetermined = |why: String| {
        let reading = Reading { state: State::Undetermined, why, ..Reading::default() };
        questions.iter().map(|(path, _)| (path.clone(), reading.clone())).collect()
    };
    let mut readings: BTreeMap<PathBuf, Reading> = match tokio::time::timeout(FILES_TIMEOUT, reading).await {
        Ok(Ok(readings)) => readings,
        Ok(Err(error)) => undetermined(error.to_string()),
        Err(_) => undetermined(format!("no answer within {}", http::in_words(FILES_TIMEOUT))),
    };
    let denied = data::denied(questions, &readings);
    if !denied.is_empty() {
        match data::read_inside(&denied).await {
            Ok(inside) => readings.extend(inside),
            Err(why) => readings.values_mut().filter(|reading| reading.is_denied).for_each(|reading| {
                reading.why = format!("{}; and from inside the user namespace: {why}", reading.why);
            }),
        }
    }
    readings
}

/// All at the same time, and with them whether it is podman: who answers at the socket nearly always is, and asking that
/// first would cost a round trip.
async fn ask_podman(podman: &Podman, query: &Query) -> Result<OfPodman, Failure> {
    let (engine, containers, networks, volumes, secrets, images, registry) = tokio::join!(
        podman.engine(),
        containers(podman, query),
        podman.networks(),
        podman.volumes(),
        secrets(podman, query),
        images(podman, &query.images),
        registry(podman, &query.registry),
    );
    let engine = Seen::Present(engine?);
    let mut seen = OfPodman { engine, images, registry, ..OfPodman::default() };
    let ours = |labels: &BTreeMap<String, String>| labels.get(STACK_LABEL) == Some(&query.stack);
    match containers {
        Ok(containers) => seen.containers = containers,
        Err(failure) => drop(seen.blind.insert(Sort::Containers, failure.message)),
    }
    match networks {
        Ok(networks) => {
            let wanted =
                networks.into_iter().filter(|found| ours(&found.labels) || query.networks.contains(&found.name));
            seen.networks = wanted.map(|network| (network.name.clone(), network)).collect();
        }
        Err(failure) => drop(seen.blind.insert(Sort::Networks, failure.message)),
    }
    match volumes {
        Ok(volumes) => {
            let wanted = volumes.into_iter().filter(|found| ours(&found.labels) || query.volumes.contains(&found.name));
            seen.volumes = wanted.map(|volume| (volume.name.clone(), volume)).collect();
        }
        Err(failure) => drop(seen.blind.insert(Sort::Volumes, failure.message)),
    }
    match secrets {
        Ok(secrets) => seen.secrets = secrets,
        Err(failure) => drop(seen.blind.insert(Sort::Secrets, failure.message)),
    }
    Ok(seen)
}

/// Everything of podman is unknown; where podman is not even installed, that is known.
fn blind_podman(query: &Query, failure: &Failure, installed: bool) -> OfPodman {
    let engine = match failure.kind {
        FailureKind::NotFound if !installed => Seen::Absent,
        _ => Seen::Unknown(failure.message.clone()),
    };
    let unknown = |reference: &String| (reference.clone(), Seen::Unknown(failure.message.clone()));
    OfPodman {
        engine,
        images: query.images.iter().map(unknown).collect(),
        blind: [Sort::Containers, Sort::Networks, Sort::Volumes, Sort::Secrets]
            .map(|sort| (sort, failure.message.clone()))
            .into(),
        ..OfPodman::default()
    }
}

/// The list, and over it what was inspected; a name that inspect finds no more is gone since. Where not everything is inspected,
/// the list is of all there are, so that a name that somebody else has is seen. What is ours and nobody asked for, such as the
/// half of a replace, is inspected as well: whom it lives with, the list does not tell.
async fn containers(podman: &Podman, query: &Query) -> Result<BTreeMap<String, Container>, Failure> {
    let names = query.inspect_only.as_ref().unwrap_or(&query.containers);
    let of_all = query.all_containers || query.all_mounts || query.inspect_only.is_some();
    let inspects = bounded(names.iter().map(|name| async move { (name, podman.inspect(name).await) }));
    let (listed, inspected): (_, Vec<_>) =
        tokio::join!(podman.list((!of_all).then_some(query.stack.as_str())), inspects);
    let is_wanted = |found: &Container| {
        query.all_containers
            || query.all_mounts
            || found.labels.get(STACK_LABEL) == Some(&query.stack)
            || query.containers.contains(&found.name)
    };
    let listed = listed?.into_iter().filter(is_wanted);
    let mut containers: BTreeMap<String, Container> =
        listed.map(|container| (container.name.clone(), container)).collect();
    let is_extra = |found: &&Container| {
        (query.all_mounts || found.labels.get(STACK_LABEL) == Some(&query.stack))
            && !query.containers.contains(&found.name)
            && !names.contains(&found.name)
    };
    let extra: Vec<String> = containers.values().filter(is_extra).map(|found| found.name.clone()).collect();
    let inspected_too: Vec<_> =
        bounded(extra.iter().map(|name| async move { (name, podman.inspect(name).await) })).await;
    for (name, answer) in inspected.into_iter().chain(inspected_too) {
        match answer? {
            Some(container) => drop(containers.insert(name.clone(), container)),
            None => drop(containers.remove(name)),
        }
    }
    Ok(containers)
}

async fn secrets(podman: &Podman, query: &Query) -> Result<BTreeMap<String, Secret>, Failure> {
    let ours = |found: &Secret| found.labels.get(STACK_LABEL) == Some(&query.stack);
    let is_of =
        |name: &str, asked: &str| name.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let asked = |found: &Secret| query.secrets.iter().any(|asked| is_of(&found.name, asked));
    let found = podman.secrets().await?.into_iter().filter(|found| ours(found) || asked(found));
    let mut secrets: BTreeMap<String, Secret> = found.map(|secret| (secret.name.clone(), secret)).collect();
    for name in &query.secret_values {
        if let Some(secret) = secrets.get_mut(name) {
            secret.value = podman.secret_value(name).await?;
        }
    }
    Ok(secrets)
}

async fn images(podman: &Podman, references: &BTreeSet<String>) -> BTreeMap<String, Seen<Image>> {
    bounded(references.iter().map(|reference| async move {
        let seen = match podman.image(reference).await {
            Ok(Some(image)) => Seen::Present(image),
            Ok(None) => Seen::Absent,
            Err(failure) => Seen::Unknown(failure.message),
        };
        (reference.clone(), seen)
    }))
    .await
}

async fn registry(podman: &Podman, references: &BTreeSet<String>) -> BTreeMap<String, Seen<RemoteImage>> {
    bounded(references.iter().map(|reference| async move {
        let seen = match podman.remote_image(reference).await {
            Ok(image) => Seen::Present(image),
            Err(failure) => Seen::Unknown(failure.message),
        };
        (reference.clone(), seen)
    }))
    .await
}

/// Only where something was lost. It ends by itself.
async fn look_for_copies(query: &Query) -> BTreeMap<PathBuf, Vec<Candidate>> {
    if query.candidates.is_empty() {
        return BTreeMap::new();
    }
    let wanted = query.candidates.clone();
    tokio::task::spawn_blocking(move || data::search(&wanted)).await.unwrap_or_default()
}

async fn count_extents(query: &Query) -> BTreeMap<PathBuf, Extent> {
    if query.extents.is_empty() {
        return BTreeMap::new();
    }
    let wanted = query.extents.clone();
    tokio::task::spawn_blocking(move || data::extents(wanted.into_iter()).collect()).await.unwrap_or_default()
}

/// On copies, which SQLite may lock and write as it likes.
async fn check_integrity(query: &Query) -> BTreeMap<PathBuf, Integrity> {
    if query.integrity.is_empty() {
        return BTreeMap::new();
    }
    let wanted = query.integrity.clone();
    tokio::task::spawn_blocking(move || data::check_all(&wanted)).await.unwrap_or_default()
}

/// The copies, and the room for more.
async fn look_for_snapshots(query: &Query) -> (BTreeMap<PathBuf, Vec<Snapshot>>, BTreeMap<PathBuf, Space>) {
    if query.snapshots.is_empty() && query.space.is_empty() {
        return Default::default();
    }
    let (shelves, paths) = (query.snapshots.clone(), query.space.clone());
    let looking = move || (snapshot::look(&shelves), snapshot::space(&paths));
    tokio::task::spawn_blocking(looking).await.unwrap_or_default()
}

async fn find_writers(query: &Query) -> BTreeMap<PathBuf, Vec<Writer>> {
    if query.writers.is_empty() {
        return BTreeMap::new();
    }
    let wanted = query.writers.clone();
    tokio::task::spawn_blocking(move || host::writers(&wanted)).await.unwrap_or_default()
}

/// Apart from the other files, since a context may be large.
async fn look_build_sources(query: &Query) -> BTreeMap<BuildSource, Seen<String>> {
    bounded(query.build_sources.iter().map(|source| async move {
        let asked = source.clone();
        let looking = tokio::task::spawn_blocking(move || files::context::digest(&asked));
        let seen = match tokio::time::timeout(BUILD_SOURCE_TIMEOUT, looking).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(_)) | Err(_) => {
                let within = http::in_words(BUILD_SOURCE_TIMEOUT);
                Seen::Unknown(format!("{} could not be read within {within}", source.context.display()))
            }
        };
        (source.clone(), seen)
    }))
    .await
}

async fn bounded<T, C: Default + Extend<T>>(asking: impl Iterator<Item = impl Future<Output = T>>) -> C {
    stream::iter(asking).buffer_unordered(AT_ONCE).collect().await
}

fn look_host(query: &Query, uid: u32) -> OfHost {
    let mut seen = OfHost::default();
    for path in query.paths.union(&query.files) {
        seen.paths.insert(path.to_path_buf(), files::info(path, query.files.contains(path)));
    }
    let listed = query.search_path.iter().map(|directory| (directory.clone(), files::names(directory)));
    seen.search_path = listed.filter(|(_, names)| !names.is_empty()).collect();
    let drop_ins = seen.search_path.iter().flat_map(|(directory, names)| {
        let of_units =
            names.iter().filter(|name| name.strip_suffix(".d").is_some_and(|unit| query.units.contains(unit)));
        of_units.map(|name| directory.join(name))
    });
    for folder in query.folders.iter().cloned().chain(drop_ins) {
        let found = files::texts(&folder);
        if !found.is_empty() {
            seen.folders.insert(folder, found);
        }
    }
    if let Some(directory) = &query.unit_directory {
        match files::marked(directory, &query.stack) {
            Ok(found) => seen.paths.extend(found.into_iter().map(|(path, info)| (path, Seen::Present(info)))),
            Err(error) => {
                let why = format!("{}: {}", directory.display(), files::words(&error));
                seen.blind.insert(Sort::Units, why);
            }
        }
    }
    if query.listeners || !query.owners_of_ports.is_empty() {
        match host::listeners(&query.owners_of_ports) {
            Ok(listeners) => seen.listeners = listeners,
            Err(error) => drop(seen.blind.insert(Sort::Listeners, format!("/proc/net: {}", files::words(&error)))),
        }
    }
    seen.host = query.host.then(|| host::facts(uid, &query.unit_path));
    seen
}
