//! `stackctl remove-tree`: removes a directory from inside the user namespace, where files of a container's own users lie in it. Called by
//! stackctl itself through `podman unshare`.

use std::path::PathBuf;

use super::failure::{Exit, Failure};
use super::read_data::question;
use super::ui::Ui;
use crate::effect::Files;
use crate::machine::files;

/// Remove a directory that was named to be removed, for stackctl itself
#[derive(Debug, clap::Args)]
#[command(hide = true, after_help = "Example:\n  echo '\"/srv/old\"' | podman unshare stackctl remove-tree")]
pub struct Args {}

pub(super) fn run(ui: &Ui) -> Result<Exit, Failure> {
    let path: PathBuf = question()?;
    files::perform(&Files::RemoveTree { path }).map_err(|error| Failure::from_error(Exit::Failed, &error))?;
    ui.document(&());
    Ok(Exit::Done)
}
