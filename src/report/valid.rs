//! That a stack file can be used, for people and for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::failure::DiagnosticJson;
use super::text::escaped;
use super::words::FORMAT_VERSION;

/// What `validate --format json` prints of a file that can be used.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ValidJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// Always true: an invalid file is told as an error.
    pub valid: bool,
    /// How many resources the file declares, implied ones (images, the default network) counted.
    pub resources: usize,
    /// Warnings, in the order of their places.
    pub diagnostics: &'a [DiagnosticJson],
    /// What all the files come to, with `--print`.
    #[schemars(with = "Option<serde_json::Value>")]
    pub resolved: Option<serde_yaml::Value>,
}

impl<'a> ValidJson<'a> {
    pub fn new(
        stack: &'a str,
        resources: usize,
        diagnostics: &'a [DiagnosticJson],
        resolved: Option<serde_yaml::Value>,
    ) -> Self {
        Self { format_version: FORMAT_VERSION, stack, valid: true, resources, diagnostics, resolved }
    }
}

/// `stack.yaml is valid: 8 resources`.
pub fn human(source: &str, resources: usize) -> String {
    let noun = if resources == 1 { "resource" } else { "resources" };
    format!("{} is valid: {resources} {noun}\n", escaped(source))
}
