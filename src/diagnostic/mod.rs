//! What is wrong with a stack file, where, and what to write instead: a value that every stage collects and nobody prints halfway.
//! It may not read files or know where texts come from (whoever renders hands them in through [`Excerpts`]), and it never
//! holds a value that came from the environment or a secret: the reading tools name those by what stands in the file.

mod render;
#[cfg(test)]
mod tests;

pub use render::{escaped, quoted, render};

/// Which of the files that were read a [`Span`] lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u16);

/// A stretch of one file. Lines and columns count from 1, columns in characters; `start` and `end` are byte offsets into the text
/// as it was read (byte order mark gone, line ends `\n`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub line: u32,
    pub column: u32,
    pub start: u32,
    pub end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding. `summary` is fixed per fault ("Unknown key"), `detail` names what and why, `help` says what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub summary: &'static str,
    pub detail: String,
    pub span: Option<Span>,
    pub help: Option<String>,
    /// Other places that belong to the fault, each with what it is ("first given here").
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    pub fn new(
        severity: Severity,
        span: impl Into<Option<Span>>,
        summary: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { severity, summary, detail: detail.into(), span: span.into(), help: None, related: Vec::new() }
    }

    /// Says what to write instead; one sentence without a full stop, keys and values in backquotes.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place that belongs to the fault.
    pub fn related(&mut self, span: Span, what: impl Into<String>) -> &mut Self {
        self.related.push((span, what.into()));
        self
    }
}

/// All findings of a load, in the order of discovery until [`Diagnostics::sort`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds an error and hands it back, so that help and related places can be hung on it.
    pub fn error(
        &mut self,
        span: impl Into<Option<Span>>,
        summary: &'static str,
        detail: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Diagnostic::new(Severity::Error, span, summary, detail))
    }

    /// Adds a warning and hands it back.
    pub fn warning(
        &mut self,
        span: impl Into<Option<Span>>,
        summary: &'static str,
        detail: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Diagnostic::new(Severity::Warning, span, summary, detail))
    }

    pub fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        self.0.push(diagnostic);
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    pub fn append(&mut self, mut other: Diagnostics) {
        self.0.append(&mut other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many of the findings are errors.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// Orders by place and drops what is said twice: a value that an alias repeats is read, and found wrong, more than once.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            (a.span, a.severity, a.summary, &a.detail).cmp(&(b.span, b.severity, b.summary, &b.detail))
        });
        self.0.dedup();
    }
}

/// Where [`render`] takes names and lines from.
pub trait Excerpts {
    /// The name of the file as the user gave it.
    fn name(&self, file: FileId) -> String;
    /// One line (from 1) without its line end; `None` where there is none, or where it must not be shown.
    fn line(&self, file: FileId, line: u32) -> Option<&str>;
}

/// The candidate that `word` most likely was meant to be, or `None` when nothing is near enough to be offered.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A key of a megabyte is no slip of the pen, and the distance costs the product of both lengths.
    const LENGTH_MAX: usize = 64;
    let length = word.chars().count();
    if length == 0 || length > LENGTH_MAX {
        return None;
    }
    let lower = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase().replace('-', "_")), candidate))
        .filter(|(distance, candidate)| *distance <= length.max(candidate.chars().count()).div_ceil(4).max(1))
        .filter(|(distance, candidate)| *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}
