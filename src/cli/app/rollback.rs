//! What `rollback` needs of ledger, kinds and machine: the stack as it was before a run, the images that its containers had, and the
//! copies that were made of their data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::load::{Loaded, Purpose, load_from};
use super::{App, Surroundings};
use crate::address::Address;
use crate::change::{Action, After, AttributeChange, Cause, Change, Steps, Until, step};
use crate::cli::args::Common;
use crate::cli::failure::{Exit, Failure};
use crate::cli::records::Memory;
use crate::cli::ui::Ui;
use crate::effect::{Effect, Podman};
use crate::kinds::{container, labels};
use crate::ledger::{ImageBefore, Ledger, LedgerError, Origin, RunRow};
use crate::machine::Observe;
use crate::observed::snapshot::Handle;
use crate::observed::{Image, Observed, Query, Seen};
use crate::plan::{self, Plan};
use crate::stack::source::{Disk, Files, SourceError};

/// The files of a run, as they were; what it does not have, such as environment files, is read as it is now.
#[derive(Debug)]
struct Recorded<'a>(&'a Origin);

impl Files for Recorded<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        match self.0.texts.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Disk.read(path),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Disk.absolute(path)
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        if self.0.texts.contains_key(path) { Some(path.to_owned()) } else { Disk.resolved(path) }
    }
}

/// The stack as a run had it.
///
/// # Errors
/// It cannot be resolved any more, such as without a variable that it was given.
pub fn load_recorded(
    origin: &Origin,
    common: &Common,
    surroundings: &Surroundings,
    purpose: Purpose,
    ui: &Ui,
) -> Result<Loaded, Failure> {
    let common = common.of_origin(origin);
    load_from(&Recorded(origin), &origin.files, &common, surroundings, purpose, ui)
}

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// This run, and those after it.
    pub run: i64,
    /// How the stack was before.
    pub origin: Origin,
    /// When it began: copies that were made since are of what was there before.
    started_us: u64,
    /// What the containers were made from then.
    images: BTreeMap<Address, ImageBefore>,
    with_data: bool,
    /// The images themselves, by id, as far as they are there.
    found: BTreeMap<String, Image>,
}

impl Back {
    /// The run that is named, or the last one of which something stays.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn choose(ledger: &Ledger, named: Option<i64>, with_data: bool) -> Result<Result<Self, Failure>, LedgerError> {
        let runs = ledger.runs_with_origin()?;
        let is_meant = |(run, stays): &&(RunRow, bool)| named.map_or(*stays, |named| run.id == named);
        let Some((run, _)) = runs.iter().find(is_meant) else {
            return Ok(Err(no_such_run(named)));
        };
        let mut earlier = runs.iter().map(|(run, _)| run).filter(|before| before.id < run.id);
        let before = earlier.find(|before| before.exit_code == Some(0)).map(|before| before.id);
        let Some((before, then)) = before.zip(ledger.origin(run.id)?) else {
            return Ok(Err(nothing_before(run)));
        };
        Ok(Ok(Self {
            run: run.id,
            origin: ledger.origin(before)?.unwrap_or_default(),
            started_us: u64::try_from(run.started_us).unwrap_or_default(),
            images: then.images,
            with_data,
            found: BTreeMap::new(),
        }))
    }

    /// The plan that brings it back.
    pub fn plan<M, R>(&self, app: &App<M, R>, observed: &Observed, options: &plan::Options) -> Plan {
        let mut wanted = observed.clone();
        if self.with_data {
            wanted.going_back = self.copies(app, observed);
            wanted.accepted.extend(self.accepted(app, observed));
        }
        let tags = self.tags(app, observed);
        wanted
            .images
            .extend(tags.iter().map(|(reference, (_, image))| (reference.clone(), Seen::Present((*image).clone()))));
        let mut plan = app.plan(&wanted, options);
        for (reference, (was, image)) in tags {
            let address = Address::new("image", &reference);
            plan.changes.retain(|change| change.address != address);
            plan.unchanged.retain(|unchanged| *unchanged != address);
            for change in &mut plan.changes {
                let resource = app.desired.resources.get(&change.address);
                if resource.is_some_and(|resource| resource.dependencies().iter().any(|needs| needs.on == address)) {
                    change.after.retain(|after| after.on != address);
                    change.after.push(After { on: address.clone(), until: Until::Done });
                }
            }
            plan.changes.insert(0, self.retag(address, &reference, was.as_deref(), &image.id));
        }
        plan
    }

    /// The name means the image again that it meant.
    fn retag(&self, address: Address, reference: &str, was: Option<&str>, id: &str) -> Change {
        let tag = |id: &str| Effect::Podman(Podman::TagImage { id: id.to_owned(), reference: reference.to_owned() });
        let back = match was {
            Some(was) => tag(was),
            None => Effect::Podman(Podman::UntagImage { reference: reference.to_owned() }),
        };
        let short = |id: &str| id.trim_start_matches("sha256:").chars().take(12).collect::<String>();
        Change {
            address,
            action: Action::Update,
            reasons: vec![format!("run {} began with it", self.run)],
            attributes: vec![AttributeChange {
                path: "id".to_owned(),
                before: was.map(short).into(),
                after: short(id).into(),
                cause: Cause::Machine,
                on_change: Action::Update,
            }],
            risks: Vec::new(),
            steps: Steps { main: vec![step(tag(id)).undo(back)], ..Steps::default() },
            after: Vec::new(),
        }
    }

    /// The first copy of each that was made since the run began.
    fn copies<M, R>(&self, app: &App<M, R>, observed: &Observed) -> BTreeMap<Address, Handle> {
        let addresses = app.desired.resources.keys().filter(|address| address.kind() == container::KIND.name);
        let copy = |address: &Address| {
            let shelf = container::shelf_of(&app.context, address);
            let all = observed.snapshots.get(&shelf)?;
            let first = all.iter().find(|copy| copy.manifest.taken_us >= self.started_us)?;
            Some((address.clone(), first.handle()))
        };
        addresses.filter_map(copy).collect()
    }

    /// Who asks for a copy of before has fewer rows by it, and may have lost more than that.
    pub fn accepted<M, R>(&self, app: &App<M, R>, observed: &Observed) -> BTreeSet<(String, Address)> {
        const MENDED: [&str; 5] = ["DB_EMPTY", "DB_MISSING", "DB_NOT_SQLITE", "DB_SHRUNK", "DB_TABLES_MISSING"];
        let copies = if self.with_data { self.copies(app, observed) } else { BTreeMap::new() };
        copies.keys().flat_map(|address| MENDED.map(|code| (code.to_owned(), address.clone()))).collect()
    }

    /// Names that mean another image by now, with what that is, and what they meant.
    fn tags<M, R>(&self, app: &App<M, R>, observed: &Observed) -> BTreeMap<String, (Option<String>, &Image)> {
        let moved = self.meant(app).filter_map(|before| {
            let now = observed.images.get(&before.reference).and_then(Seen::present).map(|image| image.id.clone());
            let image = self.found.get(&before.id).filter(|_| now.as_ref() != Some(&before.id))?;
            Some((before.reference.clone(), (now, image)))
        });
        moved.collect()
    }

    /// Of the containers that are made from the same name again.
    fn meant<M, R>(&self, app: &App<M, R>) -> impl Iterator<Item = &ImageBefore> {
        self.images.iter().filter_map(|(address, before)| {
            let attributes = app.desired.resources.get(address)?.attributes();
            (attributes.get("image")?.as_str()? == before.reference).then_some(before)
        })
    }

    /// # Errors
    /// The machine cannot be asked.
    pub async fn look_for_images(&mut self, app: &App<impl Observe, impl Memory>) -> Result<(), Failure> {
        let ids = self.images.values().map(|before| before.id.clone()).collect();
        let query = Query { stack: app.desired.stack.clone(), images: ids, ..Query::default() };
        let seen = app.observe(&query).await?.images;
        self.found = seen.iter().filter_map(|(id, seen)| Some((id.clone(), seen.present()?.clone()))).collect();
        Ok(())
    }

    /// # Errors
    /// Something that it would bring back is not there any more.
    pub fn check<M, R>(&self, app: &App<M, R>, observed: &Observed) -> Result<(), Failure> {
        if self.with_data && self.copies(app, observed).is_empty() {
            let words = format!("no data was copied in run {} or since; nothing was done", self.run);
            return Err(Failure::new(Exit::Usage, words)
                .hint("Data is copied where a container with `data:` gets another image or other mounts.")
                .hint("Without --data, what is there stays as it is."));
        }
        let is_gone = |before: &&ImageBefore| {
            let now = observed.images.get(&before.reference).and_then(Seen::present);
            now.is_some_and(|now| now.id != before.id) && !self.found.contains_key(&before.id)
        };
        match self.meant(app).find(is_gone) {
            None => Ok(()),
            Some(before) => {
                let words = format!(
                    "{} meant {} before run {}, which is not on this machine any more; nothing was done",
                    before.reference, before.id, self.run
                );
                Err(Failure::new(Exit::Preflight, words).hint("Pull or build that image again, then try again."))
            }
        }
    }
}

fn no_such_run(named: Option<i64>) -> Failure {
    match named {
        Some(id) => Failure::new(Exit::Usage, format!("there is no run {id} that could be taken back"))
            .hint("`stackctl history` lists them; only apply and rollback are taken back."),
        None => Failure::new(Exit::Usage, "no run is known that could be taken back"),
    }
}

fn nothing_before(run: &RunRow) -> Failure {
    Failure::new(Exit::Usage, format!("before run {} nothing of this stack is known to have been good", run.id))
        .hint("`stackctl destroy` takes the stack down and leaves its data.")
}

impl<M, R> App<M, R> {
    /// What a run is made from, with the images that its containers have as it begins.
    pub fn origin_before(&self, observed: &Observed) -> Origin {
        let ours = observed.containers.values().filter(|found| labels::belongs_to(&found.labels, &self.desired.stack));
        let images = ours.filter_map(|found| {
            let address = labels::address(&found.labels)?;
            let is_in_service = self.desired.resources.get(&address)?.name_on_machine() == found.name;
            let made_from = labels::applied(found).and_then(|spec| spec.get("image")?.as_str()).unwrap_or(&found.image);
            let before = ImageBefore { reference: made_from.to_owned(), id: found.image_id.clone() };
            is_in_service.then_some((address, before))
        });
        Origin { images: images.collect(), ..self.origin.clone() }
    }
}
