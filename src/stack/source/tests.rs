//! What would break: a file that is read past its limits, half old and half new, or that hangs the tool.

use super::*;
use std::io::Cursor;

/// A directory of its own for one test, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stackctl-source-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let scratch = Scratch::new("kinds");
    let path = |name: &str| scratch.0.join(name);
    std::fs::write(path("good"), "a: 1\n").unwrap();
    let large = std::fs::File::create(path("large")).unwrap();
    large.set_len(100 * 1024 * 1024).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RWXU).unwrap();
    std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
    std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
    assert_eq!(Disk.read(&path("good")).unwrap(), b"a: 1\n");
    assert_eq!(Disk.read(&path("link")).unwrap(), b"a: 1\n");
    let reason = |name: &str| Disk.read(&path(name)).unwrap_err().to_string();
    assert_eq!(reason("absent"), "there is no such file");
    assert_eq!(reason(""), "it is a directory, not a regular file");
    assert_eq!(reason("fifo"), "it is a device, socket or pipe, not a regular file");
    assert_eq!(reason("large"), "it has 104857600 bytes, more than the 4194304 that a file of a stack may have");
    assert!(reason("loop").starts_with("it cannot be read: "));
    assert_eq!(reason("good/x"), "it cannot be read: not a directory");
    assert_eq!(
        Disk.read(Path::new("/dev/zero")).unwrap_err().to_string(),
        "it is a device, socket or pipe, not a regular file"
    );
}

#[test]
fn a_file_that_changes_under_the_reader_is_refused() {
    let before = (5, Some(SystemTime::UNIX_EPOCH));
    let read = |bytes: &'static str, after: Stamp| read_unchanged(&mut Cursor::new(bytes), &before, |_| Ok(after));
    assert_eq!(read("12345", before).unwrap(), b"12345");
    let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(1);
    for (bytes, after) in [("123", before), ("1234567", before), ("12345", (5, Some(later))), ("12345", (7, before.1))]
    {
        assert!(matches!(read(bytes, after), Err(SourceError::Changed)), "{bytes}");
    }
    let endless = read_unchanged(&mut std::io::repeat(b'x'), &before, |_| Ok(before));
    assert!(matches!(endless, Err(SourceError::TooLarge(_))));
}

#[test]
fn lines_are_found_by_number() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml".into(), "/d/a.yaml".into(), "one\ntwo\n\nfour".into(), false).unwrap();
    let secret = sources.add(".env".into(), "/d/.env".into(), "A=b\n".into(), true).unwrap();
    let lines: Vec<_> = (0..=5).map(|line| sources.line(file, line)).collect();
    assert_eq!(lines, [None, Some("one"), Some("two"), Some(""), Some("four"), None]);
    assert_eq!(sources.line(secret, 1), None);
    assert_eq!(sources.line(FileId(7), 1), None);
    for _ in 2..FILES_MAX {
        assert!(sources.add(String::new(), "/x".into(), String::new(), false).is_some());
    }
    assert!(sources.add(String::new(), "/x".into(), String::new(), false).is_none());
}

#[test]
fn paths_are_normalised_by_their_letters() {
    for (path, expected) in
        [("/a/./b//c/..", "/a/b"), ("/..", "/"), ("../a/../../b", "../../b"), ("a/..", ""), ("/a/../..", "/")]
    {
        assert_eq!(normalised(Path::new(path)), Path::new(expected), "{path}");
    }
}
