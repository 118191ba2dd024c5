//! The state of what runs, for people and for programs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{Look, Page, clipped, duration, escaped, padded, width, wrapped};
use super::words::{Colour, FORMAT_VERSION, WIDTH};
use crate::address::Address;
use crate::time::rfc3339;

/// Whether a thing is as it should be while nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, and nothing more was promised.
    Running,
    Healthy,
    /// It runs, is not healthy yet, and still has time.
    Starting,
    Unhealthy,
    /// A one-shot that ended well.
    Completed,
    /// It ended and waits to be started again by systemd.
    Restarting,
    /// It ended badly, and nothing starts it again.
    Failed,
    Stopped,
    /// There is no such object.
    Missing,
    Unknown,
}

impl State {
    pub const fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Healthy => "healthy",
            State::Starting => "starting",
            State::Unhealthy => "unhealthy",
            State::Completed => "completed",
            State::Restarting => "restarting",
            State::Failed => "failed",
            State::Stopped => "stopped",
            State::Missing => "missing",
            State::Unknown => "unknown",
        }
    }

    pub const fn is_up(self) -> bool {
        matches!(self, State::Running | State::Healthy | State::Completed)
    }

    const fn colour(self) -> Colour {
        match self {
            State::Running | State::Healthy | State::Completed => Colour::Good,
            State::Starting | State::Unknown => Colour::Careful,
            State::Unhealthy | State::Restarting | State::Failed | State::Stopped | State::Missing => Colour::Bad,
        }
    }
}

/// One resource that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub address: Address,
    pub state: State,
    /// Since when it is up, in microseconds of the wall clock.
    pub since_us: Option<u64>,
    pub restarts: Option<u32>,
    /// Of what has ended.
    pub exit_code: Option<i32>,
    /// The last probe's answer.
    pub answer: Option<String>,
    /// While it starts: the time until it counts as unhealthy.
    pub time_left: Option<Duration>,
    /// Why its state is not known.
    pub why: Option<String>,
}

impl Row {
    pub fn new(address: Address, state: State) -> Self {
        Self {
            address,
            state,
            since_us: None,
            restarts: None,
            exit_code: None,
            answer: None,
            time_left: None,
            why: None,
        }
    }
}

/// What `status` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub stack: String,
    pub rows: Vec<Row>,
    /// Why systemd could not be asked, where that runs units of the stack: restarts are not known then.
    pub unasked: Option<String>,
    /// When it was looked, in microseconds of the wall clock.
    pub at_us: u64,
}

impl Status {
    pub fn is_up(&self) -> bool {
        self.rows.iter().all(|row| row.state.is_up())
    }

    pub fn is_known(&self) -> bool {
        self.unasked.is_none() && self.rows.iter().all(|row| row.state != State::Unknown)
    }
}

const HEAD: [&str; 5] = ["ADDRESS", "STATE", "SINCE", "RESTARTS", "LAST ANSWER"];

/// A longer address stands on a line of its own, so that it does not push the other columns out of sight.
const ADDRESS_MAX: usize = 40;

/// A table; what does not fit in the last column is told below its row, and a reason that several rows share below them all.
pub fn human(status: &Status, look: Look) -> String {
    if status.rows.is_empty() {
        return format!(
            "Nothing in the stack {} runs: it declares no container and no service.\n",
            escaped(&status.stack)
        );
    }
    let shared = shared_reasons(status);
    let cells: Vec<[String; 5]> = status.rows.iter().map(|row| cells(row, status.at_us, &shared)).collect();
    let fits = |column: usize, text: &str| column > 0 || width(text) <= ADDRESS_MAX;
    let widths: Vec<usize> = (0..4)
        .map(|column| {
            let texts = cells.iter().map(|cells| cells[column].as_str()).filter(|text| fits(column, text));
            texts.map(width).chain([HEAD[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let before: usize = widths.iter().map(|width| width + 2).sum();
    let mut page = Page::default();
    page.line(0, &look.paint(Colour::Bold, line(&HEAD.map(str::to_owned), &widths, Look::default(), None).trim_end()));
    for (row, mut cells) in status.rows.iter().zip(cells) {
        if !fits(0, &cells[0]) {
            page.line(0, &std::mem::take(&mut cells[0]));
        }
        let below = if before + width(&cells[4]) > WIDTH { std::mem::take(&mut cells[4]) } else { String::new() };
        page.line(0, line(&cells, &widths, look, Some(row.state)).trim_end());
        if !below.is_empty() {
            page.line(6, &wrapped(&below, 6, 6));
        }
    }
    page.line(0, "");
    for (why, count) in shared {
        page.words(0, &format!("Not known of {count}: {why}"));
    }
    let told = |why: &String| status.rows.iter().any(|row| row.why.as_ref() == Some(why));
    if let Some(why) = status.unasked.as_ref().filter(|why| !told(why)) {
        page.words(0, &format!("Not known: restarts, and whether systemd keeps it up: {}", escaped(why)));
    }
    let up = status.rows.iter().filter(|row| row.state.is_up()).count();
    page.line(0, &format!("Status: {up} of {} up.", status.rows.len()));
    page.0
}

/// Why states are not known, where more than one row says the same, with their number.
fn shared_reasons(status: &Status) -> Vec<(&str, usize)> {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    let unknown = status.rows.iter().filter(|row| row.state == State::Unknown);
    for why in unknown.filter_map(|row| row.why.as_deref()) {
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    reasons.retain(|(_, count)| *count > 1);
    reasons
}

fn line(cells: &[String; 5], widths: &[usize], look: Look, state: Option<State>) -> String {
    let [address, word, since, restarts, answer] = cells;
    let word = look.paint(state.map_or(Colour::Plain, State::colour), &format!("{word:0$}", widths[1]));
    let address = padded(address, widths[0]);
    format!("{address}  {word}  {since:0$}  {restarts:1$}  {answer}", widths[2], widths[3])
}

fn cells(row: &Row, now_us: u64, shared: &[(&str, usize)]) -> [String; 5] {
    let Row { address, state, since_us, restarts, exit_code, answer, time_left, why } = row;
    let word = match exit_code {
        Some(code) if !matches!(state, State::Completed) => format!("{} ({code})", state.word()),
        _ => state.word().to_owned(),
    };
    let since = since_us.map(|since| duration(Duration::from_micros(now_us.saturating_sub(since))));
    let mut answers: Vec<String> = answer.iter().map(|answer| clipped(&escaped(answer), 200)).collect();
    answers.extend(time_left.map(|left| format!("{} left", duration(left))));
    let own = why.as_deref().filter(|why| *state != State::Unknown || shared.iter().all(|(reason, _)| reason != why));
    answers.extend(own.map(escaped));
    let restarts = restarts.map(|restarts| restarts.to_string()).unwrap_or_default();
    [escaped(&address.to_string()), word, since.unwrap_or_default(), restarts, answers.join(", ")]
}

/// What `status --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusJson<'a> {
    /// `1`. Keys may be added under the same version.
    pub format_version: &'static str,
    /// Name of the stack.
    pub stack: &'a str,
    /// Containers and services, by address.
    pub resources: Vec<RowJson<'a>>,
    /// Every one of them is up.
    pub up: bool,
    /// Why systemd could not be asked, so that restarts are not known.
    pub unasked: Option<&'a str>,
}

/// One container or service.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RowJson<'a> {
    /// Which one.
    pub address: &'a Address,
    /// `running`, `healthy`, `starting`, `unhealthy`, `completed`, `restarting`, `failed`, `stopped`, `missing` or `unknown`.
    pub state: &'static str,
    /// It runs, and answers where an answer is promised; or it has ended well.
    pub up: bool,
    /// Since when it is up, in UTC (RFC 3339).
    pub since: Option<String>,
    /// How often systemd has started it again.
    pub restarts: Option<u32>,
    /// Of what has ended.
    pub exit_code: Option<i32>,
    /// The last probe's answer.
    pub answer: Option<&'a str>,
    /// While it starts: seconds until it counts as unhealthy.
    pub seconds_left: Option<u64>,
    /// Why its state is not known.
    pub why: Option<&'a str>,
}

impl<'a> From<&'a Status> for StatusJson<'a> {
    fn from(status: &'a Status) -> Self {
        let rows = status.rows.iter().map(|row| {
            let Row { address, state, since_us, restarts, exit_code, answer, time_left, why } = row;
            RowJson {
                address,
                state: state.word(),
                up: state.is_up(),
                since: since_us.map(rfc3339),
                restarts: *restarts,
                exit_code: *exit_code,
                answer: answer.as_deref(),
                seconds_left: time_left.map(|left| left.as_secs()),
                why: why.as_deref(),
            }
        });
        Self {
            format_version: FORMAT_VERSION,
            stack: &status.stack,
            resources: rows.collect(),
            up: status.is_up(),
            unasked: status.unasked.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Row, State, Status, StatusJson, human};
    use crate::address::Address;
    use crate::report::Look;

    fn status() -> Status {
        let address = |name| Address::new("container", name);
        let hour = 3_600_000_000;
        let healthy = Row {
            since_us: Some(hour),
            restarts: Some(0),
            answer: Some("200 OK".to_owned()),
            ..Row::new(address("ollama"), State::Healthy)
        };
        let starting = Row {
            since_us: Some(5 * hour - 40_000_000),
            restarts: Some(35),
            answer: Some("connection refused".to_owned()),
            time_left: Some(Duration::from_secs(80)),
            ..Row::new(address("open-webui"), State::Starting)
        };
        let failed = Row { exit_code: Some(101), restarts: Some(5), ..Row::new(address("qdrant"), State::Failed) };
        Status { stack: "local-ai".to_owned(), rows: vec![healthy, starting, failed], unasked: None, at_us: 5 * hour }
    }

    #[test]
    fn the_table_says_what_is_up_and_what_is_not() {
        let expected = "\
ADDRESS               STATE         SINCE  RESTARTS  LAST ANSWER
container.ollama      healthy       4 h    0         200 OK
container.open-webui  starting      40 s   35
      connection refused, 1 min 20 s left
container.qdrant      failed (101)         5

Status: 1 of 3 up.
";
        assert_eq!(human(&status(), Look::default()), expected);
        assert!(!status().is_up());
    }

    #[test]
    fn what_several_share_is_told_once_and_long_names_do_not_spread_the_table() {
        let row = |name: &str| Row {
            why: Some("podman system service: there is no such program".to_owned()),
            ..Row::new(Address::new("container", name), State::Unknown)
        };
        let long = "a-name-that-somebody-thought-about-for-long";
        let up = Row { restarts: Some(2), ..Row::new(Address::new("service", long), State::Running) };
        let status = Status { stack: "s".to_owned(), rows: vec![row("db"), row("web"), up], unasked: None, at_us: 0 };
        let expected = "\
ADDRESS        STATE    SINCE  RESTARTS  LAST ANSWER
container.db   unknown
container.web  unknown
service.a-name-that-somebody-thought-about-for-long
               running         2

Not known of 2: podman system service: there is no such program
Status: 1 of 3 up.
";
        assert_eq!(human(&status, Look::default()), expected);
    }

    #[test]
    fn a_machine_that_could_not_be_asked_all_is_not_known_well() {
        let row = Row::new(Address::new("container", "db"), State::Running);
        let unasked = Some("no bus".to_owned());
        let status = Status { stack: "s".to_owned(), rows: vec![row], unasked, at_us: 0 };
        let text = human(&status, Look::default());
        assert!(text.contains("Not known: restarts, and whether systemd keeps it up: no bus\n"), "{text}");
        assert!(status.is_up() && !status.is_known());
    }

    #[test]
    fn programs_get_times_in_utc() {
        let status = status();
        let json = serde_json::to_value(StatusJson::from(&status)).expect("JSON");
        assert_eq!(json["resources"][0]["since"], "1970-01-01T01:00:00Z");
        assert_eq!(json["resources"][1]["seconds_left"], 80);
        assert_eq!(json["up"], false);
    }
}
