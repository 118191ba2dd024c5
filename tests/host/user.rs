//! One test's own Linux user on the host: its home, its podman, its user manager, its ports.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};

use super::mounted;
use super::process::{Output, Running, output};

/// Ports begin here, below those that the kernel gives out by itself (32768-60999).
const PORTS_FROM: u32 = 20_000;
/// Each user's block. Users are numbered from 1000.
const PORTS_EACH: u32 = 20;

/// What podman knows of a user's containers, below the home folder.
const PODMAN_DATABASE: &str = ".local/share/containers/storage/db.sql";

/// A container as `podman ps` tells it.
pub(crate) type Ids = BTreeMap<String, (String, i64)>;

#[derive(Debug)]
pub(crate) struct User {
    script: PathBuf,
    state: PathBuf,
    name: String,
    uid: u32,
    gid: u32,
    /// What was noted at the boot that the words to enter as this user belong to, and these words.
    entrance: Mutex<(String, Vec<String>)>,
}

impl User {
    pub(super) fn find(script: &Path, state: &Path, name: &str) -> anyhow::Result<User> {
        let mut user = User {
            script: script.to_owned(),
            state: state.to_owned(),
            name: name.to_owned(),
            uid: 0,
            gid: 0,
            entrance: Mutex::new((String::new(), Vec::new())),
        };
        let ids = user.run("id -u; id -g").ok();
        let mut ids = ids.stdout.lines().map(str::parse);
        user.uid = ids.next().context("a uid")??;
        user.gid = ids.next().context("a gid")??;
        let block_end = PORTS_FROM + (user.uid - 999) * PORTS_EACH;
        ensure!(block_end <= 32_768, "no ports left for uid {}: `sh tests/host/host clean`", user.uid);
        Ok(user)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// The home folder, as the host sees it.
    pub(crate) fn home(&self) -> String {
        format!("/home/{}", self.name)
    }

    /// Runs a line of bash in the home folder.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Output {
        output(self.command(&["bash", "-c", line]))
    }

    /// Where the programs under test are installed in the host: `$STACKCTL_TEST_BIN`, or where `host install` puts them.
    pub(crate) fn programs() -> String {
        std::env::var("STACKCTL_TEST_BIN").unwrap_or_else(|_| "/usr/local/bin".to_owned())
    }

    /// Runs the installed program with these arguments in the home folder.
    #[track_caller]
    pub(crate) fn stackctl(&self, arguments: &[&str]) -> Output {
        self.stackctl_with(&[], arguments)
    }

    /// The same with these `NAME=VALUE` in its environment.
    #[track_caller]
    pub(crate) fn stackctl_with(&self, environment: &[&str], arguments: &[&str]) -> Output {
        let program = format!("{}/stackctl", User::programs());
        let ended = output(self.command(&[&["env"], environment, &[&program], arguments].concat()));
        if let Ok(record) = self.mounts() {
            // Not by way of a process: SQLite would follow `/proc/PID/root` to the root that it is itself in.
            let database = self.state.join("root/home").join(&self.name).join(PODMAN_DATABASE);
            mounted::note(&self.name, &database, &record);
        }
        ended
    }

    /// Runs the installed program where no systemd is to be seen: the folder that says that it runs is hidden from it.
    #[track_caller]
    pub(crate) fn stackctl_without_systemd(&self, arguments: &[&str]) -> Output {
        let mut words = self.entrance();
        let inside = words.iter().position(|word| word == "--").expect("nsenter's own words end") + 1;
        let hide = "mount -t tmpfs none /run/systemd && exec \"$@\"";
        let hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-c", hide, "sh"];
        words.splice(inside..inside, hidden.map(str::to_owned));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(format!("{}/stackctl", User::programs())).args(arguments);
        output(command)
    }

    /// Starts a command and leaves it running; see [`Running`].
    pub(crate) fn spawn(&self, words: &[&str]) -> anyhow::Result<Running> {
        Running::start(self.command(words))
    }

    /// A command to be run on the host as this user, in the home folder.
    #[track_caller]
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let entrance = self.entrance();
        let mut command = Command::new(&entrance[0]);
        command.args(&entrance[1..]).args(words);
        command
    }

    /// Writes a file below the home folder, with the folders above it, all the user's own.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let home = self.outside("")?;
        let file = self.outside(path)?;
        let parent = file.parent().context("a file's path")?;
        for folder in parent.ancestors().take_while(|folder| *folder != home).collect::<Vec<_>>().into_iter().rev() {
            if !folder.exists() {
                std::fs::create_dir(folder).with_context(|| folder.display().to_string())?;
                chown(folder, Some(self.uid), Some(self.gid))?;
            }
        }
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
        Ok(chown(&file, Some(self.uid), Some(self.gid))?)
    }

    /// Reads a file below the home folder.
    pub(crate) fn read(&self, path: &str) -> anyhow::Result<String> {
        let file = self.outside(path)?;
        std::fs::read_to_string(&file).with_context(|| file.display().to_string())
    }

    pub(crate) fn exists(&self, path: &str) -> anyhow::Result<bool> {
        Ok(self.outside(path)?.symlink_metadata().is_ok())
    }

    pub(crate) fn set_mode(&self, path: &str, mode: u32) -> anyhow::Result<()> {
        Ok(std::fs::set_permissions(self.outside(path)?, std::fs::Permissions::from_mode(mode))?)
    }

    /// Where it is noted what containers have mounted.
    pub(crate) fn mounts(&self) -> anyhow::Result<PathBuf> {
        self.outside("../../var/log/podman/mounts")
    }

    /// The same file as reached from this machine.
    pub(crate) fn outside(&self, path: &str) -> anyhow::Result<PathBuf> {
        let noted = noted(&self.state)?;
        let leader = noted.split(' ').next().context("a PID")?;
        Ok(PathBuf::from(format!("/proc/{leader}/root/home/{}", self.name)).join(path))
    }

    /// The `n`-th port, from 0 to 19, that no other user of the host is given. 18 and 19 are the harness's.
    pub(crate) fn port(&self, n: u16) -> u16 {
        assert!(u32::from(n) < PORTS_EACH, "a user has {PORTS_EACH} ports");
        let first = PORTS_FROM + (self.uid - 1000) * PORTS_EACH;
        u16::try_from(first).expect("checked when the user was made") + n
    }

    /// Makes an image of the installed stand-in, in a tenth of a second and without a builder. Each change is a line
    /// of a Containerfile, such as `CMD ["ollama"]` or `ENV STAND_IN=sleep`.
    #[track_caller]
    pub(crate) fn import_image(&self, name: &str, changes: &[&str]) -> String {
        let changes: Vec<String> = ["ENTRYPOINT [\"/stand-in\"]"]
            .iter()
            .chain(changes)
            .map(|change| format!("--change '{}'", change.replace('\'', "'\\''")))
            .collect();
        let tar = format!("set -o pipefail; tar -C {} --mtime=@0 --owner=0 --group=0 -cf - stand-in", User::programs());
        let import = self.run(&format!("{tar} | podman import --quiet {} - {name}", changes.join(" "))).ok();
        import.line().to_owned()
    }

    /// Every container of the user, by name: its id and when it was last started (seconds since 1970; negative if never).
    #[track_caller]
    pub(crate) fn ids(&self) -> Ids {
        let containers = self.run("podman ps --all --no-trunc --format json").ok().json();
        let containers = containers.as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let row = |container: &serde_json::Value| {
            let started = container["StartedAt"].as_i64().unwrap_or_default();
            (text(&container["Names"][0]), (text(&container["Id"]), started))
        };
        containers.iter().map(row).collect()
    }

    /// One property of a unit of the user, as `systemctl show` prints it.
    #[track_caller]
    pub(crate) fn unit(&self, unit: &str, property: &str) -> String {
        self.run(&format!("systemctl --user show --value --property={property} '{unit}'")).ok().line().to_owned()
    }

    fn entrance(&self) -> Vec<String> {
        let noted = noted(&self.state).unwrap_or_else(|error| panic!("{error:#}"));
        let mut entrance = self.entrance.lock().unwrap_or_else(PoisonError::into_inner);
        if entrance.0 != noted {
            let mut ask = Command::new(&self.script);
            ask.args(["words", "-u", &self.name]);
            let words = output(ask).ok();
            *entrance = (noted, words.stdout.lines().map(with_programs_under_test).collect());
        }
        entrance.1.clone()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if !std::thread::panicking() && std::env::var_os("KEEP").is_none() {
            let mut remove = Command::new(&self.script);
            remove.args(["remove-user", &self.name]);
            // What is left is removed before the next test of this name.
            output(remove);
        }
    }
}

/// Programs under test that are not installed over those of others: `STACKCTL_TEST_BIN` names their directory on the host. And a podman
/// that writes down what its service is asked for.
fn with_programs_under_test(word: &str) -> String {
    const RECORDING: &str = "/usr/local/lib/recording";
    match (word.strip_prefix("PATH="), std::env::var("STACKCTL_TEST_BIN")) {
        (Some(path), Ok(programs)) => format!("PATH={programs}:{RECORDING}:{path}"),
        (Some(path), Err(_)) => format!("PATH={RECORDING}:{path}"),
        (None, _) => word.to_owned(),
    }
}

/// What the script noted at the last boot: the PID of the host's init and when that started.
fn noted(state: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(state.join("leader")).context("the test host is not up")
}
