//! A stack as one file again: what all its files come to, with variables put in. What came from the environment is written as
//! the reference that it was, so that nothing private is shown and the text can be read again.

use serde_yaml::{Mapping, Value as Yaml};

use super::load::Stack;
use super::yaml::{Node, Value};

/// `version`, `stack`, and the sections in their order; profiles were chosen, and variables need no declaration any more.
pub fn print(stack: &Stack) -> Yaml {
    let mut top = Mapping::new();
    top.insert("version".into(), stack.version.into());
    top.insert("stack".into(), stack.name.as_str().into());
    if let Some(old) = &stack.renamed_from {
        top.insert("renamed_from".into(), old.as_str().into());
    }
    for section in &stack.sections {
        let entries = section.entries.iter().map(|(key, node)| (escaped(&key.text).into(), value(node)));
        top.insert(section.key.as_str().into(), Yaml::Mapping(entries.collect()));
    }
    Yaml::Mapping(top)
}

fn value(node: &Node) -> Yaml {
    if let (true, Some(template)) = (node.sensitive, &node.template) {
        return Yaml::String(template.to_string());
    }
    match &node.value {
        Value::Null => Yaml::Null,
        Value::Bool(value) => Yaml::Bool(*value),
        Value::Integer(value) => (*value).into(),
        // As it was written: `1.10` is a version more often than a number.
        Value::Float(_) => Yaml::String(node.written().unwrap_or_default().to_owned()),
        Value::Text(text) => Yaml::String(escaped(text)),
        Value::Sequence(items) => Yaml::Sequence(items.iter().map(value).collect()),
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|(key, node)| (escaped(&key.text).into(), value(node)));
            Yaml::Mapping(entries.collect())
        }
    }
}

/// A dollar would begin a variable.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}
