//! `files: { PATH: { template: FILE } }`: the text of another file with variables put into it, as they are put into the stack file
//! itself. Done at load, so that the kinds see a `content`.

use std::path::PathBuf;

use super::Loader;
use crate::stack::interpolate::{Found, Scope, expand};
use crate::stack::source::text;
use crate::stack::yaml::{Node, Value};

impl<'a> Loader<'a> {
    /// Each `template` becomes the `content` that it makes. Beside a `content` or a `source` it is left to be refused.
    pub(super) fn fill_templates(&mut self, root: &mut Node, scope: &mut Scope<'a>) {
        let Some(Value::Mapping(files)) = root.get_mut("files").map(|files| &mut files.value) else { return };
        for (path, file) in files {
            if file.get("content").is_some() || file.get("source").is_some() {
                continue;
            }
            let Some(text) = file.get("template").and_then(Node::as_text).map(str::to_owned) else { continue };
            let Some((mut key, mut node)) = file.remove("template") else { continue };
            let at = format!("files.{}.template", path.text);
            let made = self.local_path(&text, node.span).and_then(|template| self.filled(template, &node, &at, scope));
            // One that could not be made was reported.
            let Found { text: content, sensitive } = made.unwrap_or(Found { text: String::new(), sensitive: false });
            node.sensitive |= sensitive;
            node.value = Value::Text(content);
            node.template = Some(text.into_boxed_str());
            "content".clone_into(&mut key.text);
            if let Value::Mapping(keys) = &mut file.value {
                keys.push((key, node));
            }
        }
    }

    fn filled(&mut self, template: PathBuf, node: &Node, at: &str, scope: &mut Scope<'a>) -> Option<Found> {
        let name = template.display().to_string();
        let text = match self.files.read(&template).and_then(text) {
            Ok(text) => text,
            Err(error) => {
                self.unreadable(&name, Some(node.span), &error);
                return None;
            }
        };
        match expand(&text, &mut |name| scope.lookup(name, at)) {
            Ok(made) => Some(made),
            Err(fault) => {
                scope.report(&fault, node.span, &mut self.diagnostics);
                None
            }
        }
    }
}
