//! `environment: { NAME: }` and `- NAME`: the value is taken from where variables come from, as Compose does, at load, so that the kinds
//! see values only.

use super::Loader;
use crate::stack::interpolate::Scope;
use crate::stack::yaml::{Node, Value};

impl<'a> Loader<'a> {
    /// Fills in what has a name and no value, in the `environment` and the `build.args` of every entry of every section.
    pub(super) fn fill_environment(&mut self, root: &mut Node, scope: &mut Scope<'a>) {
        let Value::Mapping(sections) = &mut root.value else { return };
        let sections = sections.iter_mut().filter(|(key, _)| self.options.sections.contains(&key.text.as_str()));
        for (section, node) in sections {
            let Value::Mapping(entries) = &mut node.value else { continue };
            for (name, entry) in entries {
                let at = format!("{}.{}", section.text, name.text);
                if ["secrets", "configs"].contains(&section.text.as_str()) {
                    if let Some(variable) = entry.get_mut("environment") {
                        take(variable, &format!("{at}.environment"), scope, &mut self.diagnostics);
                    }
                    continue;
                }
                if let Some(environment) = entry.get_mut("environment") {
                    fill(environment, &format!("{at}.environment"), scope, &mut self.diagnostics);
                }
                if let Some(args) = entry.get_mut("build").and_then(|build| build.get_mut("args")) {
                    fill(args, &format!("{at}.build.args"), scope, &mut self.diagnostics);
                }
            }
        }
    }
}

/// What names a variable becomes what the variable holds, which is a secret.
fn take(node: &mut Node, at: &str, scope: &mut Scope<'_>, diagnostics: &mut crate::diagnostic::Diagnostics) {
    let Some(name) = node.as_text().map(str::to_owned) else { return };
    match scope.lookup(&name, at) {
        Ok(Some(found)) => {
            node.value = Value::Text(found.text);
            node.sensitive = true;
            node.template = Some(name.into_boxed_str());
        }
        Ok(None) => {
            let detail = format!("the environment has no `{name}`");
            diagnostics
                .error(node.span, "Unset variable", crate::diagnostic::escaped(&detail))
                .help("set it, or let the secret come from a `file`");
        }
        Err(fault) => scope.report(&fault, node.span, diagnostics),
    }
}

fn fill(node: &mut Node, at: &str, scope: &mut Scope<'_>, diagnostics: &mut crate::diagnostic::Diagnostics) {
    let mut lookup = |name: &str, target: &mut Node, prefix: &str| match scope.lookup(name, at) {
        Ok(Some(found)) => {
            target.value = Value::Text(format!("{prefix}{}", found.text));
            target.sensitive |= found.sensitive;
            target.template = Some(format!("${name}").into_boxed_str());
        }
        Ok(None) => {
            let detail = format!("`{name}` has no value here, and the environment has none for it either");
            let help = format!("set it, or write `{name}: \"\"` for an empty value");
            diagnostics.error(target.span, "Unset variable", crate::diagnostic::escaped(&detail)).help(help);
        }
        Err(fault) => scope.report(&fault, target.span, diagnostics),
    };
    match &mut node.value {
        Value::Mapping(entries) => {
            for (key, value) in entries.iter_mut().filter(|(_, value)| value.is_null()) {
                lookup(&key.text, value, "");
            }
        }
        Value::Sequence(items) => {
            for item in items {
                let Some(name) = item.as_text().filter(|text| !text.contains('=')).map(str::to_owned) else { continue };
                lookup(&name, item, &format!("{name}="));
            }
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {}
    }
}
