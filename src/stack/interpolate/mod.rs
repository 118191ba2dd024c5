//! `${VAR}` and its relatives in every scalar and key, as Compose does them, after parsing: a value can never bring in structure.
//! An unset variable is an error, not an empty text. Values from the environment mark their nodes as sensitive and are recorded.

mod template;
#[cfg(test)]
mod tests;

pub(super) use template::{Fault, Found, expand};

use super::source::Environment;
use super::yaml::{Key, Node, Value, retype};
use crate::diagnostic::{Diagnostics, Span, nearest, quoted};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// All texts that variables make of one stack, in bytes; more is a bomb of variables that repeat each other.
const MADE_MAX: usize = 16 * 1024 * 1024;
/// `vars` may refer to each other this many times in a row.
const CHAIN_MAX: usize = 64;

/// A variable of the environment that the stack depends on. `Debug` hides the value.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvironmentUse {
    /// May be a secret: for a keyed hash, never for printing.
    pub value: String,
    /// It came from an environment file, not from the process.
    pub from_file: bool,
    /// The key paths where it stands, such as `containers.web.image`.
    pub at: Vec<String>,
}

impl fmt::Debug for EnvironmentUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "(hidden) at {:?}", self.at)
    }
}

/// A variable of `vars:`, resolved. `Debug` hides what came from the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    pub value: String,
    pub sensitive: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive { formatter.write_str("(hidden)") } else { self.value.fmt(formatter) }
    }
}

/// A variable as the file has it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) span: Span,
    /// Taken over from a file that includes this one, and resolved there.
    pub(super) resolved: Option<Variable>,
}

/// Where values come from, in the order of lookup, and what has been looked up.
pub(super) struct Scope<'a> {
    /// `--var`.
    pub(super) given: &'a BTreeMap<String, String>,
    pub(super) written: BTreeMap<String, Written>,
    pub(super) env_files: BTreeMap<String, String>,
    pub(super) environment: &'a Environment,
    resolved: HashMap<String, Result<Variable, Fault>>,
    open: Vec<String>,
    made: usize,
    used: BTreeMap<String, EnvironmentUse>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, String>, environment: &'a Environment) -> Self {
        Self {
            given,
            written: BTreeMap::new(),
            env_files: BTreeMap::new(),
            environment,
            resolved: HashMap::new(),
            open: Vec::new(),
            made: 0,
            used: BTreeMap::new(),
        }
    }

    /// The value of a variable and where the record of the environment says that it is used.
    pub(super) fn lookup(&mut self, name: &str, at: &str) -> Result<Option<Found>, Fault> {
        if let Some(text) = self.given.get(name) {
            return self.found(text.clone(), false).map(Some);
        }
        if self.written.contains_key(name) {
            let variable = self.variable(name)?;
            return self.found(variable.value, variable.sensitive).map(Some);
        }
        let from_file = self.env_files.contains_key(name);
        let Some(value) = self.env_files.get(name).or_else(|| self.environment.vars.get(name)).cloned() else {
            return Ok(None);
        };
        let entry = self.used.entry(name.to_owned());
        let used = entry.or_insert_with(|| EnvironmentUse { value: value.clone(), from_file, at: Vec::new() });
        if used.at.last().is_none_or(|last| last != at) {
            used.at.push(at.to_owned());
        }
        self.found(value, true).map(Some)
    }

    /// Counts what variables make.
    fn found(&mut self, text: String, sensitive: bool) -> Result<Found, Fault> {
        self.made += text.len();
        if self.made > MADE_MAX { Err(Fault::TooMuch) } else { Ok(Found { text, sensitive }) }
    }

    /// A variable of `vars`, resolved on first use.
    fn variable(&mut self, name: &str) -> Result<Variable, Fault> {
        if let Some(known) = self.resolved.get(name) {
            // Whoever asks after a variable that failed needs no second message.
            return known.clone().map_err(|_| Fault::Reported);
        }
        if let Some(start) = self.open.iter().position(|open| open == name) {
            return Err(Fault::Cycle(self.open[start..].to_vec()));
        }
        if self.open.len() >= CHAIN_MAX {
            return Err(Fault::TooMuch);
        }
        let Some(written) = self.written.get(name).cloned() else { return Err(Fault::Reported) };
        let result = match written.resolved {
            Some(variable) => Ok(variable),
            None => {
                self.open.push(name.to_owned());
                let at = format!("vars.{name}");
                let expanded = expand(&written.text, &mut |name| self.lookup(name, &at));
                self.open.pop();
                expanded.map(|expanded| Variable { value: expanded.text, sensitive: expanded.sensitive })
            }
        };
        match &result {
            // Every variable is resolved for its own sake too, and its fault is told there, once.
            Err(Fault::Unset(_) | Fault::Required(..) | Fault::Syntax(_)) if !self.open.is_empty() => {
                return Err(Fault::Reported);
            }
            Err(Fault::Cycle(names)) if !self.open.is_empty() => {
                return if names[0] == name { Err(Fault::Reported) } else { result };
            }
            Err(_) if !self.open.is_empty() => return result,
            Err(Fault::Cycle(names)) => {
                self.resolved.extend(names.iter().map(|name| (name.clone(), Err(Fault::Reported))));
            }
            Ok(_) | Err(_) => {
                self.resolved.insert(name.to_owned(), result.clone());
            }
        }
        result
    }

    /// Resolves all `vars`, used or not, and reports those that cannot be.
    pub(super) fn resolve_all(&mut self, diagnostics: &mut Diagnostics) -> BTreeMap<String, Variable> {
        let names: Vec<(String, Span)> =
            self.written.iter().map(|(name, written)| (name.clone(), written.span)).collect();
        let mut variables = BTreeMap::new();
        for (name, span) in names {
            if let Some(text) = self.given.get(&name) {
                variables.insert(name, Variable { value: text.clone(), sensitive: false });
                continue;
            }
            match self.variable(&name) {
                Ok(variable) => {
                    variables.insert(name, variable);
                }
                Err(fault) => self.report(&fault, span, diagnostics),
            }
        }
        variables
    }

    /// Says what is wrong with a template, with the nearest name where one is unknown.
    pub(super) fn report(&self, fault: &Fault, span: Span, diagnostics: &mut Diagnostics) {
        match fault {
            Fault::Reported => {}
            Fault::Unset(name) => {
                let detail = format!(
                    "`{name}` is set neither with `--var`, nor in `vars`, an environment file or the environment"
                );
                let names = self.given.keys().chain(self.written.keys());
                let names = names.chain(self.env_files.keys()).chain(self.environment.vars.keys());
                let help = match nearest(name, names.map(String::as_str)) {
                    Some(near) => {
                        format!("did you mean `{near}`? `${{{name}:-}}` gives an empty text where it is not set")
                    }
                    None => format!("set it, or give a default: `${{{name}:-default}}`"),
                };
                diagnostics.error(span, "Unset variable", detail).help(help);
            }
            Fault::Required(name, why) => {
                let why = if why.is_empty() { "the stack needs it" } else { why };
                diagnostics.error(span, "Unset variable", format!("`{name}` is not set: {why}"));
            }
            Fault::Syntax(why) => {
                diagnostics
                    .error(span, "Bad variable", *why)
                    .help("write `${NAME}`, `${NAME:-default}`, or `$$` for a dollar sign");
            }
            Fault::Cycle(names) => {
                let circle = names.iter().chain(names.first()).map(String::as_str).collect::<Vec<_>>().join(" -> ");
                let detail = format!("the variable refers to itself: {}", quoted(&circle));
                diagnostics.error(span, "Variables in a circle", detail);
            }
            Fault::TooMuch => {
                diagnostics.error(
                    span,
                    "Too long",
                    format!("variables make more than {MADE_MAX} bytes of text, or nest too deeply"),
                );
            }
        }
    }

    /// Puts variables into every scalar and key below a node.
    pub(super) fn interpolate(&mut self, node: &mut Node, path: &mut Vec<String>, diagnostics: &mut Diagnostics) {
        match &mut node.value {
            Value::Text(text) if text.contains('$') => {
                let template = std::mem::take(text);
                let at = path.join(".");
                match expand(&template, &mut |name| self.lookup(name, &at)) {
                    Ok(expanded) => {
                        node.sensitive |= expanded.sensitive;
                        retype(node, expanded.text);
                    }
                    Err(fault) => {
                        self.report(&fault, node.span, diagnostics);
                        node.value = Value::Text(template.clone());
                    }
                }
                node.template = Some(template.into_boxed_str());
            }
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {}
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(index.to_string());
                    self.interpolate(item, path, diagnostics);
                    path.pop();
                }
            }
            Value::Mapping(entries) => self.interpolate_entries(entries, path, diagnostics),
        }
    }

    fn interpolate_entries(
        &mut self,
        entries: &mut Vec<(Key, Node)>,
        path: &mut Vec<String>,
        diagnostics: &mut Diagnostics,
    ) {
        let mut changed = false;
        for (key, node) in entries.iter_mut() {
            if key.text.contains('$') {
                changed = true;
                let at = path.join(".");
                match expand(&key.text, &mut |name| self.lookup(name, &at)) {
                    Ok(expanded) => key.text = expanded.text,
                    Err(fault) => self.report(&fault, key.span, diagnostics),
                }
            }
            path.push(key.text.clone());
            self.interpolate(node, path, diagnostics);
            path.pop();
        }
        if changed {
            // Two keys that were different in the file may be one now.
            let mut seen: HashMap<String, Span> = HashMap::new();
            entries.retain(|(key, _)| match seen.get(&key.text) {
                None => {
                    seen.insert(key.text.clone(), key.span);
                    true
                }
                Some(first) => {
                    diagnostics
                        .error(key.span, "Duplicate key", "with its variables put in, this key is another one's equal")
                        .related(*first, "first given here");
                    false
                }
            });
        }
    }

    /// What was looked up in the environment, for [`super::Stack::environment_used`].
    pub(super) fn used(self) -> BTreeMap<String, EnvironmentUse> {
        self.used
    }
}

/// Whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
