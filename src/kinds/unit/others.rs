//! What stands in a unit's way: another unit of its name, a mask, a closed directory; and drop-ins, which do not.

use std::path::{Path, PathBuf};

use super::{Found, Managed, Unit, elsewhere};
use crate::change::{Risk, Severity};
use crate::desired::Context;
use crate::hand_over::{self, HandOver};
use crate::observed::{Observed, PathKind, Seen};

type Conflict = (Risk, hand_over::Steps);

/// A unit of that name which is not our file: at our path, or anywhere else on the search path.
pub fn conflicts(unit: &Unit, observed: &Observed, context: &Context) -> Vec<Conflict> {
    let here = match unit.found(observed, context) {
        Found::Foreign(what) => Some(at_our_path(unit, &what, observed)),
        Found::Masked => Some(masked(unit)),
        Found::Ours { .. } | Found::Absent | Found::Unknown(_) => None,
    };
    let there = elsewhere(&unit.name, observed, context).map(|path| on_the_search_path(unit, &path, observed, context));
    let bar = unit.barred_by(observed).filter(|_| !observed.manager.is_absent());
    here.into_iter().chain(there).chain(bar.map(|directory| barred(unit, &directory))).collect()
}

fn risk(message: String, remedies: Vec<String>) -> Risk {
    Risk { code: "NAME_OWNED_BY_OTHER", severity: Severity::Critical, message, remedies }
}

fn barred(unit: &Unit, directory: &Path) -> Conflict {
    let risk = Risk {
        code: "PATH_NOT_WRITABLE",
        severity: Severity::Critical,
        message: format!("the unit {} cannot be written: {} is not writable", unit.name, directory.display()),
        remedies: vec![
            "Give yourself the right to write there, or let go of what manages that directory:".to_owned(),
            format!("  chmod u+w {}", directory.display()),
        ],
    };
    (risk, hand_over::Steps::new())
}

/// Masking is how a user says that something is never to run, so that it is theirs to take back.
fn masked(unit: &Unit) -> Conflict {
    let message = format!(
        "the unit {} is masked, so that nothing starts it ({} is a link to /dev/null)",
        unit.name,
        unit.path().display()
    );
    let command = format!("  systemctl --user unmask {}", unit.name);
    (risk(message, vec!["Unmask it, or take it out of the stack file:".to_owned(), command]), hand_over::Steps::new())
}

fn at_our_path(unit: &Unit, what: &str, observed: &Observed) -> Conflict {
    let path = unit.path().to_owned();
    let message = format!("the unit {} is {what} ({})", unit.name, path.display());
    let info = observed.paths.get(&path).and_then(Seen::present);
    if info.and_then(|info| info.content.as_deref()).and_then(Managed::parse).is_some() {
        let sentence = "Give one of the two another name, or take the other stack down.";
        return (risk(message, vec![sentence.to_owned()]), hand_over::Steps::new());
    }
    let mut steps = hand_over::Steps::from([
        HandOver::StopUnit(unit.name.clone()),
        HandOver::RemoveFile(path),
        HandOver::ReloadUnits,
    ]);
    steps.extend(drop_in_files(unit, observed).into_iter().map(HandOver::RemoveFile));
    let target = info.and_then(|info| match &info.kind {
        PathKind::Symlink { target, .. } => Some(target.as_path()),
        PathKind::File | PathKind::Directory | PathKind::Other => None,
    });
    steps.extend(target.is_some_and(in_the_store).then_some(HandOver::HomeManager));
    let sentence = "Stop it, and take its file away where it was made; its data is kept:";
    (risk(message, hand_over::remedies(sentence, &steps)), steps)
}

fn on_the_search_path(unit: &Unit, path: &Path, observed: &Observed, context: &Context) -> Conflict {
    let generated = is_generated(path);
    let details = observed.units.get(&unit.name).and_then(|unit| unit.details.as_ref());
    let source = details.map(|details| details.source_path.as_str()).filter(|source| !source.is_empty());
    let made_from = source.filter(|_| generated).map(|source| format!(", made from {source}")).unwrap_or_default();
    let message = format!("a unit {} of somebody else lies at {}{made_from}", unit.name, path.display());
    // What a generator wrote is written again at the next reload, unless its source is gone.
    let file = match (generated, source) {
        (true, Some(source)) => PathBuf::from(source),
        (true, None) => {
            context.home.join(".config/containers/systemd").join(unit.name.replace(".service", ".container"))
        }
        (false, _) => path.to_owned(),
    };
    if !file.starts_with(&context.home) && !file.starts_with(&context.runtime_directory) {
        let sentence = "It belongs to the system. Choose another name in the stack file, or remove what installed it.";
        return (risk(message, vec![sentence.to_owned()]), hand_over::Steps::new());
    }
    let mut steps = hand_over::Steps::from([
        HandOver::StopUnit(unit.name.clone()),
        HandOver::RemoveFile(file.clone()),
        HandOver::ReloadUnits,
    ]);
    steps.extend(drop_in_files(unit, observed).into_iter().map(HandOver::RemoveFile));
    let linked = observed.folders.values().filter_map(|files| files.get(&file));
    let by_home_manager = linked.into_iter().any(|text| text.contains("nix.home-manager.managed"));
    steps.extend(by_home_manager.then_some(HandOver::HomeManager));
    let sentence = "Stop it, and take it away where it was made; its data is kept:";
    (risk(message, hand_over::remedies(sentence, &steps)), steps)
}

/// What ends a unit that runs a container of somebody else's: a generated one with its source, another by disabling it.
pub fn let_go(unit: &str, observed: &Observed, context: &Context) -> hand_over::Steps {
    match made_from(unit, observed) {
        Some((file, true)) if file.starts_with(&context.home) => {
            [HandOver::StopUnit(unit.to_owned()), HandOver::RemoveFile(file), HandOver::ReloadUnits].into()
        }
        // The unit that has our own name is told by itself, with its file.
        _ if unit_path_is_taken(unit, observed, context) => [HandOver::StopUnit(unit.to_owned())].into(),
        Some(_) | None => [HandOver::DisableUnit(unit.to_owned())].into(),
    }
}

/// What takes a unit of somebody else's away with its file; of one that lies elsewhere the links to it go.
pub fn remove(unit: &str, observed: &Observed) -> hand_over::Steps {
    let of_system = |path: &PathBuf| ["/nix", "/etc", "/usr"].iter().any(|root| path.starts_with(root));
    match made_from(unit, observed) {
        Some((file, _)) if !of_system(&file) => {
            [HandOver::StopUnit(unit.to_owned()), HandOver::RemoveFile(file), HandOver::ReloadUnits].into()
        }
        Some(_) | None => [HandOver::DisableUnit(unit.to_owned())].into(),
    }
}

/// The file that a unit comes from, and whether a generator made the unit of it. A unit file may name a source too that it was
/// made from elsewhere, once and for all.
fn made_from(unit: &str, observed: &Observed) -> Option<(PathBuf, bool)> {
    let details = observed.units.get(unit)?.details.as_ref()?;
    let generated = is_generated(Path::new(&details.fragment_path));
    let file = PathBuf::from(if generated { &details.source_path } else { &details.fragment_path });
    file.is_absolute().then_some((file, generated))
}

fn is_generated(unit_file: &Path) -> bool {
    unit_file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("generator"))
}

fn unit_path_is_taken(unit: &str, observed: &Observed, context: &Context) -> bool {
    observed.paths.get(&context.unit_directory.join(unit)).is_some_and(|seen| seen.present().is_some())
}

/// Nix links what it made from here.
fn in_the_store(target: &Path) -> bool {
    target.starts_with("/nix/store")
}

/// Of `X.service.d` in every directory of the search path (systemd.unit(5)).
fn drop_in_files(unit: &Unit, observed: &Observed) -> Vec<PathBuf> {
    let folder = format!("{}.d", unit.name);
    let places = observed.search_path.iter().filter(|(_, names)| names.contains(&folder));
    let files = places.filter_map(|(directory, _)| observed.folders.get(&directory.join(&folder)));
    let files = files.flat_map(|files| files.keys());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).cloned().collect()
}

/// Drop-ins are the user's own way to change a unit: they stay, and are named, since the unit is not what we wrote alone.
pub fn drop_ins(unit: &Unit, observed: &Observed, context: &Context) -> Option<Risk> {
    let files = drop_in_files(unit, observed);
    if files.is_empty() || !matches!(unit.found(observed, context), Found::Ours { .. } | Found::Absent) {
        return None;
    }
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let steps = files.into_iter().map(HandOver::RemoveFile).chain([HandOver::ReloadUnits]).collect();
    Some(Risk {
        code: "UNIT_DROP_IN",
        severity: Severity::Info,
        message: format!("{} is changed by {}, which stackctl did not write", unit.name, names.join(" and ")),
        remedies: hand_over::remedies("It stays in force. If it is not meant, take it away:", &steps),
    })
}
