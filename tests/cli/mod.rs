//! Sessions: the built program with a cleared environment and a home of its own, on a machine without podman and bus.
//! Exit codes and words are what scripts and people rely on.

mod files;
mod hostile;
mod sessions;
mod usage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home of this test's own, removed at the end, with what is run in it.
pub(crate) struct Session {
    home: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// What a run told.
pub(crate) struct Told {
    stdout: String,
    stderr: String,
    code: i32,
}

impl Session {
    /// `name` is the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("stackctl-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&home).ok();
        fs::create_dir_all(&home).expect("a home");
        Self { home, environment: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.join(path);
        fs::create_dir_all(path.parent().expect("below the home")).expect("a directory");
        fs::write(&path, text).expect("a file");
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackctl"));
        command.args(arguments).env_clear().current_dir(&self.home).stdin(Stdio::null());
        // A directory without podman, and no runtime directory: neither is found by chance.
        command
            .env("HOME", &self.home)
            .env("PATH", self.home.join("bin"))
            .env("XDG_RUNTIME_DIR", self.home.join("run"));
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        let output = self.command(arguments).output().expect("the program runs");
        Told {
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
            code: output.status.code().expect("an exit code"),
        }
    }

    /// What was typed and all that was told, as one text; the home is `HOME` in it.
    fn shown(&self, arguments: &[&str]) -> String {
        let Told { stdout, stderr, code } = self.run(arguments);
        let beside = if stderr.is_empty() { String::new() } else { format!("--- stderr\n{stderr}") };
        let text = format!("$ stackctl {}\n{stdout}{beside}--- exit {code}\n", arguments.join(" "));
        text.replace(&self.home.display().to_string(), "HOME")
    }

    /// Every path below the home, in order.
    fn paths(&self) -> Vec<String> {
        fn walk(path: &Path, home: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(path).expect("a directory") {
                let path = entry.expect("an entry").path();
                found.push(path.strip_prefix(home).expect("below").display().to_string());
                if path.is_dir() {
                    walk(&path, home, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.home, &self.home, &mut found);
        found.sort();
        found
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.home).ok();
    }
}

impl Told {
    /// The code, and words that must stand in what was told, on either stream.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        for word in words {
            assert!(all.contains(word), "`{word}` is not in\n{all}");
        }
        self
    }

    #[track_caller]
    fn keeps_silent_about(&self, word: &str) -> &Self {
        assert!(!self.stdout.contains(word) && !self.stderr.contains(word), "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

pub(crate) const GOOD: &str = "version: 1\nstack: s\ndirectories: { ~/data: {} }\n";
