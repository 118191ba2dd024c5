//! What would break: a half-written unit file, a followed link, a mode that depends on the umask.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{Error, Marker, info, marked, perform};
use crate::effect::Files;
use crate::observed::{PathKind, Seen};

/// An empty directory that goes with the test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stackctl-files-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn write(path: &Path, content: &str, mode: u32) -> Result<(), Error> {
    perform(&Files::Write { path: path.to_owned(), content: content.to_owned(), mode })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_written_in_its_place_stays_the_same_file() {
    let scratch = Scratch::new("overwrite");
    let path = scratch.path("a.conf");
    let overwrite = |content: &str, mode| {
        perform(&Files::Overwrite { path: path.clone(), content: content.to_owned(), mode }).unwrap();
        (fs::metadata(&path).unwrap().ino(), fs::read_to_string(&path).unwrap())
    };
    let (first, _) = overwrite("something long", 0o600);
    assert_eq!(overwrite("short", 0o640), (first, "short".to_owned()));
    assert_eq!(overwrite("something longer", 0o640), (first, "something longer".to_owned()));
    assert_eq!((mode(&path), names(&scratch.0)), (0o640, vec!["a.conf".to_owned()]));
    // One that its owner may not write to is written all the same, and stays closed.
    overwrite("closed", 0o400);
    assert_eq!(overwrite("closed again", 0o400), (first, "closed again".to_owned()));
    assert_eq!(mode(&path), 0o400);
    write(&path, "another one", 0o640).unwrap();
    assert_ne!(fs::metadata(&path).unwrap().ino(), first, "a file that takes another's place is another one");
}

#[test]
fn writing_replaces_whole_and_leaves_nothing_beside() {
    let scratch = Scratch::new("write");
    let path = scratch.path("a/b/x.service");
    write(&path, "old", 0o644).unwrap();
    write(&path, "new", 0o666).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(mode(&path), 0o666, "the umask takes nothing away");
    assert_eq!(mode(&scratch.path("a/b")), 0o700, "parents are the user's alone");
    assert_eq!(names(&scratch.path("a/b")), ["x.service"]);
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let scratch = Scratch::new("fault");
    let path = scratch.path("x.service");
    write(&path, "old", 0o644).unwrap();
    // Where the temporary file would be made lies a directory.
    fs::create_dir(scratch.path(&format!(".x.service.{}.tmp", std::process::id()))).unwrap();
    assert!(matches!(write(&path, "new", 0o644), Err(Error::Io { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn a_link_is_never_written_through() {
    let scratch = Scratch::new("link");
    let (target, link) = (scratch.path("target"), scratch.path("x.service"));
    fs::write(&target, "foreign").unwrap();
    symlink(&target, &link).unwrap();
    let set_mode = perform(&Files::SetMode { path: link.clone(), mode: 0o777 });
    let remove = perform(&Files::Remove { path: link.clone() });
    for result in [write(&link, "ours", 0o644), set_mode, remove] {
        assert!(matches!(&result, Err(Error::Symlink { target: named, .. }) if *named == target), "{result:?}");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "foreign");
    assert!(link.is_symlink());
}

#[test]
fn a_parent_that_is_a_file_is_refused() {
    let scratch = Scratch::new("parent");
    fs::write(scratch.path("file"), "").unwrap();
    assert!(write(&scratch.path("file/x"), "", 0o644).is_err());
    let create = perform(&Files::CreateDirectory { path: scratch.path("file/x"), mode: 0o700 });
    assert!(create.is_err());
    let create = perform(&Files::CreateDirectory { path: scratch.path("file"), mode: 0o700 });
    assert!(matches!(create, Err(Error::Kind { .. })), "{create:?}");
}

#[test]
fn directories_get_their_mode_whatever_the_umask() {
    let scratch = Scratch::new("directory");
    let path = scratch.path("a/b");
    let create = |mode| perform(&Files::CreateDirectory { path: path.clone(), mode });
    create(0o2777).unwrap();
    assert_eq!((mode(&path), mode(&scratch.path("a"))), (0o2777, 0o700));
    create(0o750).unwrap();
    assert_eq!(mode(&path), 0o750, "again, with another mode");
}

#[test]
fn removing_is_done_when_nothing_is_there_and_never_takes_content() {
    let scratch = Scratch::new("remove");
    let (directory, file) = (scratch.path("d"), scratch.path("d/f"));
    write(&file, "data", 0o600).unwrap();
    let rmdir = || perform(&Files::RemoveEmptyDirectory { path: directory.clone() });
    assert!(rmdir().is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    for _ in 0..2 {
        perform(&Files::Remove { path: file.clone() }).unwrap();
    }
    for _ in 0..2 {
        rmdir().unwrap();
    }
}

#[test]
fn looking_tells_kinds_apart() {
    let scratch = Scratch::new("look");
    write(&scratch.path("file"), "content", 0o640).unwrap();
    symlink(&scratch.0, scratch.path("link")).unwrap();
    symlink("nowhere", scratch.path("dead")).unwrap();
    let seen = |name: &str| info(&scratch.path(name), true).present().cloned().unwrap();
    let file = seen("file");
    assert_eq!((file.kind, file.mode, file.content.as_deref()), (PathKind::File, 0o640, Some("content")));
    assert!(file.writable && file.modified_us > 1_600_000_000_000_000);
    assert_eq!(info(&scratch.path("file"), false).present().unwrap().content, None);
    let link = |name| match seen(name).kind {
        PathKind::Symlink { target, resolves_to_directory } => (target, resolves_to_directory),
        kind => panic!("{kind:?}"),
    };
    assert_eq!(link("link"), (scratch.0.clone(), true));
    assert_eq!(link("dead"), ("nowhere".into(), false));
    assert_eq!(seen("").empty, Some(false));
    fs::create_dir(scratch.path("hollow")).unwrap();
    assert_eq!(seen("hollow").empty, Some(true));
    assert_eq!(info(&scratch.path("absent"), true), Seen::Absent);
    assert_eq!(info(&scratch.path("file/below"), true), Seen::Absent);
    assert!(matches!(info(Path::new(&"x".repeat(5000)), true), Seen::Unknown(_)), "what cannot be told");
}

#[test]
fn content_that_is_large_or_no_text_is_left_out() {
    let scratch = Scratch::new("content");
    for (name, bytes, read) in [
        ("limit", vec![b'x'; 1024 * 1024], true),
        ("over", vec![b'x'; 1024 * 1024 + 1], false),
        ("binary", vec![0xff], false),
    ] {
        fs::write(scratch.path(name), bytes).unwrap();
        assert_eq!(info(&scratch.path(name), true).present().unwrap().content.is_some(), read, "{name}");
    }
}

#[test]
fn only_a_whole_marker_on_the_first_line_counts() {
    let marker = Marker { stack: "ai", address: "container.ollama", hash: "ab12" };
    assert_eq!(
        Marker::of("# Managed by stackctl: stack=ai address=container.ollama hash=ab12\n[Unit]\n"),
        Some(marker)
    );
    for foreign in [
        "",
        "[Unit]\n# Managed by stackctl: stack=ai address=container.ollama hash=ab12\n",
        "# Managed by stackctl: stack=ai\n",
        "# Managed by stackctl: stack= address=container.ollama hash=ab12\n",
        "# Managed by stackctl\n",
    ] {
        assert_eq!(Marker::of(foreign), None, "{foreign}");
    }
}

#[test]
fn only_units_of_the_stack_are_found_in_the_unit_directory() {
    let scratch = Scratch::new("marked");
    let content = |stack: &str| format!("# Managed by stackctl: stack={stack} address=service.x hash=00\n");
    write(&scratch.path("mine.service"), &content("ai"), 0o644).unwrap();
    write(&scratch.path("mine.txt"), &content("ai"), 0o644).unwrap();
    write(&scratch.path("other.service"), &content("other"), 0o644).unwrap();
    write(&scratch.path("foreign.service"), "[Unit]\n", 0o644).unwrap();
    symlink(scratch.path("mine.service"), scratch.path("link.service")).unwrap();
    let found: Vec<_> = marked(&scratch.0, "ai").unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(found, [scratch.path("mine.service")]);
    assert!(marked(&scratch.path("absent"), "ai").unwrap().is_empty());
}
