//! The command line: one file a verb, each of which reads its options, calls what decides, and hands the value to `report`.
//!
//! Only `ui.rs` prints, only `app/` puts the parts together and knows the kinds and the real machine. Nothing outside this module may
//! use it. `--help` and `--version` end before anything is read, opened or started.

pub mod adopt;
pub mod app;
pub mod apply;
pub mod args;
pub mod carry;
pub mod destroy;
pub mod drift;
pub mod explain;
pub mod failure;
pub mod graph;
pub mod history;
pub mod lock;
mod log;
pub mod own_files;
pub mod plan;
pub mod read_data;
pub mod records;
pub mod remove_tree;
pub mod rescue;
pub mod restart;
pub mod rollback;
pub mod schema;
pub mod set_aside;
pub mod show;
pub mod snapshot;
pub mod status;
pub mod ui;
pub mod validate;
pub mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use args::{Common, Format};
use failure::{Exit, Failure};
use ui::{Terminal, Ui};

/// Below the options of `--help`. The codes are the table of the contract (design §4).
const LONG_HELP: &str = "\
Exit codes:
    0  done, or nothing to do
    1  failed, or could not tell
    2  there are changes (plan --detailed-exitcode), or drift
    3  applied, but not converged or not healthy
    4  refused to protect data
    5  another run holds the stack
    6  something stands in the way: a port, a disk, a name, the machine
    7  the saved plan is stale
   64  wrong usage
   65  invalid stack file
  130  interrupted

Example:
  stackctl plan -f stack.yaml
  stackctl apply -f stack.yaml";

/// Keep a stack of containers and services as one file says, and lose no data
///
/// stackctl shows what it would change, changes it, and tells when the machine has drifted. It works on rootless podman and
/// the systemd user manager.
#[derive(Debug, Parser)]
#[command(
    name = "stackctl",
    version,
    max_term_width = 100,
    after_help = "Example:\n  stackctl plan -f stack.yaml\n  stackctl apply -f stack.yaml",
    after_long_help = LONG_HELP
)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(validate::Args),
    Graph(graph::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Destroy(destroy::Args),
    Drift(drift::Args),
    Restart(restart::Args),
    Rescue(rescue::Args),
    Rollback(rollback::Args),
    Adopt(adopt::Args),
    Status(status::Args),
    History(history::Args),
    Show(show::Args),
    Explain(explain::Args),
    Schema(schema::Args),
    Wait(wait::Args),
    ReadData(read_data::Args),
    OwnFiles(own_files::Args),
    SetAside(set_aside::Args),
    RemoveTree(remove_tree::Args),
    Snapshot(snapshot::Args),
}

impl Verb {
    /// Options that stand behind the verb.
    fn common(&mut self) -> Common {
        match self {
            Verb::Validate(args) => std::mem::take(&mut args.common),
            Verb::Graph(args) => std::mem::take(&mut args.common),
            Verb::Plan(args) => std::mem::take(&mut args.common),
            Verb::Apply(args) => std::mem::take(&mut args.common),
            Verb::Destroy(args) => std::mem::take(&mut args.common),
            Verb::Drift(args) => std::mem::take(&mut args.common),
            Verb::Restart(args) => std::mem::take(&mut args.common),
            Verb::Rescue(args) => std::mem::take(&mut args.common),
            Verb::Rollback(args) => std::mem::take(&mut args.common),
            Verb::Adopt(args) => std::mem::take(&mut args.common),
            Verb::Status(args) => std::mem::take(&mut args.common),
            Verb::History(args) => std::mem::take(&mut args.common),
            Verb::Show(args) => std::mem::take(&mut args.common),
            Verb::Explain(args) => std::mem::take(&mut args.common),
            Verb::Schema(_)
            | Verb::Wait(_)
            | Verb::ReadData(_)
            | Verb::OwnFiles(_)
            | Verb::SetAside(_)
            | Verb::RemoveTree(_)
            | Verb::Snapshot(_) => Common::default(),
        }
    }

    fn run(&self, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
        match self {
            Verb::Validate(args) => validate::run(args, common, ui),
            Verb::Graph(args) => graph::run(args, common, ui),
            Verb::Plan(args) => plan::run(args, common, ui),
            Verb::Apply(args) => apply::run(args, common, ui),
            Verb::Destroy(args) => destroy::run(args, common, ui),
            Verb::Drift(_) => drift::run(common, ui),
            Verb::Restart(args) => restart::run(args, common, ui),
            Verb::Rescue(args) => rescue::run(args, common, ui),
            Verb::Rollback(args) => rollback::run(args, common, ui),
            Verb::Adopt(args) => adopt::run(args, common, ui),
            Verb::Status(_) => status::run(common, ui),
            Verb::History(args) => history::run(args, common, ui),
            Verb::Show(args) => show::run(args, common, ui),
            Verb::Explain(args) => explain::run(args, common, ui),
            Verb::Schema(args) => schema::run(args, ui),
            Verb::Wait(args) => wait::run(args, ui),
            Verb::ReadData(_) => read_data::run(ui),
            Verb::OwnFiles(_) => own_files::run(ui),
            Verb::SetAside(_) => set_aside::run(ui),
            Verb::RemoveTree(_) => remove_tree::run(ui),
            Verb::Snapshot(_) => snapshot::run(ui),
        }
    }
}

/// The whole program: parse, run, print, exit.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().collect();
    let terminal = app::terminal();
    let exit = match Cli::try_parse_from(&words) {
        Ok(cli) => run_verb(cli, terminal),
        Err(error) => {
            let format = if args::asks_for_json(&words) { Format::Json } else { Format::Human };
            Ui::new(format, false, terminal).usage(&error)
        }
    };
    ExitCode::from(exit.code())
}

fn run_verb(Cli { common, mut verb }: Cli, terminal: Terminal) -> Exit {
    let common = common.merged(verb.common());
    let ui = Ui::new(common.format(), common.quiet, terminal);
    log::start(common.verbose, app::log_filter().as_deref());
    let exit = match verb.run(&common, &ui) {
        Ok(exit) => exit,
        Err(failure) => ui.failure(&failure),
    };
    ui.finish(exit)
}

#[cfg(test)]
mod tests;
