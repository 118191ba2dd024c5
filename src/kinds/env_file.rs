//! `env_file` of containers and services. What it holds is secret: values go into hashes, never into a message.

use std::collections::BTreeMap;

use crate::desired::Reading;
use crate::diagnostic::Diagnostics;
use crate::stack::dotenv;
use crate::stack::forms::EnvFile;
use crate::stack::source::{self, SourceError};

/// The pairs of one file; what is wrong with it is reported at the key that names it.
pub(super) fn read(file: &EnvFile, reading: &mut Reading<'_>) -> BTreeMap<String, String> {
    let EnvFile { path, required, raw, span } = file;
    let text = match reading.files.read(path).and_then(source::text) {
        Ok(text) => text,
        Err(SourceError::Missing) if !required => return BTreeMap::new(),
        Err(error) => {
            let detail = format!("{} cannot be used: {error}", path.display());
            reading.diagnostics.error(*span, "Bad environment file", detail);
            return BTreeMap::new();
        }
    };
    let variables = &reading.places.environment.vars;
    let mut wrong = Diagnostics::default();
    let pairs = dotenv::parse(span.file, &text, *raw, &mut |name| variables.get(name).cloned(), &mut wrong);
    for inner in wrong.0 {
        let line = inner.span.map_or(0, |span| span.line);
        let detail = format!("{}, line {line}: {}", path.display(), inner.detail);
        reading.diagnostics.error(*span, "Bad environment file", detail);
    }
    pairs
}
