//! Which stack file is taken, what the ledger is given to keep, and how much data stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::stack_files;
use super::{place_on_disk, sizes};
use crate::address::Address;
use crate::cli::failure::Exit;
use crate::observed::{Observed, Volume};
use crate::plan::Kept;
use crate::stack::source::Environment;

fn environment(vars: &[(&str, &str)]) -> Environment {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Environment { home: PathBuf::from("/home/u"), vars }
}

#[test]
fn the_first_stack_file_that_is_there_is_taken() {
    let named = [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")];
    let set = environment(&[("STACKCTL_FILE", "/etc/s.yaml")]);
    let unset = environment(&[("STACKCTL_FILE", "")]);
    let moved = environment(&[("XDG_CONFIG_HOME", "/cfg")]);
    let nowhere = |_: &Path| false;
    let home = |path: &Path| path == Path::new("/home/u/.config/stackctl/stack.yaml");
    let config = |path: &Path| path == Path::new("/cfg/stackctl/stack.yaml");
    let found = |named: &[PathBuf], environment, exists: &dyn Fn(&Path) -> bool| {
        stack_files(named, environment, exists).expect("a file")
    };
    assert_eq!(found(&named, &set, &nowhere), named);
    assert_eq!(found(&[], &set, &nowhere), [PathBuf::from("/etc/s.yaml")]);
    assert_eq!(found(&[], &unset, &|_| true), [PathBuf::from("stack.yaml")]);
    assert_eq!(found(&[], &unset, &home), [PathBuf::from("/home/u/.config/stackctl/stack.yaml")]);
    assert_eq!(found(&[], &moved, &config), [PathBuf::from("/cfg/stackctl/stack.yaml")]);
}

#[test]
fn no_stack_file_at_all_is_a_matter_of_usage() {
    let failure = stack_files(&[], &environment(&[]), |_| false).expect_err("none is there");
    assert_eq!(failure.kind, Exit::Usage);
    assert!(failure.hints.iter().any(|hint| hint == "  stackctl plan -f FILE"), "{failure:?}");
}

#[test]
fn data_is_measured_where_it_lies() {
    let mut observed = Observed::default();
    let volume = Volume { mountpoint: "/var/lib/v/_data".to_owned(), ..Volume::default() };
    observed.volumes.insert("s_notes".to_owned(), volume);
    let place = |place: &str| {
        let kept = Kept { address: Address::new("volume", "x"), place: place.to_owned() };
        place_on_disk(&kept, &observed, Path::new("/home/u"))
    };
    assert_eq!(place("s_notes"), Some(PathBuf::from("/var/lib/v/_data")));
    assert_eq!(place("~/data"), Some(PathBuf::from("/home/u/data")));
    assert_eq!(place("/srv/data"), Some(PathBuf::from("/srv/data")));
    assert_eq!(place("unknown"), None);
}

#[test]
fn what_cannot_be_measured_has_no_size() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let found = sizes(vec![Some(here), None, Some(PathBuf::from("/nowhere/at/all"))], Duration::from_secs(60));
    assert!(found[0].is_some_and(|bytes| bytes > 0), "{found:?}");
    assert_eq!(found[1..], [None, None]);
}
