//! Types of plain scalars, as serde_yaml tells them.

use super::{Node, Value};
use crate::diagnostic::{Diagnostics, quoted};

/// The value and, where the value alone would lose it, the text as written.
fn split(text: String, value: Value) -> (Value, Box<str>) {
    match value {
        Value::Text(_) => (Value::Text(text), Box::default()),
        other => (other, text.into_boxed_str()),
    }
}

/// What serde_yaml makes of a plain scalar. `None` for a whole number that fits no 64-bit integer: taking it for a float or a
/// text would change it silently.
pub fn resolve_plain(text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some(Value::Null);
    }
    if surely_text(text) {
        return Some(Value::Text(text.to_owned()));
    }
    // The text is one plain scalar; alone in a document it stays one, unless it looks like a document marker or directive,
    // and those start with none of the characters that get this far.
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(serde_yaml::Value::Null) => Some(Value::Null),
        Ok(serde_yaml::Value::Bool(value)) => Some(Value::Bool(value)),
        Ok(serde_yaml::Value::Number(number)) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Some(Value::Integer(integer)),
            (None, Some(_), _) => None,
            (None, None, Some(float)) if whole(text) && float.is_finite() => None,
            (None, None, Some(float)) => Some(Value::Float(float)),
            (None, None, None) => None,
        },
        // Refused by serde_yaml as a number too large for it, and only then.
        Err(_) if whole(text) => None,
        Ok(_) | Err(_) => Some(Value::Text(text.to_owned())),
    }
}

/// Types the node by its text, as the file's own plain scalars are typed.
pub(super) fn plain(node: &mut Node, text: String, diagnostics: &mut Diagnostics) {
    let value = resolve_plain(&text).unwrap_or_else(|| {
        diagnostics
            .error(node.span, "Number out of range", format!("{} does not fit a 64-bit integer", quoted(&text)))
            .help("put it in quotes if it is a text");
        Value::Integer(0)
    });
    (node.value, node.raw) = split(text, value);
    node.plain = true;
}

/// Gives a node the text that variables made of it. What was unquoted is typed by the new text, so that `${PORT}` can be a number;
/// what was quoted stays text. Variables never make a null: an empty value is an empty text, `~` is the text `~`.
pub fn retype(node: &mut Node, text: String) {
    let value = match resolve_plain(&text) {
        Some(value @ (Value::Bool(_) | Value::Integer(_) | Value::Float(_))) if node.plain => value,
        _ => Value::Text(String::new()),
    };
    (node.value, node.raw) = split(text, value);
}

/// A fast way past the parser for what can be neither null, boolean nor number. All of those start with a digit, a sign, a dot
/// or one of a few words. It also keeps `---` and `...`, which mean something else alone in a document, away from the parser.
fn surely_text(text: &str) -> bool {
    match text.as_bytes()[0] {
        b'0'..=b'9' | b'+' | b'-' | b'.' => {
            !text.bytes().all(number_byte) || !text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        }
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' => text.len() > 5,
        _ => true,
    }
}

/// Bytes that occur in numbers: digits of base 16, signs, dot, underscore, and the letters of 0x, 0o, .inf and .nan.
fn number_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'x' | b'o' | b'i' | b'n' | b'I' | b'N')
}

/// Written as a whole number of any base.
fn whole(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    if let Some(hex) = digits.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let digits = digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0b")).unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
