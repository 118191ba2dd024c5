//! What the ledger tells of runs: all of them in a table, and one with its changes and steps.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{Look, Page, clipped, duration, escaped, padded, width, wrapped};
use super::words::{Colour, FORMAT_VERSION, WIDTH};
use crate::ledger::{ChangeRow, RunDetail, RunRow, StepRow};
use crate::time::rfc3339;

/// What `history --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HistoryJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// The latest first.
    pub runs: Vec<RunOfHistoryJson<'a>>,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunOfHistoryJson<'a> {
    /// What `show` takes.
    pub id: i64,
    /// `apply`, `destroy` and the like.
    pub verb: &'a str,
    /// The command line; values of variables are left out.
    pub command: &'a str,
    /// Of stackctl.
    pub version: &'a str,
    /// Of the process that made it.
    pub pid: u32,
    /// In UTC (RFC 3339).
    pub started: String,
    /// In UTC (RFC 3339); null where it was killed, or is still at work.
    pub ended: Option<String>,
    /// Null where it has not ended.
    pub exit_code: Option<u8>,
    /// How many changes it set out to make.
    pub changes: usize,
}

/// What `show --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ShowJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// The run itself.
    pub run: RunOfHistoryJson<'a>,
    /// In the plan's order.
    pub changes: Vec<ChangeOfRunJson<'a>>,
}

/// One change of a run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangeOfRunJson<'a> {
    /// What it is about.
    pub address: String,
    /// As in a plan.
    pub action: &'a str,
    /// Why, as the plan said.
    pub reasons: Vec<&'a str>,
    /// `done`, `undone`, `failed`, `skipped` or `interrupted`; null where the run was killed first.
    pub fate: Option<&'a str>,
    /// What went wrong, or for which address it was skipped.
    pub failure: Option<&'a str>,
    /// Every state of every step, in the order in which they were written.
    pub steps: Vec<StepOfRunJson<'a>>,
}

/// One row of the journal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StepOfRunJson<'a> {
    /// Its place in the change, from 0.
    pub ordinal: usize,
    /// What is called on what.
    pub text: &'a str,
    /// `intended`, `done`, `failed`, `undoing`, `undone` or `undo failed`.
    pub state: &'a str,
    /// In UTC (RFC 3339).
    pub at: String,
}

fn utc(at_us: i64) -> String {
    rfc3339(u64::try_from(at_us).unwrap_or_default())
}

impl<'a> From<&'a RunRow> for RunOfHistoryJson<'a> {
    fn from(row: &'a RunRow) -> Self {
        let RunRow { id, verb, command, pid, version, started_us, ended_us, exit_code, changes } = row;
        Self {
            id: *id,
            verb,
            command,
            version,
            pid: *pid,
            started: utc(*started_us),
            ended: ended_us.map(utc),
            exit_code: *exit_code,
            changes: *changes,
        }
    }
}

impl<'a> HistoryJson<'a> {
    pub fn new(stack: &'a str, runs: &'a [RunRow]) -> Self {
        Self { format_version: FORMAT_VERSION, stack, runs: runs.iter().map(RunOfHistoryJson::from).collect() }
    }
}

impl<'a> ShowJson<'a> {
    pub fn new(stack: &'a str, detail: &'a RunDetail) -> Self {
        let step = |step: &'a StepRow| StepOfRunJson {
            ordinal: step.ordinal,
            text: &step.text,
            state: &step.state,
            at: utc(step.at_us),
        };
        let change = |change: &'a ChangeRow| ChangeOfRunJson {
            address: change.address.to_string(),
            action: &change.action,
            reasons: change.reasons.lines().collect(),
            fate: change.fate.as_deref(),
            failure: change.failure.as_deref(),
            steps: detail.steps.iter().filter(|row| row.address == change.address).map(step).collect(),
        };
        let changes = detail.changes.iter().map(change).collect();
        Self { format_version: FORMAT_VERSION, stack, run: RunOfHistoryJson::from(&detail.run), changes }
    }
}

const HEAD: [&str; 6] = ["RUN", "WHEN (UTC)", "VERB", "EXIT", "CHANGES", "COMMAND"];

/// One line for each run; the command is what gives way to the width.
pub fn table(runs: &[RunRow], look: Look) -> String {
    if runs.is_empty() {
        return "No run yet: nothing was applied.\n".to_owned();
    }
    let cells: Vec<[String; 6]> = runs.iter().map(cells).collect();
    let widths: Vec<usize> = (0..5)
        .map(|column| cells.iter().map(|row| width(&row[column])).chain([HEAD[column].len()]).max().unwrap_or(0))
        .collect();
    let room = WIDTH.saturating_sub(widths.iter().map(|width| width + 2).sum());
    let line = |cells: &[String; 6]| {
        let fixed: String = (0..5).map(|column| padded(&cells[column], widths[column]) + "  ").collect();
        format!("{fixed}{}", clipped(&cells[5], room)).trim_end().to_owned()
    };
    let mut page = Page::default();
    page.line(0, &look.paint(Colour::Bold, &line(&HEAD.map(str::to_owned))));
    cells.iter().for_each(|row| page.line(0, &line(row)));
    page.0
}

fn cells(run: &RunRow) -> [String; 6] {
    let when = utc(run.started_us).replace('T', " ").trim_end_matches('Z').to_owned();
    let exit = run.exit_code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    [run.id.to_string(), when, escaped(&run.verb), exit, run.changes.to_string(), escaped(&run.command)]
}

/// One run: how it went, then each change with its fate and its steps as they ended.
pub fn page(detail: &RunDetail, look: Look) -> String {
    let RunDetail { run, changes, steps } = detail;
    let mut page = Page::default();
    let title = format!("Run {}: {}, {}", run.id, escaped(&run.verb), utc(run.started_us));
    page.line(0, &look.paint(Colour::Bold, &title));
    page.words(2, &format!("`{}`, stackctl {}", run.command, run.version));
    let since = |at_us: i64| Duration::from_micros(u64::try_from(at_us - run.started_us).unwrap_or_default());
    page.words(
        2,
        &match (run.ended_us, run.exit_code) {
            (Some(ended), Some(code)) => format!("exit code {code} after {}", duration(since(ended))),
            _ => format!("it did not end: it was killed, or is still at work (pid {})", run.pid),
        },
    );
    for change in changes {
        page.line(0, "");
        let fate = change.fate.as_deref().unwrap_or("not known");
        let colour = match fate {
            "done" => Colour::Good,
            "skipped" | "interrupted" => Colour::Careful,
            _ => Colour::Bad,
        };
        let head = format!("{}  {}  ", escaped(&change.address.to_string()), escaped(&change.action));
        page.line(2, &(head + &look.paint(colour, fate)));
        let because = if fate == "skipped" { "because of " } else { "" };
        change.failure.iter().for_each(|failure| page.words(6, &format!("{because}{failure}")));
        let of_change: Vec<&StepRow> = steps.iter().filter(|step| step.address == change.address).collect();
        for (at, step) in of_change.iter().enumerate() {
            let ended = step.state != "intended" && step.state != "undoing";
            let is_last = !of_change[at + 1..].iter().any(|later| later.ordinal == step.ordinal);
            if ended || is_last {
                let state = if ended { step.state.as_str() } else { "begun, and its end is not known" };
                let after = format!("{:.1} s", since(step.at_us).as_secs_f64());
                let told = wrapped(&format!("{}: {state}", step.text), 15, 17);
                page.line(6, &format!("{after:>7}  {told}"));
            }
        }
    }
    page.0
}

#[cfg(test)]
mod tests {
    use super::{page, table};
    use crate::address::Address;
    use crate::ledger::{ChangeRow, RunDetail, RunRow, StepRow};
    use crate::report::Look;

    fn run(id: i64, ended_us: Option<i64>) -> RunRow {
        RunRow {
            id,
            verb: "apply".to_owned(),
            command: format!("stackctl apply -y -f {}", "long/".repeat(20)),
            pid: 77,
            version: "0.1.0".to_owned(),
            started_us: 1_000_000,
            ended_us,
            exit_code: ended_us.map(|_| 3),
            changes: 2,
        }
    }

    #[test]
    fn the_table_keeps_to_the_width_and_tells_what_did_not_end() {
        assert_eq!(table(&[], Look::default()), "No run yet: nothing was applied.\n");
        let text = table(&[run(12, None), run(3, Some(2_000_000))], Look::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "RUN  WHEN (UTC)           VERB   EXIT  CHANGES  COMMAND");
        assert!(lines[1].starts_with("12   1970-01-01 00:00:01  apply  none  2        stackctl apply -y -f long/"));
        assert!(lines[2].starts_with("3    1970-01-01 00:00:01  apply  3     2        "));
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_run_is_told_step_by_step() {
        let address = Address::new("container", "web");
        let step = |ordinal, state: &str, at_us| StepRow {
            address: address.clone(),
            ordinal,
            text: format!("call {ordinal}"),
            state: state.to_owned(),
            at_us,
        };
        let failed = ChangeRow {
            address: address.clone(),
            action: "replace".to_owned(),
            reasons: "the image differs".to_owned(),
            fate: Some("undone".to_owned()),
            failure: Some("call 1: it is sick".to_owned()),
        };
        let skipped = ChangeRow {
            address: Address::new("container", "app"),
            action: "create".to_owned(),
            reasons: String::new(),
            fate: Some("skipped".to_owned()),
            failure: Some("container.web".to_owned()),
        };
        let steps = vec![
            step(0, "intended", 1_000_000),
            step(0, "done", 1_500_000),
            step(1, "intended", 1_500_000),
            step(1, "failed", 3_000_000),
            step(0, "undoing", 3_000_000),
        ];
        let detail = RunDetail { run: run(3, Some(4_000_000)), changes: vec![failed, skipped], steps };
        let text = page(&detail, Look::default());
        let expected = "
  container.web  replace  undone
      call 1: it is sick
        0.5 s  call 0: done
        2.0 s  call 1: failed
        2.0 s  call 0: begun, and its end is not known

  container.app  create  skipped
      because of container.web
";
        assert!(text.starts_with("Run 3: apply, 1970-01-01T00:00:01Z\n"), "{text}");
        assert!(text.contains("  exit code 3 after 3 s\n"), "{text}");
        assert!(text.ends_with(expected), "{text}");
        let killed = RunDetail { run: run(3, None), changes: Vec::new(), steps: Vec::new() };
        assert!(page(&killed, Look::default()).contains("it was killed, or is still at work (pid 77)"));
    }
}
