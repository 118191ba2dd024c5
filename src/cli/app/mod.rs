//! The composition root: the one file that knows the kinds, the real machine, the ledger, the environment and the clock, and puts them
//! together. It decides nothing; verbs that only look get a machine that can only be looked at.

#![expect(
    clippy::disallowed_methods,
    reason = "the composition root: environment, clock, and which of the default stack files is there"
)]

mod load;
mod renamed;
mod rescue;
mod rollback;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use load::{Loaded, Purpose, as_one_file, load, stack_schema};
pub use rescue::rescued;
pub use rollback::{Back, load_recorded};

use super::args::Common;
use super::failure::{Exit, Failure};
use super::lock::{self, Lock};
use super::records::{Memory, Records};
use super::ui::Terminal;
use crate::address::Address;
use crate::change::Action;
use crate::desired::{Context, Desired, Kind, Resource};
use crate::effect::Files;
use crate::graph::Graph;
use crate::kinds;
use crate::kinds::labels::{self, Adopted};
use crate::ledger::{self, Ledger, LedgerError, Origin, RunJournal};
use crate::machine::real::{Real, RealOptions};
use crate::machine::{Observe, Perform, files, http};
use crate::observed::Seen;
use crate::observed::query::INSPECTED_MAX;
use crate::observed::{Facts, Observed, ProbeReading, Query};
use crate::plan::{self, Asked, Kept, Plan, Saved};
use crate::probe::Probe;
use crate::report;
use crate::report::kept::KeptData;
use crate::stack::source::Environment;

/// Looks at the machine before a plan: most need one, conflicts a second, and nothing makes a fourth worth its time.
const ROUNDS_MAX: usize = 3;
/// For the sizes of all data that a destroy leaves: people wait for the question that comes after it.
const SIZES_PATIENCE: Duration = Duration::from_secs(2);

/// What the process was given. Nothing else in the crate asks for it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub environment: Environment,
    /// `~/.config/systemd/user`.
    pub unit_directory: PathBuf,
    /// `/run/user/UID`.
    pub runtime_directory: PathBuf,
    /// `~/.local/state`.
    pub state: PathBuf,
    /// `~/.local/share`.
    pub data: PathBuf,
}

/// # Errors
/// There is no home, or this is root by way of sudo.
pub fn surroundings() -> Result<Surroundings, Failure> {
    let text = |word: std::ffi::OsString| word.into_string().ok();
    let vars: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    let home = vars.get("HOME").filter(|home| Path::new(home).is_absolute()).map(PathBuf::from);
    let home = home.ok_or_else(|| {
        Failure::new(Exit::Failed, "HOME is not set, so it is not known where the stack's files are")
            .hint("Set it to the home directory of the user whose stack this is.")
    })?;
    let directory = |name: &str| vars.get(name).filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    let config = directory("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let state = directory("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
    let data = directory("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
    if rustix::process::geteuid().is_root() && vars.contains_key("SUDO_UID") {
        return Err(Failure::new(Exit::Failed, "stackctl was run as root through sudo")
            .hint("It works on the containers and units of the user who runs it; run it as yourself, without sudo."));
    }
    Ok(Surroundings {
        environment: Environment { home, vars },
        unit_directory: config.join("systemd/user"),
        runtime_directory: RealOptions::of_environment(None, |name| std::env::var_os(name)).runtime_dir,
        state,
        data,
    })
}

/// What is known of the terminal before anything can fail.
pub fn terminal() -> Terminal {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let force = given("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    Terminal::of_this_process(given("NO_COLOR").is_some(), force, given("TERM").is_some_and(|term| term == "dumb"))
}

pub fn log_filter() -> Option<String> {
    std::env::var("STACKCTL_LOG").ok().filter(|filter| !filter.is_empty())
}

/// Waits for what a verb does; made only by verbs that wait for something. Threads that still look at something (each
/// answer was had, or given up) are not waited for.
///
/// # Errors
/// The verb's own, or the kernel gives no epoll or timer.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from_error(Exit::Failed, &error).context("the runtime cannot be started"))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// Time since now.
pub fn clock() -> impl Fn() -> Duration {
    let began = Instant::now();
    move || began.elapsed()
}

/// Microseconds of the wall clock.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Ctrl-C, and what asks for the same.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From here on these signals no longer end the process.
    ///
    /// # Errors
    /// They cannot be caught.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::from_error(Exit::Failed, &error).context("signals cannot be listened to"))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    pub async fn next(&mut self) {
        let Self { interrupt, terminate, hang_up } = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// Of a stack whose name was found good: nothing of a bad one may become a path.
fn state_directory(stack: &str, surroundings: &Surroundings) -> PathBuf {
    surroundings.state.join("stackctl").join(stack)
}

/// One run at a time for each stack.
///
/// # Errors
/// Another run holds the stack, or the lock cannot be taken.
pub fn lock(loaded: &Loaded, surroundings: &Surroundings) -> Result<Lock, Failure> {
    lock::take(&state_directory(&loaded.desired.stack, surroundings), &command_line())
}

/// As it was typed, but for the values of variables, which may be secrets.
fn command_line() -> String {
    let mut words = Vec::new();
    let mut hide = false;
    for word in std::env::args() {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        words.push(match value {
            Some(_) if hide || name == "--var" => format!("{name}=…"),
            Some(_) | None => word.clone(),
        });
        hide = word == "--var";
    }
    words.join(" ")
}

/// The ledger as the verbs use it.
#[derive(Debug)]
pub struct Book(Rc<Ledger>);

impl Book {
    fn read(&self) -> Result<Facts, Failure> {
        self.0.facts().map_err(|error| Failure::from_error(Exit::Failed, &error))
    }
}

impl Memory for Book {
    async fn facts(&self) -> Result<Facts, Failure> {
        self.read()
    }
}

impl Records for Book {
    type Run = RunJournal;

    fn begin(&self, verb: &str, plan: &Plan, origin: Option<&Origin>) -> Result<RunJournal, Failure> {
        let start = ledger::Start { verb, command: &command_line(), changes: &plan.changes, origin };
        self.0.begin(&start).map_err(|error| Failure::from_error(Exit::Failed, &error))
    }

    fn end(&self, run: RunJournal, exit: Exit) -> Result<(), Failure> {
        run.end(exit.code()).map_err(|error| Failure::from_error(Exit::Failed, &error))
    }

    fn keep(&self, facts: &BTreeMap<String, Value>, gone: &[Address]) -> Result<(), Failure> {
        let gone: Vec<String> = gone.iter().map(Address::to_string).collect();
        let of_gone = |key: &&String| key.split_once(':').is_some_and(|(_, owner)| gone.iter().any(|one| one == owner));
        let known = self.read()?;
        let forget: Vec<String> = known.0.keys().filter(of_gone).cloned().collect();
        self.0.remember(facts, &forget).map_err(|error| Failure::from_error(Exit::Failed, &error))
    }
}

/// The ledger of a verb that only looks: it is opened while podman is asked, and only to be read.
#[derive(Debug)]
struct ClosedBook(PathBuf);

impl Memory for ClosedBook {
    async fn facts(&self) -> Result<Facts, Failure> {
        let directory = self.0.clone();
        let read = move || Ledger::open_to_look(&directory)?.facts();
        let facts = tokio::task::spawn_blocking(read).await.expect("reading a ledger does not panic");
        facts.map_err(|error| Failure::from_error(Exit::Failed, &error))
    }
}

/// Writes a plan for later, for this user alone.
///
/// # Errors
/// It cannot be written there.
pub fn save(saved: &Saved, file: &Path) -> Result<(), Failure> {
    let path = std::path::absolute(file)
        .map_err(|error| Failure::from_error(Exit::Failed, &error).context("the plan cannot be saved"))?;
    let write = Files::Write { path, content: report::document(saved), mode: 0o600 };
    files::perform(&write)
        .map_err(|error| Failure::from_error(Exit::Failed, &error).context("the plan cannot be saved"))
}

/// # Errors
/// There is no such file, or it is no plan that this version can read.
pub fn saved_plan(file: &Path) -> Result<Saved, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::from_error(Exit::Usage, &error).context(format!("{name} cannot be read")))?;
    let saved: Option<Saved> = serde_json::from_str(&text).ok();
    saved.filter(Saved::is_readable).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{name} is no plan that this stackctl has saved"))
            .hint("Make one with:")
            .hint(format!("  stackctl plan -o {name}"))
    })
}

/// What the ledger tells of earlier runs; it is only read.
///
/// # Errors
/// The ledger cannot be read.
pub fn past<T>(
    stack: &str,
    surroundings: &Surroundings,
    read: impl FnOnce(&Ledger) -> Result<T, LedgerError>,
) -> Result<T, Failure> {
    let ledger = Ledger::open_to_look(&state_directory(stack, surroundings));
    ledger.and_then(|ledger| read(&ledger)).map_err(|error| Failure::from_error(Exit::Failed, &error))
}

/// For verbs that only look: the ledger is read, and neither it nor the machine is written.
pub fn open_to_look(
    loaded: Loaded,
    common: &Common,
    surroundings: &Surroundings,
) -> App<impl Observe + use<>, impl Memory + use<>> {
    let directory = state_directory(&loaded.desired.stack, surroundings);
    App::new(loaded, machine(common), ClosedBook(directory))
}

/// For verbs that change something.
///
/// # Errors
/// The ledger cannot be opened.
pub fn open(
    loaded: Loaded,
    common: &Common,
    surroundings: &Surroundings,
) -> Result<App<impl Perform + use<>, impl Records + use<>>, Failure> {
    let directory = state_directory(&loaded.desired.stack, surroundings);
    let ledger = Ledger::open(&directory).map_err(|error| Failure::from_error(Exit::Failed, &error))?;
    Ok(App::new(loaded, machine(common), Book(Rc::new(ledger))))
}

fn machine(common: &Common) -> Real {
    Real::open(RealOptions::of_environment(common.podman.clone(), |name| std::env::var_os(name)))
}

/// Asks a server once, without podman and bus.
pub async fn ask(probe: &Probe, patience: Duration) -> ProbeReading {
    let reading = http::ask(probe, patience).await;
    reading.unwrap_or_else(|| ProbeReading { passed: false, answer: "podman alone can ask that".to_owned() })
}

/// The stack with the machine it is on and what is remembered of it.
#[derive(Debug)]
pub struct App<M, R> {
    pub desired: Desired,
    pub graph: Graph,
    pub context: Context,
    pub source: String,
    pub file: PathBuf,
    /// What a run of it is made from.
    pub origin: Origin,
    pub kinds: &'static [&'static Kind],
    pub machine: M,
    pub records: R,
}

impl<M, R> App<M, R> {
    pub fn new(loaded: Loaded, machine: M, records: R) -> Self {
        let Loaded { desired, graph, context, source, file, origin, warnings: _ } = loaded;
        Self { desired, graph, context, source, file, origin, kinds: kinds::ALL, machine, records }
    }

    /// What holds when nothing is to be done.
    pub fn wanted(&self, options: &plan::Options) -> String {
        match options.is_partial() {
            true => format!("What was looked at is as {} says.", self.source),
            false => format!("The machine is as {} says.", self.source),
        }
    }

    /// What a plan wants to know in the first round.
    pub fn query(&self, options: &plan::Options) -> Query {
        let mut query = Query {
            stack: self.desired.stack.clone(),
            unit_directory: Some(self.context.unit_directory.clone()),
            host: true,
            check_updates: options.check_updates,
            unit_path: kinds::unit::SEARCH_PATH.map(PathBuf::from).into(),
            ..Query::default()
        };
        self.desired.resources.values().for_each(|resource| resource.query(&mut query));
        if !options.deep && query.containers.len() > INSPECTED_MAX {
            query.inspect_only = Some(BTreeSet::new());
        }
        query
    }

    pub fn plan(&self, observed: &Observed, options: &plan::Options) -> Plan {
        plan::plan(&self.inputs(observed, options))
    }

    pub fn destroy_plan(&self, observed: &Observed, options: &plan::Options) -> Plan {
        plan::destroy(&self.inputs(observed, options))
    }

    pub fn restart_plan(&self, observed: &Observed, named: &BTreeSet<Address>) -> Plan {
        plan::restart(&self.inputs(observed, &plan::Options::default()), named)
    }

    /// The plan as it is saved, with what was typed for it.
    pub fn saved(&self, plan: &Plan, observed: &Observed, options: &plan::Options, common: &Common) -> Saved {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let files = if common.files.is_empty() { std::slice::from_ref(&self.file) } else { &common.files };
        let asked = Asked {
            files: files.iter().map(absolute).collect(),
            env_files: common.env_files.iter().map(absolute).collect(),
            profiles: common.profiles.clone(),
            vars: common.vars.iter().map(|(name, _)| name.clone()).collect(),
        };
        Saved::new(plan, &self.inputs(observed, options), asked)
    }

    fn inputs<'a>(&'a self, observed: &'a Observed, options: &'a plan::Options) -> plan::Inputs<'a> {
        let Self { desired, graph, context, source: _, file: _, origin: _, kinds, machine: _, records: _ } = self;
        plan::Inputs { desired, graph, observed, context, kinds, options }
    }

    /// The data that stays, with its sizes as far as they are told in time.
    pub fn kept(&self, plan: &Plan, observed: &Observed) -> Vec<KeptData> {
        let places = plan.kept.iter().map(|kept| place_on_disk(kept, observed, &self.context.home)).collect();
        let sizes = sizes(places, SIZES_PATIENCE);
        let data = |(kept, size_bytes): (&Kept, Option<u64>)| KeptData {
            address: kept.address.clone(),
            place: kept.place.clone(),
            size_bytes,
        };
        plan.kept.iter().zip(sizes).map(data).collect()
    }
}

impl<M: Observe, R: Memory> App<M, R> {
    /// Looks in rounds: what the answers make worth asking is asked in the next.
    ///
    /// # Errors
    /// What is remembered cannot be read.
    pub async fn look(&self, options: &plan::Options) -> Result<Observed, Failure> {
        Ok(self.look_in_rounds(options).await?.1)
    }

    /// Looks, plans, and looks once more where containers go: at what they wrote outside their mounts, which goes with them.
    ///
    /// # Errors
    /// What is remembered cannot be read.
    pub async fn planned(
        &self,
        options: &plan::Options,
        make: impl Fn(&Observed) -> Plan,
    ) -> Result<(Observed, Plan), Failure> {
        let (mut query, observed) = self.look_in_rounds(options).await?;
        let plan = make(&observed);
        let before = Query { looks_closely: options.layers || !plan.changes.is_empty(), ..query.clone() };
        query.looks_closely = options.layers || !plan.changes.is_empty();
        let going: BTreeSet<&Address> = plan.letting_go().collect();
        for found in observed.containers.values().filter(|found| labels::belongs_to(&found.labels, &query.stack)) {
            let Some(address) = labels::address(&found.labels) else { continue };
            if options.layers || going.contains(&address) {
                let ephemeral = self.desired.resources.get(&address).map(|resource| resource.ephemeral());
                let wanted = kinds::container::wanted_of_layer(ephemeral.unwrap_or_default());
                query.layers.insert(found.name.clone(), wanted);
            }
        }
        let actions: BTreeMap<&Address, Action> =
            plan.changes.iter().map(|change| (&change.address, change.action)).collect();
        for (address, resource) in self.desired.resources.iter() {
            resource.query_closer(actions.get(address).copied().unwrap_or(Action::None), &observed, &mut query);
        }
        if query == before {
            return Ok((observed, plan));
        }
        let mut observed = self.observe(&query).await?;
        observed.accepted.clone_from(&options.accept);
        let plan = make(&observed);
        Ok((observed, plan))
    }

    async fn look_in_rounds(&self, options: &plan::Options) -> Result<(Query, Observed), Failure> {
        let mut query = self.query(options);
        let mut observed = self.observe(&query).await?;
        for _ in 1..ROUNDS_MAX {
            let mut more = query.clone();
            self.desired.resources.values().for_each(|resource| resource.query_more(&observed, &mut more));
            if more == query {
                break;
            }
            query = more;
            observed = self.observe(&query).await?;
        }
        observed.accepted.clone_from(&options.accept);
        Ok((query, observed))
    }

    /// One look, with what is remembered.
    ///
    /// # Errors
    /// What is remembered cannot be read.
    pub async fn observe(&self, query: &Query) -> Result<Observed, Failure> {
        let (observed, facts) = tokio::join!(self.machine.observe(query), self.records.facts());
        let mut observed = Observed { facts: facts?, ..observed };
        labels::adopt(&mut observed, &self.desired.stack);
        labels::rename(&mut observed, &self.desired.stack, &self.desired.renamed());
        Ok(observed)
    }
}

/// Is there a change that replaces what this address stands for? Of a volume it would lose what that holds; the next version
/// of a secret stands beside the old one.
pub fn is_replaceable(address: &Address) -> bool {
    let kind = kinds::ALL.iter().find(|kind| kind.name == address.kind());
    kind.is_some_and(|kind| {
        kind.name != kinds::volume::KIND.name && kind.attributes.iter().any(|row| row.on_change == Action::Replace)
    })
}

/// What the ledger has to keep of a resource that is as it should be, by key: its own facts, and what was applied, so that
/// its absence can be told to be the machine's doing.
pub fn facts(resource: &dyn Resource, observed: &Observed) -> Vec<(String, Value)> {
    let address = resource.address();
    let protect = resource.protect().map(|protect| (plan::PROTECTED, Value::Bool(protect)));
    let own =
        resource.facts(observed).into_iter().chain(protect).map(|(kind, value)| (Facts::key(kind, address), value));
    let kind = kinds::ALL.iter().find(|kind| kind.name == address.kind());
    let is_state =
        |path: &str| kind.is_some_and(|kind| kind.attributes.iter().any(|row| row.state && row.path == path));
    let applied = resource.attributes().0.into_iter().filter(|(path, _)| !is_state(path)).collect();
    own.chain([(Facts::key("applied", address), Value::Object(applied))]).collect()
}

/// Takes over what stands under the name of a declared resource and is somebody else's, or says why not. Answers the facts that
/// make it this stack's, and the object's name.
///
/// # Errors
/// There is nothing to take over, or it is of a kind that is not taken over.
pub fn adopted(
    resource: &dyn Resource,
    observed: &Observed,
    stack: &str,
) -> Result<(String, BTreeMap<String, Value>), Failure> {
    let address = resource.address();
    let name = resource.name_on_machine();
    let refuse = |words: String| Failure::new(Exit::Usage, words);
    let absent = || refuse(format!("there is nothing under the name of {address}, `{name}`"));
    let found = match address.kind() {
        "container" => observed.containers.get(&name).map(|found| (&found.labels, found.id.clone())),
        "network" => observed.networks.get(&name).map(|found| (&found.labels, String::new())),
        "volume" => observed.volumes.get(&name).map(|found| (&found.labels, found.mountpoint.clone())),
        "file" => {
            let seen = resource.seen(observed);
            let object = seen.present().ok_or_else(absent)?;
            let applied = Value::Object(object.attributes.0.clone().into_iter().collect());
            return Ok((name, BTreeMap::from([(Facts::key("applied", address), applied)])));
        }
        kind => return Err(refuse(format!("a {kind} is not adopted: it belongs to whoever declares it"))),
    };
    let (object_labels, id) = found.ok_or_else(absent)?;
    if labels::belongs_to(object_labels, stack) {
        return Err(refuse(format!("{address} is this stack's already")));
    }
    // As it is, where the machine shows that; where it does not, it is taken to be as the file says.
    let mut taken = observed.clone();
    let desired = resource.attributes();
    let kept = |adopted: &Adopted| {
        let value = serde_json::to_value(adopted).unwrap_or_default();
        BTreeMap::from([(Facts::key(labels::ADOPTED, address), value)])
    };
    let mut adopted = Adopted { name: name.clone(), id, spec: desired.clone() };
    taken.facts.0.extend(kept(&adopted));
    labels::adopt(&mut taken, stack);
    let kind = kinds::ALL.iter().find(|kind| kind.name == address.kind());
    if let (Seen::Present(object), Some(kind)) = (resource.seen(&taken), kind) {
        let rows = kind.attributes.iter().filter(|row| !row.blind && !row.state && desired.get(row.path).is_some());
        for row in rows {
            match object.attributes.get(row.path) {
                Some(value) => adopted.spec.set(row.path, value.clone()),
                None => drop(adopted.spec.0.remove(row.path)),
            }
        }
    }
    Ok((name, kept(&adopted)))
}

fn place_on_disk(kept: &Kept, observed: &Observed, home: &Path) -> Option<PathBuf> {
    if let Some(volume) = observed.volumes.get(&kept.place) {
        return Some(PathBuf::from(&volume.mountpoint)).filter(|path| path.is_absolute());
    }
    let path = match kept.place.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => PathBuf::from(&kept.place),
    };
    path.is_absolute().then_some(path)
}

/// Bytes below each path; none where it cannot be read, or not in time. Whatever still counts then ends with the process.
fn sizes(places: Vec<Option<PathBuf>>, patience: Duration) -> Vec<Option<u64>> {
    let mut sizes = vec![None; places.len()];
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for (index, place) in places.into_iter().enumerate() {
            let size = place.and_then(|place| fs_extra::dir::get_size(place).ok());
            if tell.send((index, size)).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + patience;
    while let Ok((index, size)) = told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        sizes[index] = size;
    }
    sizes
}

#[cfg(test)]
mod tests;
