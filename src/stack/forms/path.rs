//! Paths: on this machine, where `~` and relative ones mean something, and in a container, where they do not.

use super::scalar::word;
use crate::diagnostic::{Diagnostics, Span, quoted};
use crate::stack::source::{Environment, Sources, normalised};
use crate::stack::yaml::Node;
use std::path::{Path, PathBuf};

/// What relative paths and `~` start from: the directory of the file that holds the path, and the user's home.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    pub sources: &'a Sources,
    pub environment: &'a Environment,
}

/// A path of this machine, absolute and without `.` and `..` (by its letters: symlinks stay).
pub fn host_path(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    // `~` alone is YAML's null; where a path is due it is the home directory.
    if node.is_null() && node.written() == Some("~") {
        return Some(normalised(&places.environment.home));
    }
    let text = word(node, diagnostics)?;
    expanded(&text, &node.shown(), node.span, places, diagnostics)
}

/// As [`host_path`], for a path that stands in a key.
pub fn host_path_text(text: &str, span: Span, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    expanded(text, &quoted(text), span, places, diagnostics)
}

/// `shown` is what messages call it.
pub(super) fn expanded(
    text: &str,
    shown: &str,
    span: Span,
    places: Places<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<PathBuf> {
    if text.is_empty() || text.chars().any(char::is_control) {
        diagnostics.error(span, "Not a path", "a path is neither empty nor does it hold control characters");
        return None;
    }
    let path = match text.strip_prefix('~') {
        None => places.sources.directory(span.file).join(text),
        Some("") => places.environment.home.clone(),
        Some(rest) if rest.starts_with('/') => places.environment.home.join(rest.trim_start_matches('/')),
        Some(_) => {
            let detail = format!("{shown} names another user's home directory, which is not looked up");
            diagnostics
                .error(span, "Not a path", detail)
                .help("write the path in full, or `./~…` for a file of that name");
            return None;
        }
    };
    let path = normalised(&path);
    if !path.is_absolute() {
        diagnostics.error(span, "Not a path", format!("{shown} has no absolute path to start from"));
        return None;
    }
    Some(path)
}

/// A path in a container: absolute, written without `.` and `..`, kept as text.
pub fn container_path(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = word(node, diagnostics)?;
    container_path_text(&text, &node.shown(), node.span, diagnostics)
}

pub(super) fn container_path_text(
    text: &str,
    shown: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    if !text.starts_with('/') {
        diagnostics
            .error(span, "Not a path", format!("{shown} is a path in the container and must be absolute"))
            .help("for example `/data`");
        return None;
    }
    normalised(Path::new(text)).to_str().map(str::to_owned)
}
