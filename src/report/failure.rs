//! What went wrong before anything was done, for people and for programs: an error with its causes and hints, and the
//! findings of a stack file.

use schemars::JsonSchema;
use serde::Serialize;

use super::plan::PlanJson;
use super::text::{Look, Page, escaped, wrapped};
use super::words::{Colour, FORMAT_VERSION};

/// What `--format json` prints in place of a result.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailureJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// What went wrong.
    pub error: ErrorJson<'a>,
    /// Findings of the stack file, in the order of their places.
    pub diagnostics: &'a [DiagnosticJson],
    /// The plan that was refused, with the risks that say why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanJson<'a>>,
}

/// The error itself.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorJson<'a> {
    /// Stable, such as `locked`; one for each exit code.
    pub code: &'static str,
    /// The process ends with it.
    pub exit_code: u8,
    /// What and where, as a fragment of a sentence.
    pub message: &'a str,
    /// From the outermost to the root.
    pub causes: &'a [String],
    /// Sentences, or commands to copy.
    pub hints: &'a [String],
}

/// One finding of a stack file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiagnosticJson {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// Fixed for each fault, such as `Unknown key`.
    pub summary: String,
    /// What is wrong there, with names.
    pub detail: String,
    /// As the user named it; none for what lies in no file.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
    /// From 1, in characters.
    pub column: Option<u32>,
    /// What to write instead.
    pub help: Option<String>,
}

impl<'a> FailureJson<'a> {
    pub fn new(error: ErrorJson<'a>, diagnostics: &'a [DiagnosticJson], plan: Option<PlanJson<'a>>) -> Self {
        Self { format_version: FORMAT_VERSION, error, diagnostics, plan }
    }
}

/// `error:`, its causes, and after an empty line the hints; a hint that is a command stands alone on its line.
pub fn human(error: &ErrorJson<'_>, look: Look) -> String {
    let ErrorJson { code: _, exit_code: _, message, causes, hints } = *error;
    let mut page = Page::default();
    page.line(0, &format!("{} {}", look.paint(Colour::Bad, "error:"), wrapped(message, 7, 2)));
    for cause in causes {
        page.line(2, &format!("caused by: {}", wrapped(cause, 13, 4)));
    }
    if !hints.is_empty() {
        page.line(0, "");
    }
    for hint in hints {
        match hint.strip_prefix("  ") {
            Some(command) => page.line(4, &escaped(command)),
            None => page.line(0, &format!("{} {}", look.paint(Colour::Note, "hint:"), wrapped(hint, 6, 2))),
        }
    }
    page.0
}

#[cfg(test)]
mod tests {
    use super::{ErrorJson, human};
    use crate::report::Look;

    #[test]
    fn causes_follow_the_error_and_hints_an_empty_line() {
        let error = ErrorJson {
            code: "locked",
            exit_code: 5,
            message: "another run holds the stack `local-ai`",
            causes: &["pid 4711: stackctl apply".to_owned()],
            hints: &["Wait for it, or look at it:".to_owned(), "  ps -fp 4711".to_owned()],
        };
        assert_eq!(
            human(&error, Look::default()),
            "error: another run holds the stack `local-ai`\n  caused by: pid 4711: stackctl apply\n\n\
             hint: Wait for it, or look at it:\n    ps -fp 4711\n"
        );
    }
}
