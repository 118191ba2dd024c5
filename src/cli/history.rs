//! `stackctl history`: the runs that changed something. Reads the ledger alone.

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::report::history::{HistoryJson, table};

/// List the runs that changed something, the latest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl history -n 5\n  stackctl show last")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// So many at most
    #[arg(short = 'n', long = "limit", value_name = "COUNT", default_value_t = 20)]
    pub limit: usize,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    let stack = &loaded.desired.stack;
    let runs = app::past(stack, &surroundings, |ledger| ledger.runs(args.limit))?;
    if ui.is_json() {
        ui.document(&HistoryJson::new(&loaded.desired.called, &runs));
    } else {
        ui.result(&table(&runs, ui.look()));
    }
    Ok(Exit::Done)
}
