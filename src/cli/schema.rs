//! `stackctl schema`: the JSON Schemas, of the stack file and of what is printed for programs.

use serde_json::Value;

use super::app;
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::diagnostic::nearest;
use crate::report::schema;

/// What the stack file's own is called.
const STACK: &str = "stack";

/// Print a JSON Schema: of the stack file, for editors, or of what `--format json` prints
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl schema >~/.config/stackctl/stack.schema.json\n  stackctl schema plan")]
pub struct Args {
    /// stack, or the verb whose JSON it describes
    #[arg(default_value = STACK)]
    name: String,
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let all = all();
    let Some((_, schema)) = all.iter().find(|(name, _)| *name == args.name) else {
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let unknown = Failure::new(Exit::Usage, format!("there is no schema `{}`", args.name.escape_debug()));
        return Err(match nearest(&args.name, names.iter().copied()) {
            Some(near) => unknown.hint(format!("did you mean {near}?")),
            None => unknown.hint(format!("there are {}", names.join(", "))),
        });
    };
    ui.document(schema);
    Ok(Exit::Done)
}

/// By name: `stack`, `plan`, ….
pub fn all() -> Vec<(String, Value)> {
    let printed = schema::all().into_iter();
    let named = printed.map(|(file, schema)| (file.trim_end_matches(".schema.json").to_owned(), schema));
    named.chain([(STACK.to_owned(), app::stack_schema())]).collect()
}
