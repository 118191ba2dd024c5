//! Stacks made by a seed: containers, services, networks, volumes, secrets and directories with edges between them, and the next
//! version of each. Written as a stack file and read as one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use stackctl::desired::{Context, Desired};
use stackctl::graph::Graph;

use crate::plans::resolved;

/// Numbers from a seed (xorshift64*): the same ones on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % bound.max(1)
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What is called so has what must survive of the container of that number.
const OWN: &str = "own";

/// What must survive below this source of a mount.
pub(crate) fn data_of(source: &str) -> Option<PathBuf> {
    let name = Path::new(source).file_name()?.to_str()?;
    name.starts_with(OWN).then(|| Path::new(source).join("db"))
}

/// What must survive of the service of that number.
pub(crate) fn data_of_service(unit: &str) -> Option<PathBuf> {
    let number = unit.strip_prefix('s')?.strip_suffix(".service")?;
    number.parse::<usize>().ok().map(|number| PathBuf::from(format!("/home/u/{OWN}{number}/db")))
}

/// It starts and never gets healthy, or ends at once.
pub(crate) const SICK: &str = "sick";

#[derive(Clone, Debug, PartialEq)]
struct Runs {
    is_service: bool,
    tag: String,
    word: usize,
    checked: bool,
    enabled: bool,
    networks: BTreeSet<usize>,
    volumes: BTreeSet<usize>,
    secrets: BTreeSet<usize>,
    directories: BTreeSet<usize>,
    /// On those before it alone, so that there is no cycle: condition, and whether it is restarted with the other.
    needs: BTreeMap<usize, (bool, bool)>,
    /// The container before it whose network it lives in.
    lives_in: Option<usize>,
    /// systemd listens for it.
    listens: bool,
}

/// What a stack file is made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sketch {
    runs: Vec<Option<Runs>>,
    networks: Vec<usize>,
    volumes: usize,
    secrets: Vec<usize>,
    directories: Vec<u32>,
    /// Containers in whose network somebody has lived. They stay: where one of these leaves the file while whom it lives with is made
    /// anew, the plan is blocked, and says so.
    homes: BTreeSet<usize>,
    /// Has every other container data with a contract?
    keeps_data: bool,
}

impl Sketch {
    /// About so many resources.
    pub(crate) fn new(size: usize, random: &mut Random) -> Self {
        let few = |random: &mut Random| 1 + random.below(1 + size / 6);
        let mut sketch = Self {
            runs: Vec::new(),
            networks: vec![0; few(random)],
            volumes: few(random),
            secrets: vec![0; few(random)],
            directories: vec![0o700; few(random)],
            homes: BTreeSet::new(),
            keeps_data: true,
        };
        let rest = sketch.networks.len() + sketch.volumes + sketch.secrets.len() + sketch.directories.len();
        for _ in 0..size.saturating_sub(rest).max(2) {
            let new = sketch.one(random);
            sketch.runs.push(Some(new));
        }
        sketch.keep_homes();
        sketch
    }

    fn one(&self, random: &mut Random) -> Runs {
        let some = |random: &mut Random, of: usize| -> BTreeSet<usize> {
            (0..random.below(3)).map(|_| random.below(of)).collect()
        };
        let before: Vec<usize> = (0..self.runs.len()).filter(|index| self.runs[*index].is_some()).collect();
        let mut needs = BTreeMap::new();
        for _ in 0..random.below(3) {
            if !before.is_empty() {
                let on = *random.pick(&before);
                let is_checked = self.runs[on].as_ref().is_some_and(|runs| runs.checked);
                needs.insert(on, (is_checked && random.once_in(2), random.once_in(4)));
            }
        }
        let is_service = random.once_in(4);
        let lives_in = self.home(before.len(), is_service, random);
        Runs {
            is_service,
            tag: "1".to_owned(),
            word: 0,
            checked: !is_service && random.once_in(2),
            enabled: true,
            networks: some(random, self.networks.len()),
            volumes: some(random, self.volumes),
            secrets: some(random, self.secrets.len()),
            directories: some(random, self.directories.len()),
            needs,
            lives_in,
            listens: is_service && random.once_in(3),
        }
    }

    /// One of the containers before it, now and then.
    fn home(&self, before: usize, is_service: bool, random: &mut Random) -> Option<usize> {
        let is_container = |index: &usize| self.runs[*index].as_ref().is_some_and(|runs| !runs.is_service);
        let before: Vec<usize> = (0..self.runs.len().min(before)).filter(is_container).collect();
        (!is_service && !before.is_empty() && random.once_in(4)).then(|| *random.pick(&before))
    }

    /// One or more lines of it changed.
    pub(crate) fn changed(&self, random: &mut Random) -> Self {
        let mut next = self.clone();
        for _ in 0..=random.below(3) {
            let index = random.below(next.runs.len());
            match random.below(10) {
                9 => {
                    let is_service = next.runs[index].as_ref().is_none_or(|runs| runs.is_service);
                    let home = next.home(index, is_service, random);
                    if let Some(runs) = &mut next.runs[index] {
                        runs.lives_in = home;
                    }
                    next.keep_homes();
                }
                0 => next.networks[0] ^= 1,
                1 => *next.secrets.last_mut().expect("there is one") += 1,
                2 => *next.directories.last_mut().expect("there is one") ^= 0o050,
                3 => {
                    let new = next.one(random);
                    next.runs.push(Some(new));
                    next.keep_homes();
                }
                4 if next.runs.iter().flatten().count() > 2 && !next.homes.contains(&index) => next.drop_one(index),
                5 => {
                    let networks = next.networks.len();
                    if let Some(runs) = &mut next.runs[index] {
                        let network = random.below(networks);
                        if !runs.networks.remove(&network) {
                            runs.networks.insert(network);
                        }
                    }
                }
                6 => {
                    if let Some(runs) = &mut next.runs[index].as_mut().filter(|runs| !runs.is_service) {
                        runs.tag = if random.once_in(3) { SICK.to_owned() } else { (1 + random.below(4)).to_string() };
                    }
                }
                _ => {
                    if let Some(runs) = &mut next.runs[index] {
                        match runs.is_service && random.once_in(2) {
                            true => runs.listens ^= true,
                            false => runs.word += 1,
                        }
                    }
                }
            }
        }
        next
    }

    fn keep_homes(&mut self) {
        self.homes.extend(self.runs.iter().flatten().filter_map(|runs| runs.lives_in));
    }

    fn drop_one(&mut self, index: usize) {
        self.runs[index] = None;
        for runs in self.runs.iter_mut().flatten() {
            runs.needs.remove(&index);
        }
    }

    /// Without anything that never comes up.
    pub(crate) fn cured(&self) -> Self {
        let mut cured = self.clone();
        cured.runs.iter_mut().flatten().filter(|runs| runs.tag == SICK).for_each(|runs| runs.tag = "9".to_owned());
        cured
    }

    /// Names of the containers that it declares.
    pub(crate) fn containers(&self) -> Vec<String> {
        let is_container = |(index, runs): (usize, &Option<Runs>)| {
            runs.as_ref().filter(|runs| !runs.is_service).map(|_| format!("s-c{index}"))
        };
        self.runs.iter().enumerate().filter_map(is_container).collect()
    }

    fn has_data(&self, index: usize) -> bool {
        self.keeps_data && index.is_multiple_of(2)
    }

    /// What is counted is counted of the same stacks as ever.
    pub(crate) fn without_data(self) -> Self {
        Self { keeps_data: false, ..self }
    }

    /// The databases that are set aside where they are hollow, by their places.
    pub(crate) fn quarantined(&self) -> Vec<PathBuf> {
        let all = self.with_data().filter(|index| self.is_quarantined(*index));
        all.map(|index| PathBuf::from(format!("/home/u/{OWN}{index}/db"))).collect()
    }

    fn is_quarantined(&self, index: usize) -> bool {
        self.has_data(index) && index.is_multiple_of(4)
    }

    fn with_data(&self) -> impl Iterator<Item = usize> {
        (0..self.runs.len()).filter(|index| self.has_data(*index) && self.runs[*index].is_some())
    }

    fn container(&self, index: usize, runs: &Runs, needs: Map<String, Value>, name: &dyn Fn(usize) -> String) -> Value {
        let volumes = runs.volumes.iter().map(|volume| format!("v{volume}:/v{volume}"));
        let binds = runs.directories.iter().map(|directory| format!("~/d{directory}:/d{directory}"));
        let own = self.has_data(index).then(|| format!("~/{OWN}{index}:/own"));
        let binds = binds.chain(own);
        let mut entry = json!({
            "image": format!("localhost/x:{}", runs.tag),
            "environment": { "WORD": runs.word.to_string() },
            "networks": runs.networks.iter().map(|network| format!("n{network}")).collect::<Vec<_>>(),
            "volumes": volumes.chain(binds).collect::<Vec<_>>(),
            "secrets": runs.secrets.iter().map(|secret| format!("k{secret}")).collect::<Vec<_>>(),
            "depends_on": needs,
        });
        if let Some(home) = runs.lives_in {
            entry["network_mode"] = json!(format!("service:{}", name(home)));
            entry.as_object_mut().expect("it is a map").remove("networks");
        }
        if self.has_data(index) {
            entry["data"] = match self.is_quarantined(index) {
                true => json!([{ "path": "/own/db", "engine": "sqlite", "when_hollow": "quarantine" }]),
                false => json!([{ "path": "/own/db", "engine": "dir" }]),
            };
        }
        if runs.checked {
            entry["healthcheck"] = json!({ "test": ["CMD", "check"], "interval": "1s" });
        }
        entry
    }

    /// As a stack file; `backwards` turns the order of every section.
    pub(crate) fn text(&self, backwards: bool) -> String {
        let name = |index: usize| match &self.runs[index] {
            Some(runs) if runs.is_service => format!("s{index}"),
            Some(_) | None => format!("c{index}"),
        };
        let mut sections: [Vec<(String, Value)>; 2] = [Vec::new(), Vec::new()];
        for (index, runs) in self.runs.iter().enumerate() {
            let Some(runs) = runs else { continue };
            let needs = runs.needs.iter().map(|(on, (healthy, restart))| {
                let condition = if *healthy { "service_healthy" } else { "service_started" };
                (name(*on), json!({ "condition": condition, "restart": restart }))
            });
            let needs: Map<String, Value> = needs.collect();
            let entry = if runs.is_service {
                let exec = ["/bin/sleep", &runs.word.to_string()];
                let mut entry = json!({ "exec": exec, "depends_on": needs, "enabled": runs.enabled });
                if runs.listens {
                    entry["sockets"] = json!([10_000 + index]);
                }
                entry
            } else {
                self.container(index, runs, needs, &name)
            };
            sections[usize::from(runs.is_service)].push((name(index), entry));
        }
        let [containers, services] = sections;
        let numbered = |prefix: &str, values: Vec<Value>| -> Vec<(String, Value)> {
            values.into_iter().enumerate().map(|(index, value)| (format!("{prefix}{index}"), value)).collect()
        };
        let networks = self.networks.iter().map(|turn| json!({ "internal": *turn == 1 })).collect();
        let secrets = self.secrets.iter().map(|turn| json!({ "generate": { "length": 8 + turn } })).collect();
        let directories = self.directories.iter().map(|mode| json!({ "mode": format!("{mode:04o}") })).collect();
        let own = self.with_data().map(|index| (format!("~/{OWN}{index}"), json!({})));
        let databases = self.runs.iter().enumerate().filter_map(|(index, runs)| {
            let is_its = runs.as_ref().is_some_and(|runs| runs.is_service) && self.is_quarantined(index);
            let contract = json!({ "engine": "sqlite", "when_hollow": "quarantine", "service": format!("s{index}") });
            is_its.then(|| (format!("~/{OWN}{index}/db"), contract))
        });
        let section = |mut entries: Vec<(String, Value)>| {
            if backwards {
                entries.reverse();
            }
            let lines = entries.iter().map(|(name, value)| format!("  {name}: {value}\n"));
            lines.collect::<String>()
        };
        format!(
            "version: 1\nstack: s\ncontainers:\n{}services:\n{}networks:\n{}volumes:\n{}secrets:\n{}directories:\n{}databases:\n{}",
            section(containers),
            section(services),
            section(numbered("n", networks)),
            section(numbered("v", vec![json!({}); self.volumes])),
            section(numbered("k", secrets)),
            section(numbered("~/d", directories).into_iter().chain(own).collect()),
            section(databases.collect()),
        )
    }

    pub(crate) fn read(&self) -> Read {
        Read::of(&self.text(false))
    }
}

/// A stack file, read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) desired: Desired,
    pub(crate) graph: Graph,
    pub(crate) context: Context,
}

impl Read {
    pub(crate) fn of(text: &str) -> Self {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let file = FILES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("stackctl-sketch-{}-{file}.yaml", std::process::id()));
        std::fs::write(&path, text).expect("a stack file");
        let (desired, graph, context) = resolved(&[path.to_str().expect("a path")]);
        drop(std::fs::remove_file(path));
        Self { desired, graph, context }
    }
}
