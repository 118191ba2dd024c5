//! One run that changes a stack at a time. The lock is the kernel's (flock): it dies with the process that holds it, so there
//! is nothing to clean up and nothing to force.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the lock is a file of its own, and /proc tells whether who is named in it lives"
)]

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::failure::{Exit, Failure};

/// How often the file may be removed under the hands of who takes it; nobody of ours does that at all.
const ATTEMPTS_MAX: usize = 3;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the lock of a stack; `command` is what the next one is told.
///
/// # Errors
/// Another run holds it, named by pid and command; or the file cannot be made.
pub fn take(directory: &Path, command: &str) -> Result<Lock, Failure> {
    let path = directory.join("lock");
    let failed = |error: &io::Error| {
        Failure::from_error(Exit::Failed, error).context(format!("the lock {} cannot be taken", path.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| failed(&error))?;
    for _ in 0..ATTEMPTS_MAX {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.map_err(|error| failed(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(&mut file)),
            Err(error) => return Err(failed(&error.into())),
        }
        if is_still_at(&file, &path).map_err(|error| failed(&error))? {
            sign(&mut file, command).map_err(|error| failed(&error))?;
            return Ok(Lock { _file: file });
        }
    }
    Err(failed(&io::Error::other("it is removed again and again")))
}

/// A lock on a file that was removed meanwhile locks nothing: the next run makes another file.
fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sign(file: &mut File, command: &str) -> io::Result<()> {
    let pid = std::process::id();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{pid} {}\n{command}", began(&pid.to_string()).unwrap_or_default())
}

/// The file may hold what an earlier holder wrote, since a killed one cleans nothing up and a new one has not signed yet.
fn held(file: &mut File) -> Failure {
    let mut text = String::new();
    let holder = match file.read_to_string(&mut text) {
        Ok(_) => living(&text),
        Err(_) => None,
    };
    let holder = holder.unwrap_or_else(|| "a run that is just beginning".to_owned());
    Failure::new(Exit::Locked, format!("another run holds this stack: {holder}"))
        .hint("Wait until it has ended, then try again.")
}

/// Who signed, where that process lives: its pid may be another's by now, its time of start is not.
fn living(text: &str) -> Option<String> {
    let (process, command) = text.split_once('\n')?;
    let (pid, start) = process.split_once(' ')?;
    let lives = began(pid).is_some_and(|began| began == start);
    lives.then(|| format!("pid {pid}, `{}`", command.trim_end()))
}

/// When a process began, in clock ticks since boot: field 22 of `/proc/PID/stat`, the second of which is a name in
/// brackets that may hold anything (proc(5)).
fn began(pid: &str) -> Option<String> {
    let pid: u32 = pid.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(22 - 3).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustix::fs::{FlockOperation, flock};

    use super::{File, OpenOptions, began, is_still_at, take};
    use crate::cli::failure::{Exit, Failure};

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stackctl-lock-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn the_second_is_told_who_holds_it_and_gets_it_when_that_one_ends() {
        let directory = directory("second");
        let first = take(&directory, "stackctl apply -y").unwrap();
        let refused = take(&directory, "stackctl destroy").unwrap_err();
        assert_eq!(refused.kind, Exit::Locked);
        assert!(refused.error.contains(&std::process::id().to_string()), "{}", refused.error);
        assert!(refused.error.contains("stackctl apply -y"), "{}", refused.error);
        drop(first);
        drop(take(&directory, "stackctl destroy").unwrap());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    /// What is told while somebody holds the lock who has not signed yet, over what an earlier holder left.
    fn told_over(name: &str, left: &str) -> Failure {
        let directory = directory(name);
        std::fs::write(directory.join("lock"), left).unwrap();
        let holder = OpenOptions::new().read(true).open(directory.join("lock")).unwrap();
        flock(&holder, FlockOperation::NonBlockingLockExclusive).unwrap();
        let refused = take(&directory, "stackctl destroy").unwrap_err();
        std::fs::remove_dir_all(&directory).unwrap();
        refused
    }

    #[test]
    fn what_a_dead_holder_left_names_nobody() {
        // Its pid is now that of this process, which began at another time; or of none.
        let reused = format!("{} 1\nstackctl apply\n", std::process::id());
        for (name, left) in [("reused", reused.as_str()), ("dead", "4194304 7\nstackctl apply\n"), ("empty", "")] {
            let refused = told_over(name, left);
            assert_eq!(refused.kind, Exit::Locked);
            assert!(refused.error.ends_with("a run that is just beginning"), "{name}: {}", refused.error);
        }
        let start = began(&std::process::id().to_string()).unwrap();
        let alive = told_over("alive", &format!("{} {start}\nstackctl apply\n", std::process::id()));
        assert!(alive.error.ends_with("`stackctl apply`"), "{}", alive.error);
    }

    #[test]
    fn a_dead_holder_holds_nothing_and_is_written_over() {
        let directory = directory("over");
        let left = format!("4194304 7\n{}\n", "a much longer command line ".repeat(9));
        std::fs::write(directory.join("lock"), left).unwrap();
        let lock = take(&directory, "stackctl apply").unwrap();
        let text = std::fs::read_to_string(directory.join("lock")).unwrap();
        assert!(text.ends_with("\nstackctl apply\n") && text.lines().count() == 2, "{text}");
        drop(lock);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_that_was_removed_or_replaced_is_no_lock() {
        let directory = directory("removed");
        let path = directory.join("lock");
        let file = File::create(&path).unwrap();
        assert!(is_still_at(&file, &path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&file, &path).unwrap());
        std::fs::write(&path, "").unwrap();
        assert!(!is_still_at(&file, &path).unwrap());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
