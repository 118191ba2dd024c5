//! `stackctl wait`: waits until a server answers as it should. Units call it at boot before they start what depends on that server; it
//! needs no stack file, no podman and no bus.

use std::time::Duration;

use super::app;
use super::failure::{Exit, Failure};
use super::ui::Ui;
use crate::observed::ProbeReading;
use crate::probe::{self, Probe};

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(500);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Wait until a server answers as it should
///
/// Exit code 0 as soon as it does, 1 when the time is up.
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Example:\n  stackctl wait --http http://127.0.0.1:11434/api/tags --timeout 60"
)]
pub struct Args {
    /// Ask this URL over plain HTTP
    #[arg(long, value_name = "URL", group = "what", value_parser = url)]
    http: Option<String>,
    /// The status that must come; else any from 200 to 299
    #[arg(long, value_name = "N", conflicts_with = "tcp", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: Option<u16>,
    /// What the body must hold, such as `models[*].name`
    #[arg(long, value_name = "PREDICATE", conflicts_with = "tcp", value_parser = predicate)]
    json: Option<String>,
    /// Connect to this address
    #[arg(long, value_name = "HOST:PORT", group = "what", value_parser = host_and_port)]
    tcp: Option<String>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: u32,
}

fn url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").filter(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']));
    host.map(|_| text.to_owned()).ok_or_else(|| "write http://HOST:PORT/PATH".to_owned())
}

fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    parts.map(|_| text.to_owned()).ok_or_else(|| "write HOST:PORT, such as 127.0.0.1:6333".to_owned())
}

fn predicate(text: &str) -> Result<String, String> {
    probe::check(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

impl Args {
    fn probe(&self) -> Probe {
        match (&self.http, &self.tcp) {
            (Some(url), _) => Probe::Http { url: url.clone(), status: self.status, json: self.json.clone() },
            (None, Some(address)) => Probe::Tcp { address: address.clone() },
            (None, None) => unreachable!("the command line demands one of the two"),
        }
    }
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let probe = args.probe();
    let timeout = Duration::from_secs(u64::from(args.timeout));
    app::block_on(async {
        let last = until_it_holds(async || app::ask(&probe, PATIENCE).await, INTERVAL, timeout).await;
        match last {
            Ok(()) => Ok(Exit::Done),
            Err(answer) => {
                let text = answer.map_or_else(|| "no answer".to_owned(), |answer| format!("last answer: {answer}"));
                ui.status(&format!("not there after {} s ({text})\n", args.timeout));
                Ok(Exit::Failed)
            }
        }
    })
}

/// Asks now and then at this interval; when the time is up, the last answer.
async fn until_it_holds(
    ask: impl AsyncFn() -> ProbeReading,
    interval: Duration,
    timeout: Duration,
) -> Result<(), Option<String>> {
    let mut last = None;
    let asking = async {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let ProbeReading { passed, answer } = ask().await;
            if passed {
                return;
            }
            last = Some(answer);
        }
    };
    let held = tokio::time::timeout(timeout, asking).await.is_ok();
    if held { Ok(()) } else { Err(last) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::until_it_holds;
    use crate::observed::ProbeReading;

    /// Of a server whose answers are good from this one on.
    fn wait(good_from: u32, timeout: Duration) -> (Result<(), Option<String>>, u32) {
        let asked = Cell::new(0);
        let ask = async || {
            asked.set(asked.get() + 1);
            ProbeReading { passed: asked.get() >= good_from, answer: "connection refused".to_owned() }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let result = runtime.block_on(until_it_holds(ask, Duration::from_millis(1), timeout));
        (result, asked.get())
    }

    #[test]
    fn it_asks_until_the_answer_is_good() {
        assert_eq!(wait(3, Duration::from_secs(60)), (Ok(()), 3));
    }

    #[test]
    fn when_the_time_is_up_the_last_answer_is_told() {
        let (result, asked) = wait(u32::MAX, Duration::from_millis(20));
        assert_eq!(result, Err(Some("connection refused".to_owned())));
        assert!(asked >= 1);
    }
}
