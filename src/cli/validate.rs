//! `stackctl validate`: reads the stack file and says what is wrong with it. Looks at files alone.

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::report::valid::{ValidJson, human};

/// Check the stack file without looking at the machine
///
/// All errors are told at once, each with its place. Exit code 65 if there is one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stackctl validate -f stack.yaml -f overlay.yaml\n  stackctl validate --print >whole.yaml"
)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Print what all the files come to, as one file; what came from the environment stays the reference that it was
    #[arg(long)]
    pub print: bool,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    let resources = loaded.desired.resources.len();
    let printed = args.print.then(|| app::as_one_file(common, &surroundings)).transpose()?;
    if ui.is_json() {
        ui.document(&ValidJson::new(&loaded.desired.called, resources, &loaded.warnings, printed));
    } else if let Some(printed) = printed {
        let text = serde_yaml::to_string(&printed).map_err(|error| Failure::from_error(Exit::Failed, &error))?;
        ui.result(&text);
    } else {
        ui.result(&human(&loaded.source, resources));
    }
    Ok(Exit::Done)
}
