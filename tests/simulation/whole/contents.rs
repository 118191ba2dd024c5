//! What must survive, as the list of those who wrote to it, and its copies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stackctl::effect::{Files, Snapshot as Effect};
use stackctl::machine::{Failure, FailureKind};
use stackctl::observed::data::{Reading, State};
use stackctl::observed::snapshot::{HOLD, Handle, Item, Manifest, ReturnTrip, Snapshot};

/// A container that ran on it, by its number, and of what image it was. Numbers grow.
type Writer = (u64, String);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contents {
    /// Everybody who ever wrote.
    known: BTreeSet<u64>,
    writers: BTreeMap<PathBuf, Vec<Writer>>,
    copies: BTreeMap<PathBuf, Vec<Copy>>,
    /// Databases of which a hollow file was ever seen.
    hollow: BTreeMap<PathBuf, Hollow>,
}

/// Where the hollow files of one database are.
#[derive(Clone, Debug, Default, PartialEq)]
struct Hollow {
    /// One lies in its place.
    is_there: bool,
    /// Those that were set aside: is it said of each that it stays?
    aside: Vec<bool>,
    /// What made way for another, hollow or not.
    replaced: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Copy {
    label: String,
    image: String,
    taken_at: u64,
    items: Vec<Item>,
    writers: BTreeMap<PathBuf, Vec<Writer>>,
    hollow: BTreeSet<PathBuf>,
    is_kept: bool,
    set_aside: Vec<PathBuf>,
    /// Nothing starts on it.
    is_held: bool,
}

/// A moment of the world as the wall clock has it.
pub(super) fn at_us(now: u64) -> u64 {
    1_767_225_600_000_000 + now * 1_000_000
}

impl Contents {
    /// A container starts on it; `is_newcomer` where another lies parked for it. One of another image that was made before whoever wrote last would find what it cannot read: that is
    /// what copies are made for.
    /// And one that has proved itself finds what it wrote itself.
    pub(super) fn written(
        &mut self,
        (name, is_newcomer): (&str, bool),
        id: u64,
        image: &str,
        data: &BTreeSet<PathBuf>,
    ) {
        for path in data {
            if self.makes(path, id, image) {
                continue;
            }
            let writers = self.writers.entry(path.clone()).or_default();
            let is_its = writers.iter().any(|(writer, _)| *writer == id);
            assert!(
                is_newcomer || is_its || !self.known.contains(&id),
                "{name} ({id}, {image}) starts, and what it wrote to {} is not there",
                path.display()
            );
            self.known.insert(id);
            if let Some((last, other)) = writers.last() {
                assert!(
                    *last <= id || other == image,
                    "{name} ({id}, {image}) starts on what the newer {last} of {other} wrote to {}",
                    path.display()
                );
                if *last == id {
                    continue;
                }
            }
            writers.push((id, image.to_owned()));
        }
    }

    /// What was hollow once is made anew where it is not there; of what came since, nobody says who must find what.
    pub(super) fn makes(&mut self, path: &Path, id: u64, image: &str) -> bool {
        let Some(hollow) = self.hollow.get(path) else { return false };
        let writers = self.writers.entry(path.to_owned()).or_default();
        if !hollow.is_there && writers.last().is_none_or(|(last, _)| *last != id) {
            writers.push((id, image.to_owned()));
        }
        true
    }

    /// A hollow file takes the place of what is there.
    pub(super) fn empties(&mut self, path: &Path) {
        self.writers.remove(path);
        self.hollow.entry(path.to_owned()).or_default().is_there = true;
    }

    /// How many hollow files there are, and others that made way, by their databases.
    pub(super) fn hollow(&self) -> BTreeMap<&Path, usize> {
        let count = |hollow: &Hollow| usize::from(hollow.is_there) + hollow.aside.len() + hollow.replaced;
        self.hollow.iter().map(|(path, hollow)| (path.as_path(), count(hollow))).collect()
    }

    pub(super) fn file(&mut self, effect: &Files) -> Result<(), Failure> {
        let (Files::SetAside { path } | Files::PutBack { path } | Files::KeepAside { path }) = effect else {
            return Ok(());
        };
        let writers = self.writers.entry(path.clone()).or_default();
        let Some(hollow) = self.hollow.get_mut(path) else { return Ok(()) };
        match effect {
            Files::SetAside { .. } if hollow.is_there => {
                hollow.is_there = false;
                hollow.aside.push(false);
            }
            Files::SetAside { .. } if !writers.is_empty() => {
                return Err(Failure::new(FailureKind::Refused, "it is not hollow any more"));
            }
            Files::PutBack { .. } if hollow.aside.last() == Some(&false) => {
                hollow.aside.pop();
                hollow.replaced += usize::from(hollow.is_there || !writers.is_empty());
                writers.clear();
                hollow.is_there = true;
            }
            Files::KeepAside { .. } => hollow.aside.fill(true),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn perform(&mut self, effect: &Effect, now: u64) -> Result<(), Failure> {
        match effect {
            Effect::Take(take) => {
                let Handle { shelf, label } = &take.handle;
                let copies = self.copies.entry(shelf.clone()).or_default();
                if copies.iter().all(|copy| copy.label != *label) {
                    let of_item = |item: &Item| Some((item.path.clone(), self.writers.get(&item.path)?.clone()));
                    let writers = take.items.iter().filter_map(of_item).collect();
                    let (label, items) = (label.clone(), take.items.clone());
                    let is_there = |path: &PathBuf| self.hollow.get(path).is_some_and(|hollow| hollow.is_there);
                    let hollow = items.iter().map(|item| item.path.clone()).filter(is_there).collect();
                    copies.push(Copy {
                        label,
                        image: take.image.clone(),
                        taken_at: now,
                        items,
                        writers,
                        hollow,
                        is_kept: false,
                        set_aside: Vec::new(),
                        is_held: false,
                    });
                }
            }
            // It had arrived, and was held.
            Effect::Finish(handle) => {
                if let Some(copy) = find(&mut self.copies, handle) {
                    copy.is_held = false;
                }
            }
            Effect::Restore(handle) | Effect::Bring(handle) => {
                for others in self.copies.get_mut(&handle.shelf).into_iter().flatten() {
                    others.is_held = false;
                }
                let Some(copy) = find(&mut self.copies, handle) else {
                    return Err(Failure::new(FailureKind::Refused, "it is not there any more"));
                };
                for item in &copy.items {
                    let before = copy.writers.get(&item.path).cloned().unwrap_or_default();
                    let now = self.writers.entry(item.path.clone()).or_default();
                    if *now != before {
                        *now = before;
                        copy.set_aside.push(item.path.clone());
                    }
                    if let Some(hollow) = self.hollow.get_mut(&item.path) {
                        let was_there = std::mem::replace(&mut hollow.is_there, copy.hollow.contains(&item.path));
                        hollow.replaced += usize::from(was_there && !hollow.is_there);
                    }
                }
                copy.is_held = matches!(effect, Effect::Bring(_));
            }
            Effect::Keep(handle) => {
                if let Some(copy) = find(&mut self.copies, handle) {
                    copy.is_kept = true;
                }
            }
            Effect::Drop(handle) => {
                if let Some(copies) = self.copies.get_mut(&handle.shelf) {
                    copies.retain(|copy| copy.label != handle.label || !copy.set_aside.is_empty());
                    copies.iter_mut().filter(|copy| copy.label == handle.label).for_each(|copy| copy.is_kept = true);
                }
            }
        }
        Ok(())
    }

    /// Does this file lie there, which keeps a unit from starting?
    pub(super) fn has_hold(&self, path: &Path) -> bool {
        let shelf = path.parent().filter(|_| path.ends_with(HOLD));
        shelf.and_then(|shelf| self.copies.get(shelf)).is_some_and(|copies| copies.iter().any(|copy| copy.is_held))
    }

    /// Of what image the last one was that wrote there.
    pub(super) fn last_image(&self, path: &Path) -> Option<&str> {
        self.writers.get(path)?.last().map(|(_, image)| image.as_str())
    }

    pub(super) fn reading(&self, path: &Path) -> Reading {
        let hollow = self.hollow.get(path);
        let is_written = self.writers.get(path).is_some_and(|writers| !writers.is_empty());
        let state = match (hollow.is_some_and(|hollow| hollow.is_there), is_written) {
            (true, _) => State::NoTables,
            (false, true) => State::Populated,
            (false, false) => State::Absent,
        };
        let is_set_aside = hollow.is_some_and(|hollow| hollow.aside.contains(&false));
        Reading { state, size: 1, is_set_aside, ..Reading::default() }
    }

    pub(super) fn snapshots(&self, shelves: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Vec<Snapshot>> {
        let told = |shelf: &Path, copy: &Copy| Snapshot {
            directory: shelf.join(copy.taken_at.to_string()),
            manifest: Manifest {
                label: copy.label.clone(),
                address: String::new(),
                image: copy.image.clone(),
                image_id: String::new(),
                taken_us: at_us(copy.taken_at),
                items: copy.items.clone(),
                files: 1,
                bytes: 1,
                is_kept: copy.is_kept,
                return_trip: copy.is_held.then(|| ReturnTrip { places: Vec::new(), is_clear: true }),
                set_aside: copy.set_aside.clone(),
            },
        };
        let asked = self.copies.iter().filter(|(shelf, _)| shelves.contains(*shelf));
        asked.map(|(shelf, copies)| (shelf.clone(), copies.iter().map(|copy| told(shelf, copy)).collect())).collect()
    }
}

fn find<'c>(copies: &'c mut BTreeMap<PathBuf, Vec<Copy>>, handle: &Handle) -> Option<&'c mut Copy> {
    copies.get_mut(&handle.shelf)?.iter_mut().find(|copy| copy.label == handle.label)
}
