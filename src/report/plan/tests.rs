//! What people and programs read of a plan: written by hand, at 80 columns, without colour.

use serde_json::{Value, json};

use super::{PlanJson, View, human};
use crate::address::Address;
use crate::change::{Action, AttributeChange, Cause, Change, Risk, Severity, Steps};
use crate::plan::{Plan, Unknown};
use crate::report::Look;
use crate::report::kept::KeptData;
use crate::report::words::Colour;

fn change(address: &str, action: Action) -> Change {
    Change {
        address: address.parse().expect("an address"),
        action,
        reasons: Vec::new(),
        attributes: Vec::new(),
        risks: Vec::new(),
        steps: Steps::default(),
        after: Vec::new(),
    }
}

fn attribute(path: &str, before: Value, after: Value, cause: Cause, on_change: Action) -> AttributeChange {
    AttributeChange { path: path.to_owned(), before, after, cause, on_change }
}

fn view(plan: &Plan) -> View<'_> {
    View { plan, wanted: "The machine is as stack.yaml says.", all: false, kept: &[], look: Look::default() }
}

/// A plan with one of everything.
fn plan() -> Plan {
    let mut replace = change("container.ollama", Action::Replace);
    replace.reasons = vec!["environment.OLLAMA_HOST: the stack file changed; forces replace".to_owned()];
    replace.attributes =
        vec![attribute("environment.OLLAMA_HOST", json!("0.0.0.0"), json!("127.0.0.1"), Cause::File, Action::Replace)];
    let mut start = change("container.qdrant", Action::Start);
    start.attributes = vec![attribute("running", json!(false), json!(true), Cause::Machine, Action::Start)];
    start.risks = vec![Risk {
        code: "PORT_TAKEN",
        severity: Severity::Critical,
        message: "127.0.0.1:6333 is held by pid 812 (qdrant) of the system unit qdrant.service".to_owned(),
        remedies: vec![
            "Stop it, or publish another port:".to_owned(),
            "  sudo systemctl disable --now qdrant".to_owned(),
        ],
    }];
    Plan {
        stack: "local-ai".to_owned(),
        changes: vec![
            change("directory.~/.local/share/aidb", Action::Create),
            change("image.docker.io/ollama/ollama:0.12.11", Action::Create),
            replace,
            start,
        ],
        unchanged: vec!["network.default".parse().expect("an address")],
        unknown: vec![Unknown {
            address: Address::new("container", "open-webui"),
            why: "inspect answered 500".to_owned(),
        }],
        notes: vec!["no systemd user manager here".to_owned()],
        ..Plan::default()
    }
}

#[test]
fn a_plan_reads_as_a_page() {
    let expected = r#"stackctl: stack local-ai

  + directory.~/.local/share/aidb          create
  + image.docker.io/ollama/ollama:0.12.11  pull
-/+ container.ollama                       replace
      environment.OLLAMA_HOST  "0.0.0.0" -> "127.0.0.1"   (file; forces replace)
  > container.qdrant                       start
      running  false -> true   (machine)
  ! PORT_TAKEN  container.qdrant: 127.0.0.1:6333 is held by pid 812 (qdrant) of
      the system unit qdrant.service
      what to do: Stop it, or publish another port:
          sudo systemctl disable --now qdrant
  ? container.open-webui: could not be told: inspect answered 500

note: no systemd user manager here

Plan: 2 to add, 1 to change, 1 to replace, 0 to destroy.
"#;
    assert_eq!(human(&view(&plan())), expected);
}

#[test]
fn an_empty_plan_says_so_and_ends_with_the_numbers() {
    let plan = Plan { stack: "local-ai".to_owned(), ..Plan::default() };
    let expected = "stackctl: stack local-ai\n\nNo changes. The machine is as stack.yaml says.\n\n\
                    Plan: 0 to add, 0 to change, 0 to replace, 0 to destroy.\n";
    assert_eq!(human(&view(&plan)), expected);
}

#[test]
fn what_could_not_be_told_is_never_called_as_it_should_be() {
    let unknown = vec![Unknown { address: Address::new("container", "x"), why: "no answer".to_owned() }];
    let text = human(&view(&Plan { unknown, ..Plan::default() }));
    assert!(text.contains("No changes in what could be told."), "{text}");
}

#[test]
fn a_reason_that_many_share_is_told_once() {
    let unknown = |name: &str| Unknown { address: Address::new("container", name), why: "no podman".to_owned() };
    let plan = Plan { unknown: ["a", "b", "c"].map(unknown).into(), ..Plan::default() };
    let text = human(&view(&plan));
    let expected = "  ? 3 could not be told: no podman\n      container.a, container.b, container.c\n";
    assert!(text.contains(expected), "{text}");
}

/// Without podman nothing of a container is seen: that must not read as if it were gone.
#[test]
fn behind_a_risk_in_the_way_nothing_is_called_as_it_should_be() {
    let critical = Risk {
        code: "PODMAN_UNREACHABLE",
        severity: Severity::Critical,
        message: "podman is not installed".to_owned(),
        remedies: Vec::new(),
    };
    let text = human(&view(&Plan { risks: vec![critical], ..Plan::default() }));
    assert!(text.contains("No changes in what could be told."), "{text}");
    assert!(!text.contains("is as stack.yaml says"), "{text}");
}

#[test]
fn what_needs_nothing_is_listed_when_asked_for() {
    let plan = plan();
    let text = human(&View { all: true, ..view(&plan) });
    assert!(text.contains("\n    network.default  unchanged\n"), "{text}");
}

#[test]
fn something_gone_is_told_from_something_new() {
    let mut gone = change("container.ollama", Action::Create);
    gone.reasons = vec!["it was there after an earlier apply and is gone".to_owned()];
    gone.attributes = vec![attribute("exists", json!(false), json!(true), Cause::Machine, Action::Create)];
    let mut new = change("container.qdrant", Action::Create);
    new.reasons = vec!["it does not exist yet".to_owned()];
    new.attributes = vec![attribute("exists", json!(false), json!(true), Cause::File, Action::Create)];
    let text = human(&view(&Plan { changes: vec![gone, new], ..Plan::default() }));
    assert!(text.contains("create\n      it was there after an earlier apply and is gone (machine)\n"), "{text}");
    assert!(!text.contains("does not exist yet"), "{text}");
}

/// The lines below a replaced container with one changed attribute.
fn shown(path: &str, before: Value, after: Value) -> String {
    let mut row = change("container.x", Action::Replace);
    row.attributes = vec![attribute(path, before, after, Cause::Both, Action::Replace)];
    let text = human(&view(&Plan { changes: vec![row], ..Plan::default() }));
    let rows: Vec<&str> = text.lines().skip_while(|line| !line.contains("container.x")).skip(1).collect();
    rows.into_iter().take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[test]
fn secrets_are_words() {
    let (old, new) = (json!({"sealed": "aa11"}), json!({"sealed": "bb22"}));
    let cause = "   (file and machine; forces replace)\n";
    assert_eq!(shown("environment.KEY", old.clone(), new), format!("      environment.KEY  (secret, changed){cause}"));
    assert_eq!(shown("environment.KEY", old, Value::Null), format!("      environment.KEY  (secret) -> (none){cause}"));
    let nested = shown("environment", json!({"KEY": {"sealed": "aa11"}}), Value::Null);
    assert!(!nested.contains("aa11"), "{nested}");
}

#[test]
fn long_values_stand_below_each_other_cut_in_the_middle() {
    // 68 columns for a value with its quotes, one of them for the mark.
    let cut = |letter: &str| format!("\"{}…{}\"", letter.repeat(33), letter.repeat(32));
    assert_eq!(
        shown("command", json!("a".repeat(100)), json!("b".repeat(100))),
        format!(
            "      command   (file and machine; forces replace)\n          - {}\n          + {}\n",
            cut("a"),
            cut("b")
        )
    );
}

#[test]
fn lists_show_what_came_and_what_went() {
    let ports = |last: &str| json!(["127.0.0.1:11434:11434/tcp", "127.0.0.1:6333:6333/tcp", last]);
    assert_eq!(
        shown("ports", ports("127.0.0.1:1:1/tcp"), ports("0.0.0.0:1:1/tcp")),
        "      ports   (file and machine; forces replace)\n          - \"127.0.0.1:1:1/tcp\"\n          + \"0.0.0.0:1:1/tcp\"\n"
    );
}

#[test]
fn texts_are_compared_by_line() {
    let text = shown("content", json!("[Service]\nRestart=no\n"), json!("[Service]\nRestart=always\n"));
    let expected = "            [Service]\n          - Restart=no\n          + Restart=always\n";
    assert_eq!(text, format!("      content   (file and machine; forces replace)\n{expected}"));
}

#[test]
fn nothing_from_outside_breaks_the_page() {
    let evil = "x\u{1b}[2J\u{202e}\nforged line\r";
    let mut row = change(&format!("container.{evil}"), Action::Replace);
    row.reasons = vec![evil.to_owned()];
    row.attributes = vec![
        attribute(evil, json!(evil), json!({ evil: evil }), Cause::File, Action::Replace),
        attribute("argv", json!([evil]), json!([evil, evil.repeat(30)]), Cause::File, Action::Replace),
        attribute("text", Value::Null, json!(evil.repeat(30)), Cause::File, Action::Replace),
    ];
    row.risks = vec![Risk {
        code: "PORT_TAKEN",
        severity: Severity::Warning,
        message: evil.repeat(9),
        remedies: vec![evil.to_owned()],
    }];
    let unknown = vec![Unknown { address: Address::new("container", evil), why: evil.to_owned() }];
    let plan =
        Plan { stack: evil.to_owned(), changes: vec![row], unknown, notes: vec![evil.to_owned()], ..Plan::default() };
    let text = human(&View { wanted: evil, ..view(&plan) });
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text}");
    assert!(
        !text.contains('\u{202e}') && !text.lines().any(|line| line.trim_start().starts_with("forged line")),
        "{text}"
    );
}

#[test]
fn every_line_keeps_to_eighty_columns() {
    let mut plan = plan();
    plan.changes[2].attributes.push(attribute(
        "volumes",
        json!(["x".repeat(200), "y"]),
        json!({"a": "z".repeat(200)}),
        Cause::Both,
        Action::Replace,
    ));
    plan.changes[2].attributes.push(attribute(
        "content",
        json!(format!("{}\nb", "x".repeat(200))),
        json!("a\nb"),
        Cause::Machine,
        Action::Update,
    ));
    plan.changes[1].reasons = vec!["word ".repeat(60)];
    plan.changes[1].attributes = vec![attribute("exists", json!(false), json!(true), Cause::Machine, Action::Create)];
    plan.risks = vec![Risk {
        code: "DISK_SHORT",
        severity: Severity::Warning,
        message: "many words ".repeat(20),
        remedies: vec!["Make room, or move the data. ".repeat(8)],
    }];
    let long = "~/.local/share/nixos-quick-deploy/state/preferences/one/more/than/fits";
    plan.changes.push(change(&format!("directory.{long}"), Action::Create));
    for line in human(&view(&plan)).lines() {
        let address = line.contains(long);
        assert!(address || line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let plan = plan();
    let coloured = human(&View { look: Look { colour: true }, ..view(&plan) });
    let codes = [Colour::Bold, Colour::Dim, Colour::Good, Colour::Careful, Colour::Bad, Colour::Note, Colour::Plain];
    let plain =
        codes.iter().fold(coloured.clone(), |text, colour| text.replace(&format!("\u{1b}[{}m", colour.code()), ""));
    assert_ne!(coloured, plain);
    assert_eq!(plain, human(&view(&plan)));
}

#[test]
fn kept_data_stands_before_the_numbers() {
    let plan = Plan { stack: "s".to_owned(), changes: vec![change("container.x", Action::Delete)], ..Plan::default() };
    let kept = [
        KeptData {
            address: Address::new("directory", "~/data"),
            place: "~/data".to_owned(),
            size_bytes: Some(4_130_000_000),
        },
        KeptData { address: Address::new("volume", "notes"), place: "s_notes".to_owned(), size_bytes: None },
    ];
    let expected = "\
stackctl: stack s

  - container.x  delete

Data that stays, and is not touched:
    directory.~/data  (4.1 GB)
    volume.notes  s_notes  (size not known)

Plan: 0 to add, 0 to change, 0 to replace, 1 to destroy.
";
    assert_eq!(human(&View { kept: &kept, ..view(&plan) }), expected);
}

#[test]
fn programs_get_the_shape_of_the_design() {
    let plan = plan();
    let json = serde_json::to_value(PlanJson::from(&view(&plan))).expect("JSON");
    assert_eq!(json["format_version"], "1");
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(4));
    let attributes =
        json!([{"path": "environment.OLLAMA_HOST", "before": "0.0.0.0", "after": "127.0.0.1", "cause": "file"}]);
    assert_eq!(json["changes"][2]["attributes"], attributes);
    assert_eq!(json["changes"][2]["action"], "replace");
    assert_eq!(json["changes"][3]["risks"][0]["code"], "PORT_TAKEN");
    assert_eq!(json["changes"][3]["risks"][0]["severity"], "critical");
    assert_eq!(json["unknown"], json!([{"address": "container.open-webui", "why": "inspect answered 500"}]));
    assert_eq!(json["summary"], json!({"add": 2, "change": 1, "replace": 1, "destroy": 0}));
    let all = serde_json::to_value(PlanJson::from(&View { all: true, ..view(&plan) })).expect("JSON");
    assert_eq!(all["changes"][4]["address"], "network.default");
    assert_eq!(all["changes"][4]["action"], "none");
}
