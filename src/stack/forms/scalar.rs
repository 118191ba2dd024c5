//! Single values: texts, numbers, durations, sizes, modes. A value that is out of range is an error, never clamped.

use super::map::{expected, invalid};
use crate::diagnostic::{Diagnostics, quoted};
use crate::stack::yaml::{Node, Value};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A text; numbers are taken as they were written (`1.10` stays `1.10`), booleans and null are not.
pub fn text(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    if node.written().is_some_and(|text| text.contains('\0')) {
        invalid(node, "NUL", "holds a NUL, which ends every text that is handed to a process", diagnostics);
        return None;
    }
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) => node.written().map(str::to_owned),
        Value::Bool(_) => {
            expected(node, &format!("a text, such as {:?}", node.written().unwrap_or_default()), diagnostics);
            None
        }
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => {
            expected(node, "a text", diagnostics);
            None
        }
    }
}

/// A text that is not empty and holds no control character: names, paths, images.
pub fn word(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = text(node, diagnostics)?;
    if text.is_empty() {
        diagnostics.error(node.span, "Empty value", "a text that is not empty is needed here");
        return None;
    }
    if text.chars().any(char::is_control) {
        invalid(node, "Control character", "holds a line break or another control character", diagnostics);
        return None;
    }
    Some(text)
}

/// One of a few words. Yields the word of the list.
pub fn one_of(words: &'static [&'static str], node: &Node, diagnostics: &mut Diagnostics) -> Option<&'static str> {
    let text = text(node, diagnostics)?;
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Some(word);
    }
    let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let diagnostic = diagnostics.error(node.span, "Unknown value", format!("{} is none of {list}", node.shown()));
    if let Some(near) = crate::diagnostic::nearest(&text, words.iter().copied()) {
        diagnostic.help(format!("did you mean `{near}`?"));
    }
    None
}

/// `true` or `false`. Where variables were put in, the quoted words are taken too, as Compose does.
pub fn boolean(node: &Node, diagnostics: &mut Diagnostics) -> Option<bool> {
    match (&node.value, node.written()) {
        (Value::Bool(value), _) => return Some(*value),
        (Value::Text(_), Some("true")) if node.interpolated() => return Some(true),
        (Value::Text(_), Some("false")) if node.interpolated() => return Some(false),
        _ => {}
    }
    let words = [("yes", "true"), ("on", "true"), ("y", "true"), ("no", "false"), ("off", "false"), ("n", "false")];
    let written = node.written().unwrap_or_default().to_lowercase();
    expected(node, "`true` or `false`", diagnostics);
    let meant = words.iter().find(|(word, _)| *word == written).map(|(_, meant)| *meant);
    let meant = meant.or(["true", "false"].into_iter().find(|word| *word == written));
    if let (Some(meant), Some(last)) = (meant, diagnostics.0.last_mut()) {
        last.help(format!("write `{meant}`, without quotes"));
    }
    None
}

/// A whole number.
pub fn integer(node: &Node, diagnostics: &mut Diagnostics) -> Option<i64> {
    match &node.value {
        Value::Integer(value) => Some(*value),
        Value::Text(text) if node.interpolated() && text.parse::<i64>().is_ok() => text.parse().ok(),
        _ => {
            expected(node, "a whole number, such as `3`", diagnostics);
            None
        }
    }
}

/// A whole number within bounds.
pub fn integer_in(range: RangeInclusive<i64>, node: &Node, diagnostics: &mut Diagnostics) -> Option<i64> {
    let value = integer(node, diagnostics)?;
    if range.contains(&value) {
        return Some(value);
    }
    invalid(node, "Out of range", &format!("is not between {} and {}", range.start(), range.end()), diagnostics);
    None
}

/// A number, quoted or not (Compose writes `cpus: "0.5"`); finite and not negative.
pub fn number(node: &Node, diagnostics: &mut Diagnostics) -> Option<f64> {
    let value = match &node.value {
        Value::Integer(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        Value::Text(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    let value = value.filter(|value: &f64| value.is_finite() && *value >= 0.0);
    if value.is_none() {
        expected(node, "a number that is not negative, such as `0.5`", diagnostics);
    }
    value
}

/// A port from 1 to 65535, quoted or not.
pub fn port_number(node: &Node, diagnostics: &mut Diagnostics) -> Option<u16> {
    let port = match node.value {
        Value::Integer(_) | Value::Text(_) => node.written().and_then(port_digits),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    if port.is_none() {
        expected(node, "a port from 1 to 65535", diagnostics);
    }
    port
}

/// Decimal digits and nothing else: neither `+80`, `0x50` nor ` 80`.
pub(super) fn port_digits(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// A duration as Compose writes it: `1m30s`, `500ms`, `1.5h`. A bare number is refused, as in Compose's healthchecks: it could
/// be seconds or nanoseconds.
pub fn duration(node: &Node, diagnostics: &mut Diagnostics) -> Option<Duration> {
    match &node.value {
        Value::Integer(seconds) if *seconds >= 0 => {
            expected(node, "a duration with its unit", diagnostics);
            if let Some(last) = diagnostics.0.last_mut() {
                last.help(format!("write `{seconds}s` for {seconds} seconds"));
            }
            None
        }
        Value::Text(text) => {
            let duration = parse_duration(text);
            if duration.is_none() {
                invalid(node, "Not a duration", "is no duration, such as `90s`, `1m30s` or `500ms`", diagnostics);
            }
            duration
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Sequence(_) | Value::Mapping(_) => {
            expected(node, "a duration, such as `90s`, `1m30s` or `500ms`", diagnostics);
            None
        }
    }
}

/// Numbers with units, largest first or not: `1h30m`, `1.5s`. Units are those of Go's durations and `d`, `w`.
/// `None` where it is anything else, negative, or longer than a century.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const NANOSECONDS_MAX: f64 = 100.0 * 365.0 * 86_400e9;
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanoseconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        nanoseconds += number
            * match &rest[..unit_end] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3_600e9,
                "d" => 86_400e9,
                "w" => 604_800e9,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    // Whole nanoseconds: `0.1s` is 100 ms, not 100.000000000000006.
    let whole = !text.is_empty() && nanoseconds <= NANOSECONDS_MAX;
    whole.then(|| Duration::from_nanos(nanoseconds.round() as u64))
}

/// A size in bytes as Compose writes it: `512m`, `1gb`, `1.5g`, `64KiB`, or a bare number of bytes. Multiples are of 1024.
pub fn size_bytes(node: &Node, diagnostics: &mut Diagnostics) -> Option<u64> {
    let size = match &node.value {
        Value::Integer(_) | Value::Text(_) | Value::Float(_) => node.written().and_then(parse_size),
        Value::Null | Value::Bool(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    if size.is_none() {
        expected(node, "a size, such as `512m`, `1gb` or a number of bytes", diagnostics);
    }
    size
}

/// Bytes of a text such as `1.5g`; `None` for anything else and beyond 2^63 bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let factor = 1_u64 << (10 * power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).filter(|bytes| i64::try_from(*bytes).is_ok());
    }
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    (bytes < i64::MAX as f64).then_some(bytes as u64)
}

/// A file mode: `"0700"`, `0700` or `0o700`. `700` without quotes is a decimal number in YAML and refused.
pub fn mode(node: &Node, diagnostics: &mut Diagnostics) -> Option<u32> {
    let written = node.written().unwrap_or_default();
    let digits = match &node.value {
        Value::Text(text) => Some(text.as_str()),
        Value::Integer(_) => written.strip_prefix("0o").or((written == "0").then_some("0")),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    let octal = digits.filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')));
    let mode = octal.and_then(|digits| u32::from_str_radix(digits, 8).ok()).filter(|mode| *mode <= 0o7777);
    if mode.is_none() {
        expected(node, "an octal file mode in quotes, such as `\"0700\"`", diagnostics);
        let plain = matches!(node.value, Value::Integer(_)) && written.len() == 3;
        if let (true, Some(last)) = (plain, diagnostics.0.last_mut()) {
            last.help(format!(
                "write `\"0{}\"`: without quotes it is a decimal number",
                quoted(written).trim_matches('`')
            ));
        }
    }
    mode
}
