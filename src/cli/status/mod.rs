//! `stackctl status`: is what should run up? Looks only.

mod rows;

use super::app::{self, App, Purpose};
use super::args::Common;
use super::failure::{Exit, Failure};
use super::records::Memory;
use super::ui::Ui;
use crate::machine::Observe;
use crate::plan;
use crate::report::status::{State, Status, StatusJson, human};

/// Show whether what should run is up
///
/// With the time since when, the restarts, and the last answer of each health check. Exit code 3 if something is not up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stackctl status --format json")]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Look, ui)?;
    app::block_on(async {
        let app = app::open_to_look(loaded, common, &surroundings);
        show(&app, ui).await
    })
}

async fn seen(app: &App<impl Observe, impl Memory>) -> Result<Status, Failure> {
    let mut query = app.query(&plan::Options::default());
    // How things run is told by this machine alone.
    query.registry.clear();
    query.build_sources.clear();
    rows::ask(&app.desired, &mut query);
    let observed = app.observe(&query).await?;
    let at_us = app::now_us();
    let rows = rows::rows(&app.desired, &observed, at_us);
    let unasked = rows::unasked(&app.desired, &observed);
    Ok(Status { stack: app.desired.called.clone(), rows, unasked, at_us })
}

/// What runs and does not answer as promised, its time to get healthy over; None where there is nothing of the kind.
///
/// # Errors
/// What is remembered cannot be read.
pub(super) async fn sick(app: &App<impl Observe, impl Memory>) -> Result<Option<Status>, Failure> {
    let mut status = seen(app).await?;
    status.rows.retain(|row| matches!(row.state, State::Unhealthy | State::Failed | State::Restarting));
    Ok((!status.rows.is_empty()).then_some(status))
}

async fn show(app: &App<impl Observe, impl Memory>, ui: &Ui) -> Result<Exit, Failure> {
    let status = seen(app).await?;
    if ui.is_json() {
        ui.document(&StatusJson::from(&status));
    } else {
        ui.result(&human(&status, ui.look()));
    }
    Ok(exit(&status))
}

fn exit(status: &Status) -> Exit {
    let unknown = (!status.is_known()).then_some(Exit::Failed);
    let down = (!status.is_up()).then_some(Exit::NotConverged);
    Exit::first(unknown.into_iter().chain(down))
}
