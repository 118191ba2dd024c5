//! A mapping read key by key: what is taken is known, what is left over is reported. Every mapping of a stack file that has fixed keys
//! goes through here, so that no key is parsed and dropped.

use super::Described;
use crate::diagnostic::{Diagnostics, Span, nearest, quoted};
use crate::stack::yaml::{Key, Node};

/// So many keys can be told to whoever wrote one that resembles none of them; a longer list is for the manual.
const KEYS_LISTED_MAX: usize = 16;

/// A cursor over the entries of one mapping. End it with [`Map::finish`]: that is what finds unknown keys.
#[derive(Debug)]
#[must_use = "`finish` reports the unknown keys"]
pub struct Map<'n, 'd> {
    what: &'static str,
    keys: &'static [Described],
    unsupported: &'static [(&'static str, &'static str)],
    /// A key that is known and that nobody takes would be parsed and dropped.
    taken: Vec<&'static str>,
    /// Where the mapping stands.
    pub span: Span,
    entries: &'n [(Key, Node)],
    /// For readers that are called by hand; [`Map::read`] passes it on.
    pub diagnostics: &'d mut Diagnostics,
}

impl<'n, 'd> Map<'n, 'd> {
    /// `what` fits "is not a key of …" ("a container"). `keys` are all keys that will be taken. Null stands for an empty mapping;
    /// anything else that is no mapping is an error, and `None`.
    pub fn new(
        node: &'n Node,
        what: &'static str,
        keys: &'static [Described],
        diagnostics: &'d mut Diagnostics,
    ) -> Option<Self> {
        let entries: &[(Key, Node)] = if node.is_null() {
            &[]
        } else if let Some(entries) = node.as_mapping() {
            entries
        } else {
            let example = keys.first().map_or_else(String::new, |first| format!(", such as `{}: …`", first.key));
            diagnostics.error(
                node.span,
                "Wrong type",
                format!("{what} is written as a mapping{example}; found {}", found(node)),
            );
            return None;
        };
        Some(Self { what, keys, unsupported: &[], taken: Vec::new(), span: node.span, entries, diagnostics })
    }

    /// Keys that exist elsewhere (in Compose, say) and cannot be had here, each with the reason: a clause that ends the sentence
    /// "`x` is not supported: …".
    pub fn unsupported(mut self, table: &'static [(&'static str, &'static str)]) -> Self {
        self.unsupported = table;
        self
    }

    /// Keys that are read by other means than this.
    pub fn elsewhere(mut self, keys: &[&'static str]) -> Self {
        self.taken.extend(keys);
        self
    }

    fn knows(&self, name: &str) -> bool {
        self.keys.iter().any(|known| known.key == name)
    }

    /// The node of a key, null included.
    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        debug_assert!(self.knows(key), "`{key}` is missing in the keys of {}", self.what);
        if cfg!(debug_assertions) {
            self.taken.push(key);
        }
        self.entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    /// The value of a key; `None` where it is absent, null, or wrong (which is reported).
    pub fn read<T>(
        &mut self,
        key: &'static str,
        reader: impl FnOnce(&'n Node, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        let node = self.take(key).filter(|node| !node.is_null())?;
        reader(node, self.diagnostics)
    }

    /// As [`Map::read`], and an error where the key is absent or null.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        example: &str,
        reader: impl FnOnce(&'n Node, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        let node = self.take(key);
        let Some(value) = node.filter(|node| !node.is_null()) else {
            let span = node.map_or(self.span, |node| node.span);
            self.diagnostics
                .error(span, "Missing key", format!("{} needs `{key}`", self.what))
                .help(format!("for example `{key}: {example}`"));
            return None;
        };
        reader(value, self.diagnostics)
    }

    /// The place of a key's value, or of the mapping where it is absent.
    pub fn span_of(&self, key: &str) -> Span {
        self.entries.iter().find(|(name, _)| name.text == key).map_or(self.span, |(_, node)| node.span)
    }

    /// Reports every key that is neither known nor an extension (`x-…`).
    pub fn finish(self) {
        let is_taken = |known: &Described| self.taken.contains(&known.key);
        debug_assert!(self.keys.iter().all(is_taken), "{}: a key is never taken: {:?}", self.what, self.taken);
        for (key, _) in self.entries {
            let name = key.text.as_str();
            if self.knows(name) || name.starts_with("x-") {
                continue;
            }
            if let Some((_, why)) = self.unsupported.iter().find(|(known, _)| *known == name) {
                self.diagnostics.error(key.span, "Unsupported key", format!("`{name}` is not supported: {why}"));
                continue;
            }
            let detail = format!("{} is not a key of {}", quoted(name), self.what);
            let diagnostic = self.diagnostics.error(key.span, "Unknown key", detail);
            if let Some(near) = nearest(name, self.keys.iter().map(|known| known.key)) {
                diagnostic.help(format!("did you mean `{near}`?"));
            } else if self.keys.len() <= KEYS_LISTED_MAX {
                diagnostic.help(format!(
                    "its keys are {}",
                    self.keys.iter().map(|known| known.key).collect::<Vec<_>>().join(", ")
                ));
            }
        }
    }
}

/// What stands there instead, for messages: a scalar with its text.
pub(super) fn found(node: &Node) -> String {
    match node.written() {
        Some(_) if !node.is_null() => format!("{} {}", node.kind(), node.shown()),
        _ => node.kind().into(),
    }
}

/// A [`Diagnostics::error`] of a reader: what was expected, with an example, and what stands there.
pub(super) fn expected(node: &Node, what: &str, diagnostics: &mut Diagnostics) {
    diagnostics.error(node.span, "Wrong type", format!("expected {what}; found {}", found(node)));
}

/// As [`expected`], for a value of the right type that says nothing usable.
pub(super) fn invalid(node: &Node, summary: &'static str, why: &str, diagnostics: &mut Diagnostics) {
    diagnostics.error(node.span, summary, format!("{} {why}", node.shown()));
}
