//! Copies and the way back, on files alone; owners of other users are tried on the test host. What would break: half a copy that counts as
//! one, a restore that was cut off and is not ended, something overwritten, a directory that is mounted and becomes another one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{look, manifest, perform_here, write};
use crate::effect::{Snapshot, Take};
use crate::observed::data::Engine;
use crate::observed::snapshot::{HOLD, Handle, Item, Manifest};

struct Bench {
    root: PathBuf,
    items: Vec<Item>,
}

impl Bench {
    /// A database with its log, and a directory of all sorts of things.
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("stackctl-snapshot-{name}-{}", std::process::id()));
        fs::remove_dir_all(&root).ok();
        let tree = root.join("data/tree");
        fs::create_dir_all(tree.join("below")).expect("a scratch directory");
        fs::write(root.join("data/a.db"), "database").expect("a database");
        fs::write(root.join("data/a.db-wal"), "log").expect("its log");
        fs::write(root.join("data/a.db-shm"), "index").expect("its index");
        fs::write(root.join("data/other"), "of nobody's contract").expect("something beside it");
        fs::write(tree.join("one"), "1").expect("a file");
        fs::hard_link(tree.join("one"), tree.join("below/same")).expect("a second name");
        symlink("one", tree.join("link")).expect("a link");
        fs::set_permissions(tree.join("below"), fs::Permissions::from_mode(0o750)).expect("a mode");
        let sparse = fs::File::create(tree.join("sparse")).expect("a file");
        sparse.set_len(64 << 20).expect("a hole");
        let items = vec![
            Item { path: root.join("data/a.db"), engine: Engine::Sqlite },
            Item { path: tree, engine: Engine::Dir },
            Item { path: root.join("data/later.db"), engine: Engine::Sqlite },
        ];
        Self { root, items }
    }

    fn handle(&self, label: &str) -> Handle {
        Handle { shelf: self.root.join("copies"), label: label.to_owned() }
    }

    async fn take(&self, label: &str) {
        self.make(label).await.expect("there is room");
    }

    async fn make(&self, label: &str) -> std::io::Result<()> {
        let take = Take {
            handle: self.handle(label),
            address: "container.a".to_owned(),
            image: "a:1".to_owned(),
            image_id: "1".to_owned(),
            items: self.items.clone(),
        };
        perform_here(&Snapshot::Take(Box::new(take))).await
    }

    async fn restore(&self, label: &str) {
        perform_here(&Snapshot::Restore(self.handle(label))).await.expect("it comes back");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn labels(&self) -> Vec<String> {
        let shelf = self.root.join("copies");
        let found = look(&[shelf.clone()].into()).remove(&shelf).unwrap_or_default();
        found.into_iter().map(|copy| copy.manifest.label).collect()
    }

    fn aside(&self, of: &str) -> PathBuf {
        let shelf = self.path(of);
        let mut all: Vec<PathBuf> =
            fs::read_dir(&shelf).expect("something was set aside").flatten().map(|e| e.path()).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).ok();
    }
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("it is there").ino()
}

#[tokio::test]
async fn what_was_written_since_gives_way_and_is_kept() {
    let bench = Bench::new("whole");
    let mounted = inode(&bench.path("data/tree"));
    bench.take("one").await;
    bench.take("one").await;
    assert_eq!(bench.labels(), ["one"], "done before is done");

    // Nothing was written: nothing is touched.
    let before = inode(&bench.path("data/a.db"));
    bench.restore("one").await;
    assert_eq!(inode(&bench.path("data/a.db")), before);

    fs::write(bench.path("data/a.db"), "migrated").expect("written");
    fs::remove_file(bench.path("data/a.db-wal")).expect("checkpointed");
    fs::write(bench.path("data/later.db"), "new").expect("made");
    fs::write(bench.path("data/tree/two"), "2").expect("made");
    fs::remove_file(bench.path("data/tree/one")).expect("removed");
    bench.restore("one").await;
    assert_eq!((bench.text("data/a.db"), bench.text("data/a.db-wal")), ("database".into(), "log".into()));
    assert!(!bench.path("data/a.db-shm").exists(), "an index belongs to one database only");
    assert_eq!(bench.text("data/other"), "of nobody's contract");
    assert!(!bench.path("data/later.db").exists(), "it was not there");
    let tree = bench.path("data/tree");
    assert_eq!(inode(&tree), mounted, "whoever has it mounted still has it");
    assert!(!tree.join("two").exists());
    assert_eq!(inode(&tree.join("one")), inode(&tree.join("below/same")), "two names of one file");
    assert_eq!(fs::read_link(tree.join("link")).expect("a link"), Path::new("one"));
    assert_eq!(fs::metadata(tree.join("below")).expect("it").permissions().mode() & 0o777, 0o750);
    let sparse = fs::metadata(tree.join("sparse")).expect("it");
    assert!(sparse.len() == 64 << 20 && sparse.blocks() * 512 < 1 << 20, "its hole is a hole");
    // What the newcomer wrote.
    let aside = bench.aside("data/a.db.replaced");
    assert_eq!(fs::read_to_string(aside.join("a.db")).expect("kept"), "migrated");
    assert_eq!(fs::read_to_string(aside.join("a.db-shm")).expect("kept"), "index");
    assert_eq!(fs::read_to_string(bench.aside("data/tree.replaced").join("two")).expect("kept"), "2");
    assert_eq!(fs::read_to_string(bench.aside("data/later.db.replaced").join("later.db")).expect("kept"), "new");
    assert!(!bench.path("copies").join(HOLD).exists());
}

/// A power cut at any rename: the state before each is made by undoing what comes after it.
#[tokio::test]
async fn a_restore_that_was_cut_off_is_ended_by_the_next() {
    for cut in 0..4 {
        let bench = Bench::new(&format!("cut-{cut}"));
        bench.take("one").await;
        fs::write(bench.path("data/a.db"), "migrated").expect("written");
        bench.restore("one").await;
        let shelf = bench.path("copies");
        let copy = look(&[shelf.clone()].into()).remove(&shelf).expect("copies").remove(0);
        let aside = bench.aside("data/a.db.replaced");
        let staged = aside.with_extension("next");
        let place = crate::observed::snapshot::Place { index: 0, staged: staged.clone(), aside: aside.clone() };
        let is_clear = cut >= 2;
        let trip = crate::observed::snapshot::ReturnTrip { places: vec![place], is_clear };
        fs::create_dir(&staged).expect("ready");
        let back = |name: &str, from: &Path, to: &Path| fs::rename(from.join(name), to.join(name)).expect(name);
        let data = bench.path("data");
        back("a.db", &data, &staged);
        if cut < 3 {
            back("a.db-wal", &data, &staged);
        }
        match cut {
            // Nothing had given way yet; or its log alone.
            0 => ["a.db", "a.db-wal", "a.db-shm"].iter().for_each(|name| back(name, &aside, &data)),
            1 => back("a.db", &aside, &data),
            _ => {}
        }
        let manifest = Manifest { return_trip: Some(trip), set_aside: Vec::new(), ..copy.manifest };
        write(&copy.directory, &manifest).expect("as it was");
        if cut > 0 {
            fs::write(shelf.join(HOLD), "").expect("as it was");
        }

        bench.restore("one").await;
        assert_eq!((bench.text("data/a.db"), bench.text("data/a.db-wal")), ("database".into(), "log".into()), "{cut}");
        let aside = bench.aside("data/a.db.replaced");
        assert_eq!(fs::read_to_string(aside.join("a.db")).expect("kept"), "migrated", "{cut}");
        assert!(!shelf.join(HOLD).exists(), "{cut}");
    }
}

#[tokio::test]
async fn half_a_copy_is_none_and_what_was_made_ready_for_nothing_goes() {
    let bench = Bench::new("half");
    fs::create_dir_all(bench.path("copies/20260101T000000Z.partial/0")).expect("what a killed run left");
    assert!(bench.labels().is_empty());
    // Something that cannot be copied.
    fs::create_dir(bench.path("data/tree/dark")).expect("a directory");
    let taken = if rustix::process::geteuid().is_root() {
        fs::remove_dir(bench.path("data/tree/dark")).expect("gone");
        None
    } else {
        fs::set_permissions(bench.path("data/tree/dark"), fs::Permissions::from_mode(0o000)).expect("a mode");
        let taken = bench.make("one").await;
        fs::set_permissions(bench.path("data/tree/dark"), fs::Permissions::from_mode(0o700)).expect("a mode");
        Some(taken)
    };
    if let Some(taken) = taken {
        assert!(taken.expect_err("it cannot be read").to_string().contains("dark"));
        assert_eq!(fs::read_dir(bench.path("copies")).expect("the shelf").count(), 0, "nothing half-written is left");
    }
    bench.take("one").await;
    assert_eq!(fs::read_dir(bench.path("copies")).expect("the shelf").count(), 1);
    // Killed before anything was moved.
    fs::create_dir_all(bench.path("data/a.db.replaced/20260101T000000Z.next")).expect("what a killed run left");
    fs::create_dir_all(bench.path("data/a.db.replaced/20260101T000000Z")).expect("what a killed run left");
    fs::write(bench.path("data/a.db"), "migrated").expect("written");
    bench.restore("one").await;
    assert_eq!(fs::read_to_string(bench.aside("data/a.db.replaced").join("a.db")).expect("kept"), "migrated");
}

#[tokio::test]
async fn so_many_are_kept_and_one_that_brought_something_back_is_not_dropped() {
    let bench = Bench::new("kept");
    for label in ["1", "2", "3", "4", "5", "6", "7"] {
        bench.take(label).await;
        perform_here(&Snapshot::Keep(bench.handle(label))).await.expect("kept");
    }
    assert_eq!(bench.labels(), ["3", "4", "5", "6", "7"]);
    bench.take("8").await;
    perform_here(&Snapshot::Drop(bench.handle("8"))).await.expect("dropped");
    assert_eq!(bench.labels(), ["3", "4", "5", "6", "7"]);
    // An old one goes, but not the last.
    let shelf = bench.path("copies");
    for copy in look(&[shelf.clone()].into()).remove(&shelf).expect("copies") {
        let taken_us = if copy.manifest.label == "4" { 5 } else { copy.manifest.taken_us };
        write(&copy.directory, &Manifest { taken_us, ..copy.manifest }).expect("written");
    }
    bench.take("9").await;
    fs::write(bench.path("data/a.db"), "migrated").expect("written");
    bench.restore("9").await;
    perform_here(&Snapshot::Drop(bench.handle("9"))).await.expect("kept all the same");
    assert_eq!(bench.labels(), ["3", "5", "6", "7", "9"]);
    let last = look(&[shelf.clone()].into()).remove(&shelf).expect("copies").pop().expect("the last");
    assert_eq!(manifest(&last.directory).expect("it").expect("it").set_aside.len(), 1);
}
