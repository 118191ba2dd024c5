//! Bytes from disk: the only place of `stack` that touches files, behind [`Files`] so that everything after it is pure.
//! Every limit is checked here, before a parser sees a byte: regular file, size, UTF-8, no NUL, unchanged while it was read.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the stack's files are read here, and nowhere else in `stack`"
)]

#[cfg(test)]
mod tests;

use crate::diagnostic::{Excerpts, FileId};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// A stack file larger than this is no stack file; the largest known Compose file has some 200 KiB.
pub const FILE_SIZE_MAX: u64 = 4 * 1024 * 1024;
/// How many files one stack may consist of, included and environment files counted.
pub const FILES_MAX: usize = 256;

/// What the process was given, handed in by the caller: nothing in `stack` asks the process itself.
#[derive(Clone, Default)]
pub struct Environment {
    /// What `~` stands for.
    pub home: PathBuf,
    pub vars: BTreeMap<String, String>,
}

impl fmt::Debug for Environment {
    /// Names only: any value may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").field("home", &self.home).field("vars", &self.vars.keys()).finish()
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("there is no such file")]
    Missing,
    #[error("it is {0}, not a regular file")]
    NotAFile(&'static str),
    #[error("it has {0} bytes, more than the {max} that a file of a stack may have", max = FILE_SIZE_MAX)]
    TooLarge(u64),
    #[error("it is not UTF-8: byte {0} belongs to no character")]
    NotUtf8(usize),
    #[error("it holds a NUL byte at byte {0}")]
    Nul(usize),
    #[error("it changed while it was read")]
    Changed,
    #[error("it cannot be read: {kind}", kind = .0.kind())]
    Unreadable(#[source] std::io::Error),
}

/// Where files come from: the disk, or a table in a test.
pub trait Files {
    /// The bytes of a regular file no larger than [`FILE_SIZE_MAX`].
    ///
    /// # Errors
    /// Says why there are none.
    fn read(&self, path: &Path) -> Result<Vec<u8>, SourceError>;
    /// The path with the current directory before it where it is relative; nothing is looked up.
    fn absolute(&self, path: &Path) -> PathBuf;
    /// The path with every symlink followed, `None` where that cannot be told.
    fn resolved(&self, path: &Path) -> Option<PathBuf>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        // Opening a fifo would wait for its writer, so the type is asked first; what is opened is asked again.
        regular(&std::fs::metadata(path).map_err(reason)?)?;
        let mut file = std::fs::File::open(path).map_err(reason)?;
        let before = file.metadata().map_err(reason)?;
        regular(&before)?;
        read_unchanged(&mut file, &stamp(&before), |file| file.metadata().map(|after| stamp(&after)))
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        std::fs::canonicalize(path).ok()
    }
}

/// What moves when somebody writes to a file.
type Stamp = (u64, Option<SystemTime>);

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

fn reason(error: std::io::Error) -> SourceError {
    if error.kind() == std::io::ErrorKind::NotFound { SourceError::Missing } else { SourceError::Unreadable(error) }
}

fn regular(metadata: &std::fs::Metadata) -> Result<(), SourceError> {
    if metadata.is_dir() {
        return Err(SourceError::NotAFile("a directory"));
    }
    if !metadata.is_file() {
        return Err(SourceError::NotAFile("a device, socket or pipe"));
    }
    if metadata.len() > FILE_SIZE_MAX {
        return Err(SourceError::TooLarge(metadata.len()));
    }
    Ok(())
}

/// Reads to the end, bounded, and refuses bytes that are half of an old and half of a new text.
fn read_unchanged<R: Read>(
    file: &mut R,
    before: &Stamp,
    after: impl Fn(&R) -> std::io::Result<Stamp>,
) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::with_capacity(usize::try_from(before.0).unwrap_or_default());
    file.by_ref().take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes).map_err(SourceError::Unreadable)?;
    let length = bytes.len() as u64;
    if length > FILE_SIZE_MAX {
        return Err(SourceError::TooLarge(length));
    }
    if after(file).map_err(SourceError::Unreadable)? != *before || length != before.0 {
        return Err(SourceError::Changed);
    }
    Ok(bytes)
}

/// The bytes as text: no byte order mark, every line end `\n`.
///
/// # Errors
/// NUL and what is not UTF-8 are refused.
pub fn text(bytes: Vec<u8>) -> Result<String, SourceError> {
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(SourceError::Nul(at + 1));
    }
    let text = String::from_utf8(bytes).map_err(|error| SourceError::NotUtf8(error.utf8_error().valid_up_to() + 1))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// One file that was read.
struct Source {
    /// As the user wrote it.
    name: String,
    path: PathBuf,
    /// Absolute: what relative host paths of this file start from.
    directory: PathBuf,
    text: String,
    /// Offsets of the first byte of each line.
    lines: Vec<usize>,
    /// Environment files: their lines are never shown.
    secret: bool,
}

/// All files of a load by [`FileId`].
#[derive(Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.files.iter().map(|file| &file.path)).finish()
    }
}

impl Sources {
    /// Takes a text in; `path` is absolute. `None` when there are [`FILES_MAX`] already.
    pub fn add(&mut self, name: String, path: PathBuf, text: String, secret: bool) -> Option<FileId> {
        if self.files.len() >= FILES_MAX {
            return None;
        }
        let id = FileId(u16::try_from(self.files.len()).ok()?);
        let directory = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(Source { name, path, directory, text, lines, secret });
        Some(id)
    }

    pub fn text(&self, file: FileId) -> &str {
        self.files.get(usize::from(file.0)).map_or("", |source| &source.text)
    }

    /// Absolute path of the file, as it was named (symlinks not followed).
    pub fn path(&self, file: FileId) -> &Path {
        self.files.get(usize::from(file.0)).map_or(Path::new("/"), |source| &source.path)
    }

    /// Absolute: what relative host paths in that file start from.
    pub fn directory(&self, file: FileId) -> &Path {
        self.files.get(usize::from(file.0)).map_or(Path::new("/"), |source| &source.directory)
    }

    /// `include: { project_directory: … }`: relative paths of that file start elsewhere.
    pub fn set_directory(&mut self, file: FileId, directory: PathBuf) {
        if let Some(source) = self.files.get_mut(usize::from(file.0)) {
            source.directory = directory;
        }
    }

    /// Every file whose lines may be shown, by its absolute path.
    pub fn texts(&self) -> impl Iterator<Item = (&Path, &str)> {
        let shown = self.files.iter().filter(|source| !source.secret);
        shown.map(|source| (source.path.as_path(), source.text.as_str()))
    }

    /// Absolute paths of all files in the order in which they were read, environment files included.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|source| source.path.as_path())
    }
}

impl Excerpts for Sources {
    fn name(&self, file: FileId) -> String {
        self.files.get(usize::from(file.0)).map_or_else(String::new, |source| source.name.clone())
    }

    fn line(&self, file: FileId, line: u32) -> Option<&str> {
        let source = self.files.get(usize::from(file.0)).filter(|source| !source.secret)?;
        let index = (line as usize).checked_sub(1)?;
        let start = *source.lines.get(index)?;
        let end = source.lines.get(index + 1).map_or(source.text.len(), |next| next - 1);
        source.text.get(start..end)
    }
}

/// The path without `.`, `..` and double slashes, by its letters alone: a symlink in the middle is not looked at.
pub fn normalised(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                // `/..` is `/`.
                if parts.file_name().is_some() {
                    parts.pop();
                } else if !parts.has_root() {
                    parts.push("..");
                }
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => parts.push(component),
        }
    }
    parts
}
