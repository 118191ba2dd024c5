//! `stackctl set-aside`: sets a hollow database aside from inside the user namespace, where this user alone may not. Called by stackctl
//! itself through `podman unshare`.

use super::failure::{Exit, Failure};
use super::read_data::question;
use super::ui::Ui;
use crate::machine::data::aside::{Aside, perform};

/// Set a hollow database aside, for stackctl itself
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    after_help = "Example:\n  echo '{\"Keep\":\"/srv/app.db\"}' | podman unshare stackctl set-aside"
)]
pub struct Args {}

pub(super) fn run(ui: &Ui) -> Result<Exit, Failure> {
    let aside: Aside = question()?;
    perform(&aside).map_err(|error| Failure::from_error(Exit::Failed, &error).context("it cannot be set aside"))?;
    ui.document(&());
    Ok(Exit::Done)
}
