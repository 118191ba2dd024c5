//! What would break: a file that means one thing to us and another to serde_yaml, a wrong place in a message, and a hostile file that ends
//! in a crash or takes the memory.

use super::{Node, Value, parse};
use crate::diagnostic::{Diagnostics, FileId};

fn read(text: &str) -> (Option<Node>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let node = parse(FileId(0), text, &mut diagnostics);
    (node, diagnostics)
}

fn good(text: &str) -> Node {
    let (node, diagnostics) = read(text);
    assert!(diagnostics.is_empty(), "{text:?}: {diagnostics:?}");
    node.unwrap()
}

/// Summary, line and column of a finding.
type Fault = (&'static str, u32, u32);

fn faults(text: &str) -> Vec<Fault> {
    let (_, diagnostics) = read(text);
    diagnostics.0.iter().map(|d| (d.summary, d.span.unwrap().line, d.span.unwrap().column)).collect()
}

fn as_serde(node: &Node) -> serde_yaml::Value {
    match &node.value {
        Value::Null => serde_yaml::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::Sequence(items) => serde_yaml::Value::Sequence(items.iter().map(as_serde).collect()),
        Value::Mapping(entries) => serde_yaml::Value::Mapping(
            entries.iter().map(|(key, node)| (key.text.as_str().into(), as_serde(node))).collect(),
        ),
    }
}

const SCALARS: &[&str] = &[
    "on",
    "off",
    "yes",
    "no",
    "y",
    "n",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "false",
    "False",
    "null",
    "Null",
    "NULL",
    "~",
    "nUll",
    "0",
    "-0",
    "+1",
    "1",
    "-1",
    "017",
    "0o17",
    "0x1F",
    "0xfg",
    "0b11",
    "0b12",
    "1_000",
    "1e3",
    "1E3",
    "1.",
    ".5",
    "1.0",
    "1.10",
    "-1.5e-3",
    ".inf",
    "-.inf",
    "+.inf",
    ".Inf",
    ".INF",
    ".nan",
    ".NaN",
    "nan",
    "inf",
    "infinity",
    "-inf",
    "22:22",
    "1:30:45",
    "2001-01-01",
    "12e03",
    "0x",
    "0o8",
    "08",
    "-017",
    "+017",
    "+",
    ".",
    "..",
    "1.2.3",
    "1-2",
    "--1",
    "+-1",
    "9223372036854775807",
    "-9223372036854775808",
    "abc",
    "a b",
    "a#b",
    "é",
    "docker.io/ollama/ollama:0.12.11",
    "=",
    "e5",
    "1e400",
    "-0x10",
    "-0o17",
    "0.0",
    "00",
    "0_1",
    "1__0",
    "1_",
    "_1",
    "truer",
    "nulls",
    "~x",
    "'1'",
    "\"true\"",
    "''",
    "!!str 5",
    "!!int 5",
    "!!float 1.5",
    "!!bool true",
    "!!null null",
    "-.5",
    "+.5",
    "١",
];

/// Every scalar that people trip over means the same here and there, in block and in flow context.
#[test]
fn scalars_have_one_reading() {
    for scalar in SCALARS {
        for text in [format!("a: {scalar}\n"), format!("- {scalar}\n"), format!("[{scalar}]")] {
            let theirs: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(format!("{:?}", as_serde(&good(&text))), format!("{theirs:?}"), "{text}");
        }
    }
}

#[test]
fn documents_have_one_reading() {
    let documents = [
        "",
        "# nothing\n",
        "---\na: 1\n...\n",
        "a: |\n  one\n  two\nb: >-\n  one\n  two\n\n  three\nc: |+\n  x\n\n",
        "a: \"x\\ty\\u00e9\\x41\\\n   z\"\nb: 'it''s'\n",
        "a:\nb: \"\"\nc: ''\nd: ~\n",
        "a: &x {k: 1, l: [1, 2]}\nb: *x\nc: [*x, *x]\n",
        "base: &b {image: x, env: {A: 1}}\nc:\n  <<: *b\n  env: {B: 2}\n  z: 1\n",
        "one: &1 {a: 1, b: 1}\ntwo: &2 {b: 2, c: 2}\nall:\n  <<: [*1, *2]\n  d: 4\n",
        "late:\n  a: explicit\n  <<: {a: merged, b: merged}\n",
        "? long key\n: value\n",
        "plain: one\n  two\n  three\n",
        "url: http://x:1/y#z # comment\n",
        "- - a\n  - b\n-\n  c: d\n",
        "{a: {b: [c, {d: e}]}, \"f\":g}",
        "a: \"\\\"\"\nb: 'x: y'\nc: x:y\n",
    ];
    for text in documents {
        let mut theirs: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
        theirs.apply_merge().unwrap();
        assert_eq!(as_serde(&good(text)), theirs, "{text}");
    }
}

/// serde_yaml leaves a `<<` behind where a merged mapping had one itself; YAML and Compose do not.
#[test]
fn merges_reach_through_merged_mappings() {
    let node = good("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n");
    let keys: Vec<&str> =
        node.get("c").unwrap().as_mapping().unwrap().iter().map(|(key, _)| key.text.as_str()).collect();
    assert_eq!(keys, ["z", "y", "x"]);
}

#[test]
fn text_is_recoverable_as_written() {
    let node = good("a: 1.10\nb: 0o17\nc: ~\nd: 08\n8080: x\n\"<<\": kept\n");
    let written: Vec<_> = node.as_mapping().unwrap().iter().map(|(_, node)| node.written().unwrap()).collect();
    assert_eq!(written, ["1.10", "0o17", "~", "08", "x", "kept"]);
    assert_eq!(node.as_mapping().unwrap()[4].0.text, "8080");
    assert_eq!(node.as_mapping().unwrap()[5].0.text, "<<");
}

#[test]
fn places_count_characters_and_bytes() {
    let text = "é: {ü: \"ö\", b: x}\nnext: [1, two]\n";
    let node = good(text);
    let b = node.get("é").unwrap().get("b").unwrap();
    assert_eq!((b.span.line, b.span.column), (1, 16));
    assert_eq!(&text[b.span.start as usize..b.span.end as usize], "x");
    let two = &node.get("next").unwrap().as_sequence().unwrap()[1];
    assert_eq!((two.span.line, two.span.column), (2, 11));
    assert_eq!(&text[two.span.start as usize..two.span.end as usize], "two");
    let empty = good("a:\n\n\nb: 1\n");
    assert_eq!(empty.get("a").unwrap().span.line, 1);
}

#[test]
fn faults_are_named_with_their_place() {
    let cases: &[(&str, &[Fault])] = &[
        ("a: 1\nb: 2\na: 3\n", &[("Duplicate key", 3, 1)]),
        ("a: {x: 1, x: 2}\nb: {y: 1, y: 2}\n", &[("Duplicate key", 1, 11), ("Duplicate key", 2, 11)]),
        ("1: a\n\"1\": b\n", &[("Duplicate key", 2, 1)]),
        ("b: {<<: {x: 1, x: 2}, x: 3}\n", &[("Duplicate key", 1, 16)]),
        ("b:\n  <<: {x: 1}\n  <<: {y: 1}\n", &[("Duplicate key", 3, 3)]),
        ("a: 1\n---\nb: 2\n", &[("Several documents", 2, 1)]),
        ("a: !secret x\nb: !!binary aGk=\n", &[("Unknown tag", 1, 4), ("Tag does not fit", 2, 4)]),
        ("a: 99999999999999999999\n", &[("Number out of range", 1, 4)]),
        ("a: 18446744073709551615\n", &[("Number out of range", 1, 4)]),
        ("a: -9223372036854775809\n", &[("Number out of range", 1, 4)]),
        ("a: 1111111111111111111111111111111111111111111111111111111111\n", &[("Number out of range", 1, 4)]),
        ("<<: 1\n", &[("Merge key without a mapping", 1, 1)]),
        ("[a, b]: 1\n", &[("Key is not a text", 1, 1)]),
        ("{a: b}: 1\n", &[("Key is not a text", 1, 1)]),
        ("a: &x [*x]\n", &[("Alias within itself", 1, 8)]),
    ];
    for (text, expected) in cases {
        assert_eq!(&faults(text), expected, "{text}");
    }
    for text in [
        "a: b: c\n",
        "a: *nowhere\n",
        "a: [1, 2\n",
        "a: \"x\n",
        "a: 1\n\tb: 1\n",
        "a:\n  b: 1\n\tc: 1\n",
        "a:\n  - b\n \t- c\n",
        "a:\n\tb: 1\n",
        "a: %x\n",
        "key: @x\n",
        "- a\nb: 1\n",
    ] {
        let (node, diagnostics) = read(text);
        assert!(node.is_none(), "{text:?}");
        assert_eq!(diagnostics.0[0].summary, "Not YAML", "{text:?}");
    }
    let (_, diagnostics) = read("a:\n\tb: 1\n");
    assert_eq!(diagnostics.0[0].help.as_deref(), Some("YAML allows no tab in the indentation: use spaces"));
}

/// Ten thousand levels of each kind end in one error, and so does depth that only aliases make.
#[test]
fn depth_is_bounded() {
    let blocks: String = (0..2_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let aliases: String = std::iter::once(format!("a0: &a0 {}1{}\n", "[".repeat(60), "]".repeat(60)))
        .chain((1..20).map(|n| format!("a{n}: &a{n} {}*a{}{}\n", "[".repeat(60), n - 1, "]".repeat(60))))
        .collect();
    let deep = ["[".repeat(10_000), "{a: ".repeat(10_000), "- ".repeat(10_000), blocks, aliases];
    for text in deep {
        let faults = faults(&text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, "Nested too deeply");
    }
}

#[test]
fn aliases_cannot_multiply() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let items = vec![format!("*a{}", n - 1); 9].join(", ");
        bomb.extend(["a", &n.to_string(), ": &a", &n.to_string(), " [", &items, "]\n"]);
    }
    assert_eq!(faults(&bomb)[0].0, "Alias bomb");
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 1000].join(", "));
    assert_eq!(faults(&long)[0].0, "Alias bomb");
    let nested = format!(
        "{}x{}\n",
        (0..90).map(|n| format!("&a{n} [")).collect::<String>(),
        ", ".to_owned() + &vec!["y"; 5000].join(", ") + &"]".repeat(90)
    );
    assert_eq!(faults(&nested)[0].0, "Alias bomb");
    let merges: String = std::iter::once("m0: &m0 {a: {a: 1, b: 2}}\n".to_owned())
        .chain((1..40).map(|n| format!("m{n}: &m{n} {{<<: *m{}, k{n}: [*m{}, *m{}]}}\n", n - 1, n - 1, n - 1)))
        .collect();
    assert_eq!(faults(&merges)[0].0, "Alias bomb");
}

#[test]
fn long_keys_and_many_values_are_bounded() {
    let key = "k".repeat(1_000_000);
    let (_, diagnostics) = read(&format!("? {key}\n: 1\n? {key}\n: 2\n"));
    assert_eq!(diagnostics.0[0].summary, "Duplicate key");
    assert!(diagnostics.0[0].detail.len() < 200);
    assert_eq!(faults(&format!("[{}]", "1,".repeat(600_000)))[0].0, "Too many values");
}
