//! What would break: a file of an archive lands outside of the copy, a copy that changed on the way passes for whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::sink::{Meta, Sink};
use super::walk;

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("stackctl-copy-out-{name}-{}", std::process::id()));
    fs::remove_dir_all(&path).ok();
    fs::create_dir_all(&path).expect("a scratch directory");
    path
}

fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(if *kind == tar::EntryType::Regular { content.len() as u64 } else { 0 });
        header.set_mode(0o640);
        if *kind == tar::EntryType::Symlink {
            header.set_link_name_literal(content).expect("a link");
        }
        // The names that `tar` itself would refuse.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        let content: &[u8] = if *kind == tar::EntryType::Regular { content } else { &[] };
        builder.append(&header, content).expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

#[test]
fn what_comes_out_has_its_mode_and_its_bytes_below_its_path() {
    let directory = scratch("whole");
    let bytes = archive(&[("app", tar::EntryType::Directory, b""), ("app/a.db", tar::EntryType::Regular, b"data")]);
    let mut sink = Sink::into(&directory);
    walk::archive(&bytes[..], walk::parent("/tmp/app"), &mut sink).expect("it is copied");
    sink.verify().expect("it is whole");
    let (files, _) = sink.taken();
    assert_eq!((files.len(), files[0].path.as_str(), files[0].mode), (1, "/tmp/app/a.db", 0o640));
    assert_eq!(fs::read(directory.join("tmp/app/a.db")).expect("the copy"), b"data");
    fs::remove_dir_all(directory).expect("cleaned up");
}

#[test]
fn no_entry_leads_out_of_the_copy() {
    let directory = scratch("out");
    for entries in [
        &[("../evil", tar::EntryType::Regular, &b"x"[..])][..],
        &[("app/../../../evil", tar::EntryType::Regular, b"x")],
        &[("app", tar::EntryType::Symlink, b"/tmp"), ("app/evil", tar::EntryType::Regular, b"x")],
    ] {
        let mut sink = Sink::into(&directory.join("copy"));
        walk::archive(&archive(entries)[..], "/tmp", &mut sink).expect_err("it is refused");
    }
    assert!(!directory.join("evil").exists() && !Path::new("/tmp/evil").exists());
    fs::remove_dir_all(directory).expect("cleaned up");
}

#[test]
fn what_was_another_at_the_second_reading_is_told() {
    let read = |content: &[u8]| {
        let mut sink = Sink::hashing();
        sink.file("/a.db", Meta::default(), &mut &content[..]).expect("it is read");
        sink
    };
    assert!(read(b"a").unlike(&read(b"a")).is_empty());
    assert_eq!(read(b"a").unlike(&read(b"b")), BTreeSet::from(["/a.db".to_owned()]));
    assert_eq!(read(b"a").unlike(&Sink::hashing()).len(), 1, "it is gone");
}

#[test]
fn a_copy_that_is_not_what_was_read_does_not_pass() {
    let directory = scratch("verify");
    let mut sink = Sink::into(&directory);
    sink.file("/a.db", Meta { mode: 0o600, ..Meta::default() }, &mut &b"data"[..]).expect("it is copied");
    fs::write(directory.join("a.db"), "dat4").expect("a bad disk");
    sink.verify().expect_err("it is another");
    fs::remove_dir_all(directory).expect("cleaned up");
}
