//! `stackctl snapshot`: copies data at rest, and brings it back, from inside the user namespace. Called by stackctl itself through
//! `podman unshare`.

use super::app;
use super::failure::{Exit, Failure};
use super::read_data::question;
use super::ui::Ui;
use crate::effect::Snapshot;
use crate::machine::{inside, snapshot};

/// Copy data at rest, or bring it back, for stackctl itself
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    after_help = "Example:\n  echo '{\"Keep\":{\"shelf\":\"/srv/copies/container.web\",\"label\":\"1\"}}' | podman unshare stackctl snapshot"
)]
pub struct Args {}

pub(super) fn run(ui: &Ui) -> Result<Exit, Failure> {
    let effect: Snapshot = question()?;
    app::block_on(async {
        // Where nobody waits any more, nobody would take up what is made.
        let done = tokio::select! {
            done = snapshot::perform_here(&effect) => done,
            () = inside::asker_is_gone() => Err(std::io::ErrorKind::Interrupted.into()),
        };
        done.map_err(|error| Failure::from_error(Exit::Failed, &error))
    })?;
    ui.document(&());
    Ok(Exit::Done)
}
