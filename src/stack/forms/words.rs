//! A command line as words, by the rules of a POSIX shell for quotes and backslashes, and nothing else of a shell.

/// Why a text is no plain command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordsError {
    /// A quote of this kind is never closed.
    Unclosed(char),
    /// Outside quotes this has a meaning to a shell only. Compose drops it and what follows without a word.
    Shell(char),
    /// A backslash ends the text.
    Backslash,
}

/// Splits at white space outside quotes.
///
/// # Errors
/// An open quote, a last backslash, and what only a shell could do (`;`, `|`, `&`, `<`, `>`).
pub fn split_words(text: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(WordsError::Unclosed('\''))? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => double_quoted(&mut characters, word.get_or_insert_default())?,
            '\\' => match characters.next().ok_or(WordsError::Backslash)? {
                // A backslash before a line end joins the lines.
                '\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            ';' | '|' | '&' | '<' | '>' => return Err(WordsError::Shell(character)),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), WordsError> {
    loop {
        match characters.next().ok_or(WordsError::Unclosed('"'))? {
            '"' => return Ok(()),
            '\\' => match characters.next().ok_or(WordsError::Unclosed('"'))? {
                '\n' => {}
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            inner => word.push(inner),
        }
    }
}
