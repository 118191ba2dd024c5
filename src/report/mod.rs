//! REPORT: values to text. A plan, a run and a status each have a face for people and one for programs; progress listens to
//! a run's events and decides nothing.
//!
//! Nothing here prints, reads a clock or looks at the machine: texts are handed to `cli/ui.rs`. Every text keeps to 80
//! columns, is readable without colour, and shows nothing that a terminal would obey; secrets are words.
//! The JSON faces are structs whose field names are the contract (design §4): a new key may be added, none may change.

pub mod adopted;
pub mod diff;
pub mod explain;
pub mod failure;
pub mod graph;
pub mod history;
pub mod kept;
pub mod plan;
pub mod progress;
pub mod rescued;
pub mod run;
pub mod schema;
pub mod status;
pub mod text;
pub mod valid;
pub mod value;
pub mod words;

pub use text::Look;

/// A document for programs, as it is printed: indented, with a newline at its end.
pub fn document(face: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(face).expect("the faces are made of text keys and JSON values alone");
    text.push('\n');
    text
}
