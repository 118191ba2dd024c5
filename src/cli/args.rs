//! Options that every verb takes, before or behind its name. What was typed is only typed here; what it means is said where it is
//! used.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::address::Address;
use crate::ledger::Origin;
use crate::plan::Saved;

/// The face of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For programs: one document on stdout
    Json,
}

#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Read this stack file; given again, the later one lies on top of the earlier
    ///
    /// Without it: $STACKCTL_FILE, ./stack.yaml, ~/.config/stackctl/stack.yaml, the first that is there.
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Set a variable of the stack file
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Take variables from this file
    #[arg(long = "env-file", value_name = "FILE")]
    pub env_files: Vec<PathBuf>,
    /// Bring in what lists this profile, too; `*` stands for all (also: $STACKCTL_PROFILES, with commas)
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Print for people or for programs
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Reach podman here; else $CONTAINER_HOST, else the user's own socket
    #[arg(long, value_name = "URL")]
    pub podman: Option<String>,
    /// Print the result alone, no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Tell on stderr what is done inside; twice for more (also: $STACKCTL_LOG)
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Common {
    /// Options before the verb and those behind it: lists are joined, of single values the later one holds.
    pub fn merged(self, behind: Common) -> Common {
        fn joined<T>(mut first: Vec<T>, then: Vec<T>) -> Vec<T> {
            first.extend(then);
            first
        }
        let Common { files, vars, env_files, profiles, format, podman, quiet, verbose } = behind;
        Common {
            files: joined(self.files, files),
            vars: joined(self.vars, vars),
            env_files: joined(self.env_files, env_files),
            profiles: joined(self.profiles, profiles),
            format: format.or(self.format),
            podman: podman.or(self.podman),
            quiet: self.quiet || quiet,
            verbose: self.verbose.saturating_add(verbose),
        }
    }

    /// With the files that a saved plan is of.
    pub fn of_saved(&self, saved: &Saved) -> Common {
        Common {
            files: saved.files.clone(),
            env_files: saved.env_files.clone(),
            profiles: saved.profiles.clone(),
            ..self.clone()
        }
    }

    /// With what a run was made from; the variables are those that are typed now.
    pub fn of_origin(&self, origin: &Origin) -> Common {
        Common {
            files: origin.files.clone(),
            env_files: origin.env_files.clone(),
            profiles: origin.profiles.clone(),
            ..self.clone()
        }
    }

    /// What of it decides which stack it is.
    pub fn names_a_stack(&self) -> bool {
        !self.files.is_empty() || !self.env_files.is_empty() || !self.profiles.is_empty()
    }

    pub fn format(&self) -> Format {
        self.format.unwrap_or_default()
    }
}

/// Options of every verb that changes the machine.
#[derive(Clone, Copy, Debug, Args)]
pub struct Consent {
    /// Do not ask; it confirms the plan, never a guard
    #[arg(short, long)]
    pub yes: bool,
    /// Work at so many changes at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallelism: u8,
}

/// Guards that are let pass.
#[derive(Clone, Debug, Default, Args)]
pub struct Accept {
    /// Let this guard pass in this run; may be given again
    #[arg(long = "accept", value_name = "CODE:ADDRESS", value_parser = guard)]
    pub accept: Vec<(String, Address)>,
}

impl Accept {
    pub fn set(&self) -> BTreeSet<(String, Address)> {
        self.accept.iter().cloned().collect()
    }
}

fn guard(text: &str) -> Result<(String, Address), String> {
    let (code, address) = text.split_once(':').ok_or("write CODE:ADDRESS, such as DB_EMPTY:container.open-webui")?;
    Ok((code.to_owned(), address.parse().map_err(|error| format!("{error}"))?))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// Did somebody who mistyped another option ask for JSON? Their program waits for a document all the same.
pub fn asks_for_json(words: &[OsString]) -> bool {
    let behind = words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    behind || words.iter().any(|word| word == "--format=json")
}
