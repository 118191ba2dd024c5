//! Files that want to do harm: each is a clear error, or read as if nothing were amiss.

use super::*;

fn bytes(bytes: &[u8]) -> Loaded {
    let files = Table(BTreeMap::from([(PathBuf::from("/w/stack.yaml"), bytes.to_vec())]));
    let options = LoadOptions { sections: SECTIONS, ..LoadOptions::default() };
    let (stack, sources, diagnostics) = load_from(&files, &["stack.yaml".into()], &Environment::default(), &options);
    Loaded { stack, sources, diagnostics }
}

#[test]
fn bytes_that_are_no_text() {
    let cases: &[(&[u8], &str)] = &[
        (b"version: 1\nstack: \xff\n", "`stack.yaml`: it is not UTF-8: byte 19 belongs to no character"),
        (b"version: 1\0\n", "`stack.yaml`: it holds a NUL byte at byte 11"),
        (b"", "the file is empty; expected keys such as `version`, `stack` and `containers`"),
        (b"# only a comment\n", "the file is empty; expected keys such as `version`, `stack` and `containers`"),
        (b"just text\n", "the file holds no mapping; expected keys such as `version`, `stack` and `containers`"),
    ];
    for (text, detail) in cases {
        let loaded = bytes(text);
        assert!(loaded.stack.is_none());
        assert_eq!(loaded.diagnostics.0.iter().map(|d| d.detail.as_str()).collect::<Vec<_>>(), [*detail]);
    }
    assert_eq!(load(&[("other.yaml", "")], &[]).diagnostics.0[0].detail, "`stack.yaml`: there is no such file");
}

#[test]
fn byte_order_mark_and_line_ends_do_not_matter() {
    let plain = bytes(b"version: 1\nstack: a\ncontainers:\n  c:\n    command: |\n      x\n      y\n").good();
    let odd =
        bytes(b"\xef\xbb\xbfversion: 1\r\nstack: a\r\ncontainers:\r\n  c:\r\n    command: |\r\n      x\r\n      y\r\n")
            .good();
    let command = |stack: &Stack| stack.section("containers").unwrap().entries[0].1.get("command").unwrap().clone();
    assert_eq!(command(&plain).as_text(), Some("x\ny\n"));
    assert!(command(&plain).same(&command(&odd)) && command(&plain).span == command(&odd).span);
}

/// Nothing of this may panic, overflow the stack, or print without bound.
#[test]
fn structures_that_grow() {
    let head = "version: 1\nstack: a\ncontainers:\n";
    let cases = [
        format!("{head}  c: {}\n", "[".repeat(10_000)),
        format!("{head}  c: {}\n", "{a: ".repeat(10_000)),
        format!("{head}  c: \"{}\"\n", "${A:-".repeat(10_000)),
        format!("{head}  c: \"{}\"\n", "$".repeat(99_999)),
        format!("{head}  ? {}\n  : 1\n{}: 2\n", "k".repeat(1_000_000), "j".repeat(1_000)),
        format!("{head}  c: {{a: 123456789012345678901234567890}}\n"),
        format!("{head}\tc: 1\n"),
        format!("{head}  c: &a [*a]\n"),
        format!("{head}  c: {{<<: {{a: 1, a: 2}}, <<: {{b: 1}}}}\n"),
        format!("{}{}", head, "  c: 1\n".repeat(20_000)),
    ];
    for text in &cases {
        let loaded = load(&[("stack.yaml", text)], &[]);
        let start: String = text.chars().take(80).collect();
        assert!(loaded.diagnostics.has_errors(), "{start}");
        let printed = render(&loaded.diagnostics, &loaded.sources);
        assert!(printed.len() < 400_000, "{start}: {}", printed.len());
        assert!(printed.lines().take(4).all(|line| line.chars().count() < 200), "{printed}");
    }
}

/// A name from the file ends up in messages; it must not be able to steer the terminal.
#[test]
fn names_are_escaped() {
    let loaded = load(&[("stack.yaml", "version: 1\nstack: \"a\\e[2J\\n\"\n\"\\e]0;x\\a\": 1\n")], &[]);
    let printed = render(&loaded.diagnostics, &loaded.sources);
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{printed:?}");
    assert_eq!(loaded.summaries(), ["Not a name", "Unknown key"]);
}
