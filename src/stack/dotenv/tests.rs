//! What would break: an environment file that gives a container other values than Compose would.

use super::parse;
use crate::diagnostic::{Diagnostics, FileId};

fn read(text: &str, raw: bool) -> (Vec<String>, Vec<(u32, String)>) {
    let mut diagnostics = Diagnostics::default();
    let mut outer = |name: &str| (name == "OUT").then(|| "out".to_owned());
    let pairs = parse(FileId(0), text, raw, &mut outer, &mut diagnostics);
    let faults = diagnostics.0.iter().map(|d| (d.span.unwrap().line, d.detail.clone())).collect();
    (pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect(), faults)
}

#[test]
fn lines_are_read_as_compose_does() {
    let cases: &[(&str, &[&str])] = &[
        ("A=1\n\n# x\n  B = two words \nexport C=3", &["A=1", "B=two words", "C=3"]),
        ("A=x # comment\nB=x#y\nC=# nothing\nD=", &["A=x", "B=x#y", "C=", "D="]),
        ("A='$X ${Y} \\n # x' # c\n", &["A=$X ${Y} \\n # x"]),
        ("A=\"a\\nb\\t\\\"q\\\" \\$X \\\\ \\z\"\n", &["A=a\nb\t\"q\" $X \\ \\z"]),
        ("A=\"one\ntwo\"\nB='x\ny'\nC=1\n", &["A=one\ntwo", "B=x\ny", "C=1"]),
        ("A=1\nB=${A}-$OUT-${NO:-d}-$$A\nC=\"$A\"\n", &["A=1", "B=1-out-d-$A", "C=1"]),
        ("OUT\nNO\n", &["OUT=out"]),
        ("A=1\nA=2\n", &["A=2"]),
        ("A=a=b==\n", &["A=a=b=="]),
        ("", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, false), (expected.iter().map(|pair| (*pair).to_owned()).collect(), vec![]), "{text}");
    }
    assert_eq!(read("A='x' $Y # z\n#c\n B=1", true).0, ["A='x' $Y # z", "B=1"]);
}

#[test]
fn faults_name_the_line_and_not_its_text() {
    let (pairs, faults) = read("A=1\nsome secret\nB='x' y\n=z\nC=$NOPE\nD=$\nE=5\nF=\"open\n1 2", false);
    assert_eq!(pairs, ["A=1", "E=5"].map(str::to_owned).to_vec());
    assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8, 9]);
    assert!(faults.iter().all(|(_, detail)| !detail.contains("secret") && !detail.contains("NOPE")));
}
