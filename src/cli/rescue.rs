//! `stackctl rescue`: copies out of a container what would go with it. Nothing in the container is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::app::{self, App, Purpose};
use super::args::Common;
use super::carry;
use super::failure::{Exit, Failure};
use super::records::Records;
use super::ui::Ui;
use crate::address::Address;
use crate::change::{Action, Change, Steps, step};
use crate::effect::Effect;
use crate::effect::podman::CopyOut;
use crate::execute::{Cancel, Fate, Options, execute};
use crate::machine::{Perform, copy_out};
use crate::observed::copied::{CopiedFile, Manifest};
use crate::plan::Plan;
use crate::report::rescued::{FileJson, RescuedJson, human};

/// Copy out of a container what is not on a mount and would be lost with it
///
/// Without a PATH: databases, what grows, what people sign in with, and what a mount still has whose directory was removed or swapped
/// under the running container. The container is not touched. Each copy is read back and held against its checksum.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stackctl rescue container.open-webui\n  stackctl rescue open-webui /app/data/webui.db --to ~/rescued"
)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// The container; a name without its kind will do
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// In the container: a file, or a directory with all that is in it
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Copy into this directory, which is made for it; else below ~/.local/share/stackctl
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Do not ask; nothing is asked anyway, since nothing is changed
    #[arg(short, long)]
    pub yes: bool,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Exit, Failure> {
    let surroundings = app::surroundings()?;
    let loaded = app::load(common, &surroundings, Purpose::Change, ui)?;
    let paths: BTreeSet<String> = args.paths.iter().map(|path| clean(path)).collect();
    if let Some(path) = paths.iter().find(|path| !is_in_a_container(path)) {
        return Err(Failure::new(Exit::Usage, format!("{path} is no path in a container"))
            .hint("Write it as the container sees it, such as /app/data/webui.db."));
    }
    let lock = app::lock(&loaded, &surroundings)?;
    let stack = loaded.desired.stack.clone();
    let rescued = app::block_on(async {
        let app = app::open(loaded, common, &surroundings)?;
        let (address, observed) = app.look_into(&args.address).await?;
        let to = match &args.to {
            Some(to) => std::path::absolute(to).map_err(|error| Failure::from_error(Exit::Usage, &error))?,
            None => app::rescued(&stack, &address, &surroundings),
        };
        let copies = app.copy_outs(&address, &paths, &observed, &to);
        if copies.is_empty() && !paths.is_empty() {
            return Err(Failure::new(Exit::Failed, format!("there is no container of {address}")));
        }
        let rescued = RescuedJson::new(&stack, &address);
        if copies.is_empty() { Ok(rescued) } else { carry_out(&app, rescued, &copies, &to, ui).await }
    })?;
    drop(lock);
    if ui.is_json() {
        ui.document(&rescued);
    } else {
        ui.result(&human(&rescued));
    }
    Ok(if rescued.exit_code == 0 { Exit::Done } else { Exit::Failed })
}

/// Without a slash at its end.
fn clean(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => path.to_owned(),
        path => path.to_owned(),
    }
}

fn is_in_a_container(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some("") && path.len() > 1 && parts.all(|part| !part.is_empty() && part != "." && part != "..")
}

async fn carry_out(
    app: &App<impl Perform, impl Records>,
    mut rescued: RescuedJson,
    copies: &[CopyOut],
    to: &Path,
    ui: &Ui,
) -> Result<RescuedJson, Failure> {
    let address = rescued.address.clone();
    let plan = plan(&rescued.stack, &address, copies, to);
    let record = app.records.begin("rescue", &plan, None)?;
    let clock = app::clock();
    let (cancel, signals) = (Cancel::default(), app::Signals::listen()?);
    let run = {
        let progress = ui.progress(&clock);
        let hear = |event| progress.hear(&event);
        tokio::select! {
            run = execute(&plan, &app.machine, &record, &hear, Options { parallelism: 1 }, &cancel) => run,
            never = carry::cancel_on_signals(signals, &cancel, |text| progress.beside(|| ui.aside(text))) => match never {},
        }
    };
    let manifests = copies.iter().map(|copy| (copy, copy_out::manifest(&copy.to).ok()));
    let manifests: Vec<(&CopyOut, Manifest)> =
        manifests.filter_map(|(copy, manifest)| Some((copy, manifest?))).collect();
    let files: Vec<CopiedFile> = manifests.iter().flat_map(|(_, manifest)| manifest.files.clone()).collect();
    let is_whole = run.succeeded() && files.iter().all(|file| !file.changed);
    let exit = match is_whole {
        _ if run.interrupted => Exit::Interrupted,
        true => Exit::Done,
        false => Exit::Failed,
    };
    rescued.exit_code = exit.code();
    app.records.end(record, exit)?;
    app.records.keep(&app.rescued_facts(&address, &manifests).await?, &[])?;
    if exit == Exit::Interrupted {
        return Err(Failure::new(exit, "interrupted; what was not yet whole was not kept"));
    }
    if let Some(failure) = failure(&run.fates) {
        return Err(failure);
    }
    rescued.to = Some(to.display().to_string());
    rescued.volumes = app.volumes_for(&address, &files);
    for (copy, manifest) in &manifests {
        rescued.files.extend(manifest.files.iter().map(|file| told(copy, file)));
        rescued.left_out.extend(manifest.left_out.iter().cloned());
        rescued.owners_lost.clone_from(&manifest.owners_lost);
    }
    Ok(rescued)
}

fn told(copy: &CopyOut, file: &CopiedFile) -> FileJson {
    FileJson {
        path: file.path.clone(),
        copy: copy_out::place(&copy.to, file).display().to_string(),
        size: file.stamp.size,
        mode: format!("{:04o}", file.mode),
        uid: file.uid,
        gid: file.gid,
        sha256: file.sha256.clone(),
        changed: file.changed,
    }
}

/// Each copy is a step of its own.
pub fn plan(stack: &str, address: &Address, copies: &[CopyOut], to: &Path) -> Plan {
    let copy = |copy: &CopyOut| step(Effect::CopyOut(Box::new(copy.clone())));
    let change = Change {
        address: address.clone(),
        action: Action::Update,
        reasons: vec![format!("copied out to {}", to.display())],
        attributes: Vec::new(),
        risks: Vec::new(),
        steps: Steps { main: copies.iter().map(copy).collect(), ..Steps::default() },
        after: Vec::new(),
    };
    Plan { stack: stack.to_owned(), changes: vec![change], ..Plan::default() }
}

fn failure(fates: &BTreeMap<Address, Fate>) -> Option<Failure> {
    fates.values().find_map(|fate| match fate {
        Fate::Undone { step: _, failure } | Fate::Failed { step: _, failure, undo_failure: _ } => {
            let told = Failure::new(Exit::Failed, format!("{failure}; nothing of it was kept"));
            Some(failure.hint.iter().fold(told, Failure::hint))
        }
        Fate::Done | Fate::Skipped { because: _ } | Fate::Interrupted => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{clean, is_in_a_container};

    #[test]
    fn a_path_in_a_container_is_absolute_and_leads_nowhere_else() {
        for (path, is_one) in
            [("/a/b.db", true), ("/a/", true), ("a.db", false), ("/", false), ("/a/../b", false), ("", false)]
        {
            assert_eq!(is_in_a_container(&clean(path)), is_one, "{path}");
        }
    }
}
