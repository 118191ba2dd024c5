//! `stackctl own-files`: gives copies to whom the originals belong to, from inside the user namespace. Called by stackctl itself through
//! `podman unshare`: files and owners on stdin, one by one.

use super::failure::{Exit, Failure};
use super::read_data::question;
use super::ui::Ui;
use crate::machine::copy_out::{Owner, give};

/// Give copies to their owners, for stackctl itself
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    after_help = "Example:\n  echo '[{\"copy\":\"/srv/a\",\"original\":\"/srv/b\",\"mode\":384}]' | podman unshare stackctl own-files"
)]
pub struct Args {}

pub(super) fn run(ui: &Ui) -> Result<Exit, Failure> {
    let owners: Vec<Owner> = question()?;
    let given = give(&owners).map_err(|error| {
        Failure::from_error(Exit::Failed, &error).context("the copies cannot be given to their owners")
    })?;
    ui.document(&given);
    Ok(Exit::Done)
}
