//! Environment files (`.env`, `env_file`): text to pairs, as Compose reads them. It reads no files, and its messages never quote a line:
//! these files hold secrets.

#[cfg(test)]
mod tests;

use super::interpolate::{Fault, Found, expand, is_name};
use crate::diagnostic::{Diagnostics, FileId, Span};
use std::collections::BTreeMap;

/// What was found wrong at a line.
struct Bad(&'static str);

/// Reads `NAME=value` lines: comments, `export`, single quotes (taken as they are), double quotes (with `\n`, `\"` and variables), and bare
/// values (with variables, up to ` #`). Values may use names from above and whatever `outer` knows; a name without `=` is taken
/// from `outer`. `raw` (Compose's `format: raw`) takes everything after `=` as it is.
pub fn parse(
    file: FileId,
    text: &str,
    raw: bool,
    outer: &mut dyn FnMut(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, String> {
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let outcome = entry(&mut rest, raw, &pairs, outer);
        match outcome {
            Ok(Some((name, value))) => {
                pairs.insert(name, value);
            }
            Ok(None) => {}
            Err(Bad(why)) => {
                let line = 1 + text[..at].matches('\n').count();
                let offset = u32::try_from(at).unwrap_or(u32::MAX);
                let span =
                    Span { file, line: u32::try_from(line).unwrap_or(u32::MAX), column: 1, start: offset, end: offset };
                diagnostics.error(span, "Bad environment file", why);
            }
        }
    }
    pairs
}

/// Takes one line (or several, within quotes) off `rest`.
fn entry(
    rest: &mut &str,
    raw: bool,
    pairs: &BTreeMap<String, String>,
    outer: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Option<(String, String)>, Bad> {
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let whole = *rest;
    *rest = after;
    let trimmed = line.trim_start();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let body = trimmed.strip_prefix("export ").unwrap_or(trimmed);
    let Some((name, value)) = body.split_once('=') else {
        let name = body.trim();
        if !is_name(name) {
            return Err(Bad("a line is neither NAME=value, a name alone, nor a comment"));
        }
        return Ok(outer(name).map(|value| (name.to_owned(), value)));
    };
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) || name.contains(['\'', '"']) {
        return Err(Bad("what stands before `=` is no name"));
    }
    if raw {
        return Ok(Some((name.to_owned(), value.to_owned())));
    }
    let value = value.trim_start_matches([' ', '\t']);
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let bare = if value.starts_with('#') { "" } else { value.split_once(" #").map_or(value, |(bare, _)| bare) };
        return Ok(Some((name.to_owned(), variables(bare.trim_end(), pairs, outer)?)));
    };
    // A quoted value may run over lines, so it is looked for in all that is left.
    let start = value.as_ptr() as usize - whole.as_ptr() as usize + 1;
    let quoted = &whole[start..];
    let end = closing_quote(quoted, quote).ok_or(Bad("a quote is never closed"))?;
    let (tail, after) = quoted[end + 1..].split_once('\n').unwrap_or((&quoted[end + 1..], ""));
    *rest = after;
    let tail = tail.trim();
    if !tail.is_empty() && !tail.starts_with('#') {
        return Err(Bad("something other than a comment follows a closing quote"));
    }
    let quoted = &quoted[..end];
    let value = if quote == '\'' { quoted.to_owned() } else { variables(&unescaped(quoted), pairs, outer)? };
    Ok(Some((name.to_owned(), value)))
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// Backslashes of a double-quoted value. An escaped dollar becomes `$$`, which the variables' grammar takes for a plain one.
fn unescaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            made.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => made.push('\n'),
            Some('r') => made.push('\r'),
            Some('t') => made.push('\t'),
            Some('$') => made.push_str("$$"),
            Some(escaped @ ('"' | '\\' | '\'')) => made.push(escaped),
            Some(other) => made.extend(['\\', other]),
            None => made.push('\\'),
        }
    }
    made
}

fn variables(
    text: &str,
    pairs: &BTreeMap<String, String>,
    outer: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<String, Bad> {
    let mut lookup = |name: &str| {
        let text = pairs.get(name).cloned().or_else(|| outer(name));
        Ok(text.map(|text| Found { text, sensitive: true }))
    };
    expand(text, &mut lookup).map(|found| found.text).map_err(|fault| match fault {
        Fault::Unset(_) | Fault::Required(..) => {
            Bad("a value uses a variable that is not set; write `$$` for a dollar sign")
        }
        Fault::Syntax(why) => Bad(why),
        Fault::Cycle(_) | Fault::TooMuch | Fault::Reported => Bad("a value is too long with its variables put in"),
    })
}
