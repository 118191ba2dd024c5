//! `stackctl graph`: draws what depends on what. Looks at files alone.

use clap::ValueEnum;

use super::app::{self, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::report::graph::{GraphJson, dot, mermaid, picture};

/// Draw what depends on what
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl graph\n  stackctl graph --as dot | dot -Tsvg -o stack.svg")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// How it is drawn
    #[arg(long = "as", value_enum, default_value_t, value_name = "DRAWING")]
    pub drawing: Drawing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Drawing {
    /// A tree for the terminal
    #[default]
    Picture,
    /// For Graphviz
    Dot,
    /// For Mermaid, as GitHub and many wikis show it
    Mermaid,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let loaded = app::load(common, &app::surroundings()?, Purpose::Look, ui)?;
    let (stack, graph) = (&loaded.desired.called, &loaded.graph);
    if ui.is_json() {
        ui.document(&GraphJson::new(stack, graph));
        return Ok(Exit::Done);
    }
    ui.result(&match args.drawing {
        Drawing::Picture => picture(graph),
        Drawing::Dot => dot(stack, graph),
        Drawing::Mermaid => mermaid(graph),
    });
    Ok(Exit::Done)
}
