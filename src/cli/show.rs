//! `stackctl show`: one run with its changes and steps. Reads the ledger alone.

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::report::history::{ShowJson, page};

/// Show one run: each change with its fate, each step with its time
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl show last\n  stackctl show 12 --format json")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Its number, as `history` lists it, or `last`
    #[arg(value_name = "RUN")]
    pub run: Which,
}

#[derive(Clone, Copy, Debug)]
pub enum Which {
    Last,
    Number(i64),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Which::Last),
            _ => text.parse().map(Which::Number).map_err(|_| "write a number, or `last`".to_owned()),
        }
    }
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    let stack = &loaded.desired.stack;
    let latest = app::past(stack, &surroundings, |ledger| ledger.runs(1))?.pop().map(|run| run.id);
    let Some(latest) = latest else {
        return Err(Failure::new(Exit::Failed, format!("there is no run of the stack {} yet", loaded.desired.called)));
    };
    let id = match args.run {
        Which::Last => latest,
        Which::Number(id) => id,
    };
    let Some(detail) = app::past(stack, &surroundings, |ledger| ledger.run(id))? else {
        return Err(Failure::new(Exit::Failed, format!("there is no run {id}; the last one is {latest}"))
            .hint("List them with:")
            .hint("  stackctl history"));
    };
    if ui.is_json() {
        ui.document(&ShowJson::new(stack, &detail));
    } else {
        ui.result(&page(&detail, ui.look()));
    }
    Ok(Exit::Done)
}
