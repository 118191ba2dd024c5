//! The grammar of `$NAME`, `${NAME}`, `${NAME:-default}`, `-`, `:?`, `?`, `:+`, `+` and `$$`, over whatever looks names up.

/// Defaults may hold variables with defaults, this deep.
const DEPTH_MAX: usize = 16;
/// A text with its variables put in may have this many bytes.
const LENGTH_MAX: usize = 1024 * 1024;

/// A value that was looked up.
#[derive(Clone, Debug)]
pub(in crate::stack) struct Found {
    pub(in crate::stack) text: String,
    pub(in crate::stack) sensitive: bool,
}

/// Why a template gives no text. Names and the words of the file only; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::stack) enum Fault {
    Unset(String),
    /// `${NAME:?why}`.
    Required(String, String),
    Syntax(&'static str),
    /// Names of `vars` that refer to each other, in a ring.
    Cycle(Vec<String>),
    TooMuch,
    /// It was reported where the variable is defined.
    Reported,
}

pub(in crate::stack) type Lookup<'l> = dyn FnMut(&str) -> Result<Option<Found>, Fault> + 'l;

/// The text with all variables put in.
pub(in crate::stack) fn expand(template: &str, lookup: &mut Lookup<'_>) -> Result<Found, Fault> {
    let mut made = Found { text: String::new(), sensitive: false };
    expand_into(template, lookup, &mut made, 0)?;
    Ok(made)
}

fn expand_into(template: &str, lookup: &mut Lookup<'_>, made: &mut Found, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::TooMuch);
    }
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        made.text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            made.text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing(after).ok_or(Fault::Syntax("a `${` is never closed with `}`"))?;
            braced(&after[..end], lookup, made, depth)?;
            rest = &after[end + 1..];
        } else {
            let (name, after) = rest.split_at(name_length(rest));
            if name.is_empty() {
                return Err(Fault::Syntax("a `$` is followed by no name of a variable"));
            }
            let found = lookup(name)?.ok_or_else(|| Fault::Unset(name.to_owned()))?;
            put(found, made)?;
            rest = after;
        }
    }
    made.text.push_str(rest);
    if made.text.len() > LENGTH_MAX { Err(Fault::TooMuch) } else { Ok(()) }
}

fn put(found: Found, made: &mut Found) -> Result<(), Fault> {
    made.sensitive |= found.sensitive;
    made.text.push_str(&found.text);
    if made.text.len() > LENGTH_MAX { Err(Fault::TooMuch) } else { Ok(()) }
}

/// What stands between `${` and its `}`.
fn braced(inner: &str, lookup: &mut Lookup<'_>, made: &mut Found, depth: usize) -> Result<(), Fault> {
    let (name, operation) = inner.split_at(name_length(inner));
    if name.is_empty() {
        return Err(Fault::Syntax("a `${` is followed by no name of a variable"));
    }
    let found = lookup(name)?;
    // With a colon, an empty value counts as none.
    let (colon, operation) = operation.strip_prefix(':').map_or((false, operation), |rest| (true, rest));
    let set = found.filter(|found| !colon || !found.text.is_empty());
    let mut characters = operation.chars();
    match (characters.next(), set) {
        (None, _) if colon => Err(Fault::Syntax("a `:` in `${NAME:…}` is followed by `-`, `?` or `+`")),
        (None, Some(found)) | (Some('-' | '?'), Some(found)) => put(found, made),
        (None, None) => Err(Fault::Unset(name.to_owned())),
        (Some('-'), None) | (Some('+'), Some(_)) => expand_into(characters.as_str(), lookup, made, depth + 1),
        (Some('+'), None) => Ok(()),
        (Some('?'), None) => Err(Fault::Required(name.to_owned(), characters.as_str().to_owned())),
        (Some(_), _) => {
            Err(Fault::Syntax("the name of a variable is followed by something else than `}`, `-`, `?` or `+`"))
        }
    }
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Where the brace that was opened before `text` is closed; braces within count.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}
