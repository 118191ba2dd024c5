//! What would break: a variable read differently than in Compose, one that is silently empty, one that brings in structure, and a secret
//! in a message.

use super::template::expand;
use super::{Fault, Found, Scope, Written};
use crate::diagnostic::{Diagnostics, FileId, Span};
use crate::stack::source::Environment;
use crate::stack::yaml::{Node, Value, parse};
use std::collections::BTreeMap;

fn fixed(name: &str) -> Result<Option<Found>, Fault> {
    let found = |text: &str| Ok(Some(Found { text: text.into(), sensitive: name == "SECRET" }));
    match name {
        "A" => found("a"),
        "EMPTY" => found(""),
        "SECRET" => found("hunter2"),
        "DOLLAR" => found("$A ${A}"),
        _ => Ok(None),
    }
}

#[test]
fn templates_follow_composes_grammar() {
    let unset = |name: &str| Err(Fault::Unset(name.into()));
    let text = |text: &str| Ok(text.to_owned());
    let required = |name: &str, why: &str| Err(Fault::Required(name.into(), why.into()));
    let cases = [
        ("plain", text("plain")),
        ("$A-$A.", text("a-a.")),
        ("${A}b$$A$${A}", text("ab$A${A}")),
        ("é${A}ü", text("éaü")),
        ("$X", unset("X")),
        ("${X}", unset("X")),
        ("$AB", unset("AB")),
        ("${EMPTY}", text("")),
        ("${X:-d}${X-d}${EMPTY:-d}${EMPTY-d}", text("ddd")),
        ("${A:-d}${A-d}", text("aa")),
        ("${X:-}", text("")),
        ("${X:-${Y:-${A}}}", text("a")),
        ("${X:-{\"k\": {}}}", text("{\"k\": {}}")),
        ("${X:-$$5 a:b-c}", text("$5 a:b-c")),
        ("${X:?}", required("X", "")),
        ("${EMPTY:?needed: set it}", required("EMPTY", "needed: set it")),
        ("${EMPTY?x}${A:?x}", text("a")),
        ("${X?why}", required("X", "why")),
        ("${A:+yes}${A+yes}${X:+yes}${X+yes}${EMPTY:+yes}${EMPTY+yes}", text("yesyesyes")),
        ("${A:+${X:-n}}", text("n")),
        ("${A:+${X}}", unset("X")),
        ("${A:-${X}}", text("a")),
        ("$DOLLAR", text("$A ${A}")),
    ];
    for (template, expected) in cases {
        assert_eq!(expand(template, &mut fixed).map(|found| found.text), expected, "{template}");
    }
    for template in
        ["$", "a$ b", "$5", "${", "${A", "${}", "${5}", "${A:}", "${A!x}", "${A:x}", "${A b}", "${-x}", "$-"]
    {
        assert!(matches!(expand(template, &mut fixed), Err(Fault::Syntax(_))), "{template}");
    }
    assert!(
        expand("${SECRET}", &mut fixed).unwrap().sensitive && expand("${X:-$SECRET}", &mut fixed).unwrap().sensitive
    );
    assert!(!expand("${X:-a}${A}", &mut fixed).unwrap().sensitive);
    let deep = format!("{}x{}", "${X:-".repeat(5_000), "}".repeat(5_000));
    assert_eq!(expand(&deep, &mut fixed).unwrap_err(), Fault::TooMuch);
}

struct Case {
    node: Node,
    diagnostics: Diagnostics,
    used: BTreeMap<String, super::EnvironmentUse>,
}

fn case(text: &str, vars: &[(&str, &str)], environment: &[(&str, &str)]) -> Case {
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let environment = Environment { home: "/home/user".into(), vars: own(environment) };
    let given = BTreeMap::from([("GIVEN".to_owned(), "given".to_owned())]);
    let mut diagnostics = Diagnostics::default();
    let mut scope = Scope::new(&given, &environment);
    for (name, value) in vars {
        let written = Written { text: (*value).into(), span: Span::default(), resolved: None };
        scope.written.insert((*name).into(), written);
    }
    scope.env_files.insert("FILE".into(), "from file".into());
    scope.env_files.insert("BOTH".into(), "file wins".into());
    let mut node = parse(FileId(0), text, &mut diagnostics).unwrap();
    scope.resolve_all(&mut diagnostics);
    scope.interpolate(&mut node, &mut Vec::new(), &mut diagnostics);
    Case { node, diagnostics, used: scope.used() }
}

#[test]
fn types_follow_the_new_text_and_structure_never_comes_in() {
    let text = "a: ${PORT}\nb: \"${PORT}\"\nc: ${YES}\nd: ${EVIL}\ne: ${EMPTY}\nf: ${TILDE}\ng: x${PORT}\nh: ${BIG}\n";
    let environment = [
        ("PORT", "8080"),
        ("YES", "true"),
        ("EVIL", "x\ny: [1, {z: 2}] # !!int 5"),
        ("EMPTY", ""),
        ("TILDE", "~"),
        ("BIG", "99999999999999999999"),
    ];
    let case = case(text, &[], &environment);
    assert!(case.diagnostics.is_empty(), "{:?}", case.diagnostics);
    let get = |key: &str| &case.node.get(key).unwrap().value;
    assert!(matches!(get("a"), Value::Integer(8080)));
    assert!(matches!(get("c"), Value::Bool(true)));
    for (key, expected) in [
        ("b", "8080"),
        ("d", "x\ny: [1, {z: 2}] # !!int 5"),
        ("e", ""),
        ("f", "~"),
        ("g", "x8080"),
        ("h", "99999999999999999999"),
    ] {
        assert!(matches!(get(key), Value::Text(text) if text == expected), "{key}");
    }
}

#[test]
fn lookups_go_in_order_and_are_recorded() {
    let vars = [("V", "${E}/v"), ("W", "${V}/w"), ("GIVEN", "hidden by --var"), ("BOTH2", "vars win")];
    let environment = [("E", "env"), ("BOTH", "no"), ("BOTH2", "no"), ("UNUSED", "x")];
    let text = "k: { \"${W}\": [\"$GIVEN\", \"$FILE\", \"$BOTH\", \"$BOTH2\"] }\nl: $E\n";
    let case = case(text, &vars, &environment);
    assert!(case.diagnostics.is_empty(), "{:?}", case.diagnostics);
    let (key, list) = &case.node.get("k").unwrap().as_mapping().unwrap()[0];
    assert_eq!(key.text, "env/v/w");
    let values: Vec<_> = list.as_sequence().unwrap().iter().map(|item| item.as_text().unwrap()).collect();
    assert_eq!(values, ["given", "from file", "file wins", "vars win"]);
    let used: Vec<_> =
        case.used.iter().map(|(name, used)| (name.as_str(), used.from_file, used.at.join(" "))).collect();
    assert_eq!(
        used,
        [
            ("BOTH", true, "k.env/v/w.2".to_owned()),
            ("E", false, "vars.V l".to_owned()),
            ("FILE", true, "k.env/v/w.1".to_owned()),
        ]
    );
}

#[test]
fn secrets_stay_out_of_messages() {
    let case = case("a: x${TOKEN}\nb: ${TOKEN?x}\n", &[], &[("TOKEN", "hunter2")]);
    let a = case.node.get("a").unwrap();
    assert!(a.sensitive);
    assert_eq!((a.shown().as_str(), a.as_text()), ("`x${TOKEN}`", Some("xhunter2")));
    assert!(!format!("{:?} {:?} {:?}", case.node, case.used, case.diagnostics).contains("hunter2"));
}

#[test]
fn faults_are_told_once_and_with_the_nearest_name() {
    let faults = |text: &str, vars: &[(&str, &str)]| {
        let case = case(text, vars, &[("OLLAMA_IMAGE", "x")]);
        case.diagnostics
            .0
            .iter()
            .map(|d| format!("{}: {} ({})", d.summary, d.detail, d.help.clone().unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    let unset = faults("a: $OLAMA_IMAGE\nb: [$Q]\n", &[]);
    assert!(
        unset[0].starts_with("Unset variable: `OLAMA_IMAGE` is set neither")
            && unset[0].contains("did you mean `OLLAMA_IMAGE`?"),
        "{unset:?}"
    );
    assert!(unset[1].contains("give a default: `${Q:-default}`"), "{unset:?}");
    assert_eq!(faults("a: ${X:?set it to a path}\n", &[]), ["Unset variable: `X` is not set: set it to a path ()"]);
    assert_eq!(faults("a: $a\n", &[("a", "$b"), ("b", "$c"), ("c", "${nope}"), ("d", "$a")]).len(), 1);
    let circle = faults("x: $a\n", &[("a", "$b"), ("b", "$c"), ("c", "$a"), ("d", "$c"), ("0", "x")]);
    assert_eq!(circle, ["Variables in a circle: the variable refers to itself: `a -> b -> c -> a` ()"]);
    assert_eq!(faults("x: 1\n", &[("a", "${a:-x}")]).len(), 1);
    assert_eq!(
        faults("${A:-x}: 1\nx: 2\n", &[]),
        ["Duplicate key: with its variables put in, this key is another one's equal ()"]
    );
    assert_eq!(faults("a: \"$\"\n", &[])[0].split(':').next(), Some("Bad variable"));
}

#[test]
fn variables_cannot_multiply() {
    let names: Vec<(String, String)> = (0..60)
        .map(|n| (format!("v{n:02}"), if n == 0 { "x".repeat(1_000) } else { format!("$v{0:02}$v{0:02}", n - 1) }))
        .collect();
    let vars: Vec<(&str, &str)> = names.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let case = case("a: 1\n", &vars, &[]);
    assert!(case.diagnostics.0.iter().any(|d| d.summary == "Too long"));
    let chain: Vec<(String, String)> =
        (0..500).map(|n| (format!("c{n:03}"), format!("${{c{:03}:-x}}", n + 1))).collect();
    let vars: Vec<(&str, &str)> = chain.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(self::case("a: $c000\n", &vars, &[]).diagnostics.0.iter().any(|d| d.summary == "Too long"));
}
