//! Several files into one, by Compose's rules for `-f`: mappings merge, scalars are replaced, lists are appended to unless [`RULES`]
//! says otherwise; `!reset` and `!override` as in Compose. Nodes keep the places they came from. It reads nothing and types nothing.

mod rules;
#[cfg(test)]
mod tests;

use super::yaml::{Key, Node, Tag, Value};
use crate::diagnostic::{Diagnostics, quoted};
use rules::{Identity, Rule, rule};

/// The mapping `over` on top of the mapping `base`.
pub(super) fn merge(base: Node, over: Node, diagnostics: &mut Diagnostics) -> Node {
    merged(base, over, &mut Vec::new(), diagnostics)
}

/// Takes the tags out of a tree that is complete: what is still marked `!reset` had nothing below it.
pub(super) fn untagged(node: &mut Node) {
    node.tag = Tag::None;
    match &mut node.value {
        Value::Sequence(items) => {
            items.retain(|item| item.tag != Tag::Reset);
            items.iter_mut().for_each(untagged);
        }
        Value::Mapping(entries) => {
            entries.retain(|(_, node)| node.tag != Tag::Reset);
            entries.iter_mut().for_each(|(_, node)| untagged(node));
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

fn merged(base: Node, over: Node, path: &mut Vec<String>, diagnostics: &mut Diagnostics) -> Node {
    if over.tag != Tag::None || base.tag == Tag::Reset || base.is_null() {
        return over;
    }
    if over.is_null() {
        return base;
    }
    let rule = rule(path);
    let (base, over) = match rule {
        Rule::Replace => return over,
        Rule::Names => (names_to_map(base), names_to_map(over)),
        Rule::Pairs => (pairs_to_map(base), pairs_to_map(over)),
        Rule::Few(_) => (to_list(base), to_list(over)),
        Rule::Logging if differs(&base, &over, "driver") => return over,
        Rule::Logging | Rule::Plain | Rule::Unique(_) => (base, over),
    };
    let list = |node: &Node| node.as_sequence().is_some();
    let compound = |node: &Node| list(node) || node.as_mapping().is_some();
    if compound(&base) && compound(&over) && list(&base) != list(&over) {
        let detail = format!("{} is a list in one file and a mapping in the other", quoted(&path.join(".")));
        diagnostics
            .error(over.span, "Cannot be merged", detail)
            .related(base.span, "what it would be merged with")
            .help("`!override` before the value puts it in the place of the other");
        return over;
    }
    // A short form over a long one, or the reverse, and scalars: the later file's stands.
    if !(compound(&base) && compound(&over)) {
        return over;
    }
    let span = base.span;
    let value = match (base.value, over.value) {
        (Value::Mapping(base), Value::Mapping(over)) => Value::Mapping(entries(base, over, path, diagnostics)),
        (Value::Sequence(base), Value::Sequence(over)) => Value::Sequence(match rule {
            Rule::Unique(identity) | Rule::Few(identity) => unique(base, over, identity),
            _ => base.into_iter().chain(over).collect(),
        }),
        (_, value) => value,
    };
    Node::new(span, value)
}

fn entries(
    mut base: Vec<(Key, Node)>,
    over: Vec<(Key, Node)>,
    path: &mut Vec<String>,
    diagnostics: &mut Diagnostics,
) -> Vec<(Key, Node)> {
    let index: std::collections::HashMap<String, usize> =
        base.iter().enumerate().map(|(at, (key, _))| (key.text.clone(), at)).collect();
    for (key, node) in over {
        let Some(at) = index.get(&key.text) else {
            base.push((key, node));
            continue;
        };
        let (_, slot) = &mut base[*at];
        let below = std::mem::replace(slot, Node::new(key.span, Value::Null));
        path.push(key.text.clone());
        *slot = merged(below, node, path, diagnostics);
        path.pop();
        // Of a scalar that was replaced the later place is the telling one; a mapping stays where it began.
        if slot.as_mapping().is_none() {
            base[*at].0 = key;
        }
    }
    base
}

/// Both lists, where a later item takes the place of the earlier one that it is another version of.
fn unique(base: Vec<Node>, over: Vec<Node>, identity: Identity) -> Vec<Node> {
    let mut index: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let mut items: Vec<Node> = Vec::with_capacity(base.len() + over.len());
    for item in base.into_iter().chain(over) {
        match rules::identity(&item, identity) {
            Some(identity) => match index.get(&identity) {
                Some(at) => items[*at] = item,
                None => {
                    index.insert(identity, items.len());
                    items.push(item);
                }
            },
            None => items.push(item),
        }
    }
    items
}

/// A list of names as the mapping that it is short for.
fn names_to_map(node: Node) -> Node {
    let Node { span, value, .. } = node;
    let value = match value {
        Value::Sequence(items) => Value::Mapping(
            items
                .into_iter()
                .filter_map(|item| {
                    let text = item.written()?.to_owned();
                    Some((Key { text, span: item.span }, Node::new(item.span, Value::Null)))
                })
                .collect(),
        ),
        value => value,
    };
    Node::new(span, value)
}

/// `environment` and its like: a list of `NAME=value` becomes a mapping, so that both forms merge by name.
fn pairs_to_map(node: Node) -> Node {
    let Value::Sequence(items) = node.value else { return node };
    let mut entries: Vec<(Key, Node)> = Vec::new();
    for item in items {
        let Some(text) = item.written() else { continue };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Value::Text(value.to_owned())),
            None => (text.to_owned(), Value::Null),
        };
        let key = Key { text: name, span: item.span };
        let node = Node { value, plain: false, raw: Box::default(), ..item };
        match entries.iter_mut().find(|(known, _)| known.text == key.text) {
            Some(entry) => *entry = (key, node),
            None => entries.push((key, node)),
        }
    }
    Node::new(node.span, Value::Mapping(entries))
}

fn to_list(node: Node) -> Node {
    if matches!(node.value, Value::Sequence(_)) {
        return node;
    }
    Node::new(node.span, Value::Sequence(vec![node]))
}

fn differs(base: &Node, over: &Node, key: &str) -> bool {
    match (base.get(key), over.get(key)) {
        (Some(base), Some(over)) => !base.same(over),
        _ => false,
    }
}
