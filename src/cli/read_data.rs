//! `stackctl read-data`: reads what must survive from inside the user namespace, where files of a container's own users can be read.
//! Called by stackctl itself through `podman unshare`: questions on stdin, answers on stdout.

use serde::de::DeserializeOwned;

use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::machine::data;

/// Read data that must survive, for stackctl itself
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    after_help = "Example:\n  echo '[[\"/srv/app.db\",\"sqlite\"]]' | podman unshare stackctl read-data"
)]
pub struct Args {}

pub(super) fn run(ui: &Ui) -> Result<Exit, Failure> {
    let questions: data::Questions = question()?;
    ui.document(&data::read_all(&questions));
    Ok(Exit::Done)
}

/// What the verbs that stackctl calls itself are asked on stdin: one line.
pub(super) fn question<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_line(&mut text)
        .map_err(|error| Failure::from_error(Exit::Failed, &error).context("the question cannot be read"))?;
    serde_json::from_str(&text).map_err(|error| Failure::from_error(Exit::Usage, &error).context("this is no question"))
}
