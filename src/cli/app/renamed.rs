//! A stack that was renamed in its file (`renamed_from:`) goes on under its old name on the machine. That is kept as a link beside
//! the state directories, from the new name to the old one: a file that no longer says it would make everything anew, without its
//! data, and is refused; so is another file that takes the old name.

#![expect(clippy::disallowed_methods, reason = "links beside the state directories are read and made")]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Surroundings, state_directory};
use crate::cli::failure::{Exit, Failure};
use crate::desired::Desired;
use crate::diagnostic::Diagnostics;
use crate::stack::Stack;

/// Does the file say what is known of its stack's names? Else that is told.
pub(super) fn is_told(stack: &Stack, surroundings: &Surroundings, diagnostics: &mut Diagnostics) -> bool {
    let own = state_directory(&stack.name, surroundings);
    let on_machine = |name: &str| {
        let target = std::fs::read_link(state_directory(name, surroundings)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    };
    // What was renamed twice has the first of its names on the machine.
    let called = on_machine(&stack.name).or_else(|| on_machine(stack.renamed_from.as_deref()?));
    let name = &stack.name;
    let (detail, help) = match (&stack.renamed_from, called) {
        (Some(old), Some(before)) if *old == before => return true,
        (Some(old), Some(before)) => (
            format!("the stack {name} is {before} on the machine, not {old}"),
            format!("write `renamed_from: {before}`: the name that it had first"),
        ),
        (None, Some(before)) => (
            format!("the stack {name} was renamed and is {before} on the machine"),
            format!(
                "write `renamed_from: {before}` below `stack:`; without it everything would be made anew, without its data"
            ),
        ),
        (Some(old), None) if own.exists() => (
            format!("a stack {name} is here already, under its own name"),
            format!("choose another name; or leave `renamed_from: {old}` out, and what is {old}'s stays where it is"),
        ),
        (_, None) => match now_called(stack, &own) {
            None => return true,
            Some(now) => (
                format!("what is {} on the machine is the stack {now} since it was renamed", stack.on_machine()),
                format!(
                    "choose another name; or, to take the old name back, remove the link {}",
                    own.with_file_name(now).display()
                ),
            ),
        },
    };
    diagnostics.error(stack.name_span, "Renamed", detail).help(help);
    false
}

/// The other name that its state directory goes by.
fn now_called(stack: &Stack, own: &Path) -> Option<String> {
    let entries = std::fs::read_dir(own.parent()?).ok()?;
    let mut names = entries
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(stack.on_machine())));
    names.find_map(|entry| entry.file_name().into_string().ok().filter(|name| *name != stack.name))
}

/// From here on the new name is known to be the old one's.
pub(super) fn remember(desired: &Desired, surroundings: &Surroundings) -> Result<(), Failure> {
    if desired.called == desired.stack {
        return Ok(());
    }
    let link = state_directory(&desired.called, surroundings);
    let target = PathBuf::from(&desired.stack);
    match std::os::unix::fs::symlink(&target, &link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Failure::from_error(Exit::Failed, &error).context(format!("{} cannot be made", link.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
