//! What a build is made from: a directory without what its ignore file names, walked in one order, told as a digest, or packed
//! as an archive. Times and owners are left out of both, so that a fresh checkout is the same.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use sha2::{Digest as _, Sha256};

use super::words;
use crate::effect::{BuildSource, Containerfile};
use crate::observed::Seen;

/// A context is sources; so many files are a disk that was named by mistake.
const ENTRIES_MAX: usize = 100_000;
/// The name in the archive of a containerfile that is not in the context itself.
const CONTAINERFILE: &str = ".stackctl.containerfile";
const IGNORE_FILES: [&str; 2] = [".containerignore", ".dockerignore"];

/// Absent where there is no such directory.
pub fn digest(source: &BuildSource) -> Seen<String> {
    match digest_of(source) {
        Ok(digest) => Seen::Present(digest),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::Absent,
        Err(error) => Seen::Unknown(words(&error)),
    }
}

fn digest_of(source: &BuildSource) -> io::Result<String> {
    let mut hash = Sha256::new();
    // Every part with its length, so that no two trees read the same.
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(bytes);
    };
    part(containerfile(source)?.as_bytes());
    for (path, found) in entries(source)? {
        part(path.as_os_str().as_bytes());
        part(&(found.mode() & 0o170_777).to_le_bytes());
        let full = source.context.join(&path);
        if found.is_symlink() {
            part(fs::read_link(&full)?.as_os_str().as_bytes());
        } else if found.is_file() {
            part(&sha256_of(&full)?);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn sha256_of(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().to_vec()),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn containerfile(source: &BuildSource) -> io::Result<String> {
    match &source.containerfile {
        Containerfile::Inline(text) => Ok(text.clone()),
        Containerfile::File(path) => fs::read_to_string(path),
    }
}

/// Packs it, and answers what the containerfile is called in it.
///
/// # Errors
/// A file cannot be read, or the archive cannot be written.
pub fn pack(source: &BuildSource, to: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    let header = |mode: u32, kind: tar::EntryType, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode & 0o7777);
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mtime(0);
        header
    };
    for (path, found) in entries(source)? {
        let full = source.context.join(&path);
        if found.is_symlink() {
            let target = fs::read_link(&full)?;
            archive.append_link(&mut header(found.mode(), tar::EntryType::Symlink, 0), &path, target)?;
        } else if found.is_dir() {
            archive.append_data(&mut header(found.mode(), tar::EntryType::Directory, 0), &path, io::empty())?;
        } else if found.is_file() {
            let file = File::open(&full)?;
            let size = file.metadata()?.len();
            // One that grows meanwhile ends where it was to end.
            archive.append_data(&mut header(found.mode(), tar::EntryType::Regular, size), &path, file.take(size))?;
        }
    }
    let text = containerfile(source)?;
    let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    archive.append_data(&mut header(0o644, tar::EntryType::Regular, size), name(source), text.as_bytes())?;
    archive.into_inner()?.flush()
}

/// Of the containerfile in the archive.
pub fn name(source: &BuildSource) -> PathBuf {
    let inside = match &source.containerfile {
        Containerfile::File(path) => path.strip_prefix(&source.context).ok(),
        Containerfile::Inline(_) => None,
    };
    inside.unwrap_or(Path::new(CONTAINERFILE)).to_owned()
}

/// Everything below the context that is not ignored, but for the containerfile, sorted.
fn entries(source: &BuildSource) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let ignored = Ignored::read(&source.context)?;
    let own = name(source);
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(source.context.join(&directory))? {
            let path = directory.join(entry?.file_name());
            let metadata = fs::symlink_metadata(source.context.join(&path))?;
            // Below an ignored directory an exception may bring something back.
            let is_ignored = ignored.contains(&path);
            if metadata.is_dir() && (!is_ignored || ignored.has_exceptions) {
                open.push(path.clone());
            }
            if !is_ignored && path != own {
                found.push((path, metadata));
            }
            if found.len() > ENTRIES_MAX {
                let message = format!("a build context of more than {ENTRIES_MAX} files; name fewer, or ignore some");
                return Err(io::Error::other(message));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// `.dockerignore`, as Docker reads it: a pattern ignores what it matches and everything below, `!` takes some of it back, and
/// the last one that matches counts.
#[derive(Default)]
struct Ignored {
    patterns: Vec<(GlobMatcher, bool)>,
    has_exceptions: bool,
}

impl Ignored {
    fn read(context: &Path) -> io::Result<Self> {
        for name in IGNORE_FILES {
            match fs::read_to_string(context.join(name)) {
                Ok(text) => return Self::parse(&text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str) -> io::Result<Self> {
        let mut ignored = Self::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (pattern, keeps) = line.strip_prefix('!').map_or((line, false), |pattern| (pattern.trim(), true));
            let pattern = pattern.trim_start_matches("./").trim_matches('/');
            if pattern.is_empty() || pattern == "." {
                continue;
            }
            let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(io::Error::other)?;
            ignored.patterns.push((glob.compile_matcher(), keeps));
            ignored.has_exceptions |= keeps;
        }
        Ok(ignored)
    }

    fn contains(&self, path: &Path) -> bool {
        let above = || path.ancestors().filter(|path| !path.as_os_str().is_empty());
        let last = self.patterns.iter().rev().find(|(glob, _)| above().any(|path| glob.is_match(path)));
        last.is_some_and(|(_, keeps)| !keeps)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use super::{Ignored, digest, entries, pack};
    use crate::effect::{BuildSource, Containerfile};
    use crate::machine::files::tests::Scratch;

    #[test]
    fn an_ignore_file_is_read_as_docker_reads_it() {
        let ignored = Ignored::parse("# no\n*/temp*\n/node_modules\n*.md\n!README.md\n**/*.o\n").expect("patterns");
        for (path, is_ignored) in [
            ("a/temp1", true),
            ("a/temp1/deep", true),
            ("temp1", false),
            ("a/b/temp1", false),
            ("node_modules", true),
            ("node_modules/x/y", true),
            ("a/node_modules", false),
            ("NOTES.md", true),
            ("a/NOTES.md", false),
            ("README.md", false),
            ("x.o", true),
            ("a/b/x.o", true),
        ] {
            assert_eq!(ignored.contains(Path::new(path)), is_ignored, "{path}");
        }
    }

    #[test]
    fn a_digest_tells_what_a_build_would_see_and_nothing_else() {
        let scratch = Scratch::new("context");
        let write = |path: &str, text: &str| fs::write(scratch.path(path), text).expect("a file");
        fs::create_dir_all(scratch.path("c/sub")).expect("a folder");
        write("c/Containerfile", "FROM scratch\n");
        write("c/.dockerignore", "*.log\n");
        write("c/sub/a", "one");
        symlink("a", scratch.path("c/sub/link")).expect("a link");
        let context = scratch.path("c");
        let file = Containerfile::File(context.join("Containerfile"));
        let source = BuildSource { context: context.clone(), containerfile: file };
        let look = || digest(&source).present().cloned().expect("a digest");
        let first = look();
        write("c/x.log", "noise");
        assert_eq!(look(), first, "what is ignored");
        write("c/sub/a", "one");
        assert_eq!(look(), first, "the same bytes written again");
        write("c/sub/a", "two");
        let second = look();
        assert_ne!(second, first);
        fs::set_permissions(scratch.path("c/sub/a"), fs::Permissions::from_mode(0o755)).expect("a mode");
        assert_ne!(look(), second);
        let third = look();
        write("c/Containerfile", "FROM other\n");
        assert_ne!(look(), third);
        let names: Vec<_> = entries(&source).expect("entries").into_iter().map(|(path, _)| path).collect();
        assert_eq!(names, [".dockerignore", "sub", "sub/a", "sub/link"].map(Path::new));
        let mut packed = Vec::new();
        pack(&source, &mut packed).expect("an archive");
        let mut archive = tar::Archive::new(packed.as_slice());
        assert_eq!(archive.entries().expect("entries").count(), 5);
        assert!(digest(&BuildSource { context: scratch.path("none"), ..source.clone() }).is_absent());
    }
}
