//! Every field that a user may set, through the program itself and back: a table of snippets with two values for each row
//! of each kind's own table. Set, it is on the machine and the next plan is empty; changed, the plan names it and nothing
//! else; taken out of the file, the same. What a kind reads back wrongly shows here as a plan that never gets empty.
//!
//! A row of a kind's table without a case in this one fails.

mod containers;
mod images;
mod limits;
mod others;
mod remade;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stackctl::desired::Kind;

use super::super::user::User;
use crate::host::Host;

/// One field: what the file says first and what it says then.
struct Case {
    /// Of the kind's table.
    row: &'static str,
    /// As the plan calls it; for rows that are compared by key with the key.
    path: String,
    /// Keys that are laid over the base in every turn.
    ground: Value,
    /// Keys that are laid over it at first, and then; taken out again in the last turn.
    a: Value,
    b: Value,
    /// What the plan says it was and will be, where that is told; null otherwise.
    told: [Value; 2],
    action: &'static str,
    /// Rows that follow from the same line of the file.
    also: &'static [&'static str],
    /// Where podman or systemd itself shows the value, and what it shows then.
    shown: Shown,
}

enum Shown {
    /// Only here: no tool shows it.
    Nowhere,
    /// A pointer into `podman inspect`.
    At(&'static str, [Value; 2]),
    /// The text or list at a pointer holds this.
    Holds(&'static str, [&'static str; 2]),
    /// A property of the unit.
    Property(&'static str, [&'static str; 2]),
    /// A line of shell with `X` for the container's name, and what it prints.
    Shell(&'static str, [&'static str; 2]),
}

fn case(row: &'static str, action: &'static str, a: Value, b: Value) -> Case {
    let told = [a[row].clone(), b[row].clone()];
    let (path, ground) = (row.to_owned(), json!({}));
    Case { row, path, ground, a, b, told, action, also: &[], shown: Shown::Nowhere }
}

impl Case {
    fn path(mut self, key: &str) -> Self {
        self.path = format!("{}.{key}", self.row);
        self.told = [Value::Null, Value::Null];
        self
    }

    fn on(mut self, ground: Value) -> Self {
        self.ground = ground;
        self
    }

    fn told(mut self, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        self.told = [before.into(), after.into()];
        self
    }

    fn also(mut self, rows: &'static [&'static str]) -> Self {
        self.also = rows;
        self
    }

    fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    fn at(self, pointer: &'static str, a: impl Into<Value>, b: impl Into<Value>) -> Self {
        self.shown(Shown::At(pointer, [a.into(), b.into()]))
    }

    fn property(self, name: &'static str, a: &'static str, b: &'static str) -> Self {
        self.shown(Shown::Property(name, [a, b]))
    }
}

/// Cases by the name that the resource has in the stack.
type Cases = BTreeMap<String, Case>;

fn named(cases: Vec<Case>) -> Cases {
    let mut all = Cases::new();
    for case in cases {
        let plain = case.row.replace(['_', '.'], "-");
        let name = (1..).map(|n| if n == 1 { plain.clone() } else { format!("{plain}-{n}") });
        let name = name.into_iter().find(|name| !all.contains_key(name)).expect("numbers do not end");
        all.insert(name, case);
    }
    all
}

/// Which of the three texts of the stack file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    First,
    Then,
    /// Every snippet is taken out.
    Bare,
}

fn over(base: Value, snippet: &Value) -> Value {
    let mut whole = base.as_object().expect("a mapping").clone();
    for (key, value) in snippet.as_object().expect("a mapping") {
        // Null takes a line of the base out.
        match value {
            Value::Null => drop(whole.remove(key)),
            value => drop(whole.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(whole)
}

fn section(cases: &Cases, base: &dyn Fn(&str) -> Value, turn: Turn) -> Value {
    let resource = |(name, case): (&String, &Case)| {
        let ground = over(base(name), &case.ground);
        let whole = match turn {
            Turn::First => over(ground, &case.a),
            Turn::Then => over(ground, &case.b),
            Turn::Bare => ground,
        };
        (name.clone(), whole)
    };
    Value::Object(cases.iter().map(resource).collect())
}

/// Every row of the kind's table that a file can set has a case here.
fn every_row_has_a_case(kind: &Kind, cases: &[&Cases]) {
    let given: BTreeSet<&str> = cases.iter().flat_map(|cases| cases.values().map(|case| case.row)).collect();
    let rows: BTreeSet<&str> = kind.attributes.iter().filter(|row| !row.state).map(|row| row.path).collect();
    assert_eq!(rows, given, "the rows of {} and the cases of this test", kind.name);
}

#[track_caller]
fn apply(user: &User, turn: &str) {
    let applied = user.stackctl(&["apply", "-y"]);
    assert_eq!(applied.code, 0, "apply {turn}\n{}\n{}", applied.stdout, applied.stderr);
}

fn plan(user: &User) -> Value {
    user.stackctl(&["plan", "--format", "json"]).ok().json()
}

#[track_caller]
fn nothing_is_left(user: &User, turn: &str) {
    // Told by the list where there are many, and by inspecting every one.
    for arguments in [&["plan", "--format", "json"][..], &["plan", "--format", "json", "--deep"]] {
        let plan = user.stackctl(arguments).ok().json();
        assert_eq!((&plan["changes"], &plan["unknown"]), (&json!([]), &json!([])), "{arguments:?} after apply {turn}");
    }
}

/// What the plan says of one resource, in the words that are held against the table.
#[derive(Debug, PartialEq)]
struct Row {
    action: String,
    /// Path and cause.
    attributes: BTreeSet<(String, String)>,
}

fn rows(plan: &Value) -> BTreeMap<String, Row> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |change: &Value| {
        let attributes = change["attributes"].as_array().into_iter().flatten();
        let attributes = attributes.map(|each| (text(&each["path"]), text(&each["cause"]))).collect();
        (text(&change["address"]), Row { action: text(&change["action"]), attributes })
    };
    plan["changes"].as_array().into_iter().flatten().map(row).collect()
}

fn expected(kind: &str, cases: &Cases) -> BTreeMap<String, Row> {
    let row = |(name, case): (&String, &Case)| {
        let paths = std::iter::once(case.path.clone()).chain(case.also.iter().map(|row| (*row).to_owned()));
        let attributes = paths.map(|path| (path, "file".to_owned())).collect();
        (format!("{kind}.{name}"), Row { action: case.action.to_owned(), attributes })
    };
    cases.iter().map(row).collect()
}

/// With every snippet taken out of the file: the row is named, as the file's doing, and costs what the table says.
fn taken_out_rightly(plan: &Value, kind: &str, cases: &Cases) -> Vec<String> {
    let found = rows(plan);
    let mut wrong = Vec::new();
    for (name, case) in cases {
        let address = format!("{kind}.{name}");
        let row = found.get(&address);
        let is_row = |path: &str| path == case.row || path.starts_with(&format!("{}.", case.row));
        let named =
            row.is_some_and(|row| row.action == case.action && row.attributes.iter().any(|(path, _)| is_row(path)));
        if !named || row.is_some_and(|row| row.attributes.iter().any(|(_, cause)| cause != "file")) {
            wrong.push(format!("{address}: taken out, the plan says {row:?}"));
        }
    }
    wrong
}

/// Before and after of the attribute itself, where the table tells them.
fn told_rightly(plan: &Value, kind: &str, cases: &Cases) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, case) in cases.iter().filter(|(_, case)| case.told != [Value::Null, Value::Null]) {
        let address = format!("{kind}.{name}");
        let change = plan["changes"].as_array().into_iter().flatten().find(|change| change["address"] == address);
        let attributes = change.and_then(|change| change["attributes"].as_array()).into_iter().flatten();
        let found = attributes.into_iter().find(|attribute| attribute["path"] == case.path);
        let told = found.map(|found| [sorted(&found["before"]), sorted(&found["after"])]);
        if told != Some([sorted(&case.told[0]), sorted(&case.told[1])]) {
            wrong.push(format!("{address} {}: told {told:?}", case.path));
        }
    }
    wrong
}

/// Podman shows some lists in another order at each look.
fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Array(items) = &mut value {
        items.sort_by_key(ToString::to_string);
    }
    value
}

/// What the tools of the machine show of each case.
fn shown_rightly(user: &User, stack: &str, cases: &Cases, unit: &dyn Fn(&str) -> String, turn: usize) -> Vec<String> {
    let inspected = user.run(&format!("podman inspect $(podman ps -aq --filter name=^{stack}-)"));
    let inspected: Vec<Value> = serde_json::from_str(&inspected.stdout).unwrap_or_default();
    let of = |name: &str| {
        let name = format!("{stack}-{name}");
        inspected.iter().find(|found| found["Name"] == name.as_str()).cloned().unwrap_or_default()
    };
    let mut wrong = Vec::new();
    for (name, case) in cases {
        let (is, should) = match &case.shown {
            Shown::Nowhere => continue,
            Shown::At(pointer, values) => {
                let is = of(name).pointer(pointer).cloned().unwrap_or_default();
                (sorted(&is).to_string(), sorted(&values[turn]).to_string())
            }
            Shown::Holds(pointer, texts) => {
                let is = of(name).pointer(pointer).cloned().unwrap_or_default().to_string();
                if is.contains(texts[turn]) {
                    continue;
                }
                (is, texts[turn].to_owned())
            }
            Shown::Property(property, values) => (user.unit(&unit(name), property), values[turn].to_owned()),
            Shown::Shell(line, values) => {
                let output = user.run(&line.replace('X', &format!("{stack}-{name}")));
                (format!("{}{}", output.stdout, output.stderr).trim_end().to_owned(), values[turn].to_owned())
            }
        };
        if is != should {
            wrong.push(format!("{name}: shown is {is}, set was {should}"));
        }
    }
    wrong
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
