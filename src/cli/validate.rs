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
#[command(after_help = "Example:\n  stackctl validate -f stack.yaml -f overlay.yaml")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let loaded = app::load(common, &app::surroundings()?, Purpose::Look, ui)?;
    let resources = loaded.desired.resources.len();
    if ui.is_json() {
        ui.document(&ValidJson::new(&loaded.desired.stack, resources, &loaded.warnings));
    } else {
        ui.result(&human(&loaded.source, resources));
    }
    Ok(Exit::Done)
}
