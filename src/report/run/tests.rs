//! What people and programs read of a run.

use serde_json::json;

use super::{RunJson, View, human};
use crate::address::Address;
use crate::change::{Action, Change, Steps};
use crate::execute::{Fate, Run};
use crate::machine::{Failure, FailureKind};
use crate::plan::Plan;
use crate::report::Look;

fn change(kind: &str, name: &str, action: Action) -> Change {
    Change {
        address: Address::new(kind, name),
        action,
        reasons: Vec::new(),
        attributes: Vec::new(),
        risks: Vec::new(),
        steps: Steps::default(),
        after: Vec::new(),
    }
}

fn plan() -> Plan {
    Plan {
        stack: "local-ai".to_owned(),
        changes: vec![
            change("directory", "~/data", Action::Create),
            change("container", "ollama", Action::Replace),
            change("container", "open-webui", Action::Create),
        ],
        ..Plan::default()
    }
}

fn failed_run() -> Run {
    let failure = Failure::new(FailureKind::NotUp, "it exited with code 101 after 3 restarts")
        .log(vec!["thread 'main' panicked".to_owned(), "\u{1b}[31mbye".to_owned()])
        .hint("Read its log with `journalctl --user -u podman-local-ai-ollama`.");
    let ollama = Address::new("container", "ollama");
    let fates = [
        (Address::new("directory", "~/data"), Fate::Done),
        (ollama.clone(), Fate::Undone { step: "wait until ollama is healthy".to_owned(), failure }),
        (Address::new("container", "open-webui"), Fate::Skipped { because: ollama }),
    ];
    Run { fates: fates.into(), ..Run::default() }
}

fn view<'a>(plan: &'a Plan, run: &'a Run, remaining: &'a Plan) -> View<'a> {
    let wanted = "The machine is as stack.yaml says.";
    View {
        verb: "Apply",
        plan,
        run,
        remaining,
        wanted,
        kept: &[],
        converged: false,
        exit_code: 3,
        look: Look::default(),
    }
}

#[test]
fn each_fate_is_told_with_its_reason_and_log() {
    let (plan, run) = (plan(), failed_run());
    let remaining = Plan { changes: vec![change("container", "ollama", Action::Replace)], ..Plan::default() };
    let expected = "  + directory.~/data      created
  x container.ollama      replace failed; taken back, it is as before
      wait until ollama is healthy: it exited with code 101 after 3 restarts
      the end of its log:
          thread 'main' panicked
          \\u{1b}[31mbye
      what to do: Read its log with
        `journalctl --user -u podman-local-ai-ollama`.
    container.open-webui  not begun, because of container.ollama

What still differs:

-/+ container.ollama  replace

Apply: 1 done, 1 undone, 1 skipped. It did not converge.
";
    assert_eq!(human(&view(&plan, &run, &remaining)), expected);
}

#[test]
fn a_run_that_converged_ends_with_what_was_wanted() {
    let plan = Plan { changes: vec![change("container", "x", Action::Start)], ..Plan::default() };
    let run = Run { fates: [(Address::new("container", "x"), Fate::Done)].into(), ..Run::default() };
    let remaining = Plan::default();
    let text = human(&View { converged: true, exit_code: 0, ..view(&plan, &run, &remaining) });
    assert_eq!(text, "  > container.x  started\n\nApply: 1 done. The machine is as stack.yaml says.\n");
}

/// The words of a fate are never torn: behind the address, or below it.
#[test]
fn a_long_address_has_its_fate_below_it() {
    let image = change("image", "docker.io/qdrant/qdrant:v1.15.4", Action::Create);
    let long = change("directory", &format!("~/{}", "long/".repeat(12)), Action::Create);
    let failure = || Failure::new(FailureKind::Refused, "no space left on device");
    let failed =
        || Fate::Failed { step: "pull docker.io/qdrant/qdrant".to_owned(), failure: failure(), undo_failure: None };
    let fates = [(image.address.clone(), failed()), (long.address.clone(), Fate::Done)];
    let plan = Plan { changes: vec![image, long], ..Plan::default() };
    let run = Run { fates: fates.into(), ..Run::default() };
    let expected = format!(
        "  x image.docker.io/qdrant/qdrant:v1.15.4\n      pull failed; what was done of it stays\n      \
         pull docker.io/qdrant/qdrant: no space left on device\n  + directory.~/{}\n      created\n",
        "long/".repeat(12)
    );
    let text = human(&view(&plan, &run, &plan));
    assert!(text.starts_with(&expected), "{text}");
}

/// After a great run with one failure, the failure is what is looked for.
#[test]
fn many_that_ended_alike_stand_together() {
    let mut changes: Vec<Change> =
        (1..=40).map(|number| change("container", &format!("c{number}"), Action::Create)).collect();
    changes.push(change("container", "broken", Action::Create));
    changes.extend((1..=3).map(|number| change("service", &format!("s{number}"), Action::Create)));
    let broken = Address::new("container", "broken");
    let fate = |change: &Change| match change.address.kind() {
        "service" => Fate::Skipped { because: broken.clone() },
        _ if change.address == broken => {
            Fate::Undone { step: "start".to_owned(), failure: Failure::new(FailureKind::NotUp, "it exited") }
        }
        _ => Fate::Done,
    };
    let fates = changes.iter().map(|change| (change.address.clone(), fate(change))).collect();
    let plan = Plan { changes, ..Plan::default() };
    let text = human(&view(&plan, &Run { fates, ..Run::default() }, &Plan::default()));
    let expected = "  + 40 created
      container.c1, container.c2, container.c3, container.c4, container.c5,
      container.c6, container.c7, container.c8, container.c9, container.c10,
      container.c11, container.c12, container.c13, container.c14, container.c15,
      container.c16, container.c17, container.c18, container.c19, container.c20,
      container.c21, container.c22, container.c23, container.c24, and 16 more
  x container.broken  create failed; taken back, it is as before
      start: it exited
    3 not begun, because of container.broken
      service.s1, service.s2, service.s3

Apply: 40 done, 1 undone, 3 skipped. It did not converge.
";
    assert_eq!(text, expected);
}

#[test]
fn programs_get_fates_failures_and_what_remains() {
    let (plan, run) = (plan(), failed_run());
    let remaining = Plan { changes: vec![change("container", "ollama", Action::Replace)], ..Plan::default() };
    let json = serde_json::to_value(RunJson::from(&view(&plan, &run, &remaining))).expect("JSON");
    assert_eq!(json["changes"][0], json!({"address": "directory.~/data", "action": "create", "fate": "done"}));
    assert_eq!(json["changes"][1]["fate"], "undone");
    assert_eq!(json["changes"][1]["failure"]["kind"], "not_up");
    assert_eq!(json["changes"][1]["log"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["changes"][2]["because"], "container.ollama");
    assert_eq!(json["converged"], false);
    assert_eq!(json["remaining"][0]["address"], "container.ollama");
    assert_eq!(json["exit_code"], 3);
}
