//! A canonical value as people read it: short, on one line, and never a secret, not even as its hash.

use serde_json::Value;

use super::text::{elided, escaped};
use super::words::{NONE, SECRET};
use crate::attributes::is_sealed;

/// The value in at most `columns` columns, its middle left out.
pub fn short(value: &Value, columns: usize) -> String {
    elided(&whole(value), columns)
}

/// The value on one line, however long.
pub fn whole(value: &Value) -> String {
    match value {
        Value::Null => NONE.to_owned(),
        _ if is_sealed(value) => SECRET.to_owned(),
        _ => escaped(&masked(value).to_string()),
    }
}

/// A text of several lines, which is better shown as a comparison of its lines.
pub fn as_lines(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| text.trim_end_matches('\n').contains('\n'))
}

/// The value with every keyed hash in it replaced by a word.
fn masked(value: &Value) -> Value {
    match value {
        _ if is_sealed(value) => Value::String(SECRET.to_owned()),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), masked(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{as_lines, short, whole};

    #[test]
    fn values_read_as_json_and_nothing_as_none() {
        assert_eq!(whole(&Value::Null), "(none)");
        assert_eq!(whole(&json!("0.0.0.0")), "\"0.0.0.0\"");
        assert_eq!(whole(&json!({"b": 1, "a": [true]})), r#"{"a":[true],"b":1}"#);
        assert_eq!(short(&json!("abcdefghij"), 7), "\"ab…ij\"");
    }

    #[test]
    fn a_secret_is_a_word_wherever_it_stands() {
        let sealed = json!({"sealed": "0123abcd"});
        assert_eq!(whole(&sealed), "(secret)");
        assert_eq!(whole(&json!({"env": {"KEY": sealed}})), r#"{"env":{"KEY":"(secret)"}}"#);
    }

    #[test]
    fn only_texts_of_several_lines_are_shown_by_line() {
        assert!(as_lines(&json!("a\nb")).is_some());
        assert!(as_lines(&json!("a\n")).is_none());
        assert!(as_lines(&json!(["a\nb"])).is_none());
    }
}
