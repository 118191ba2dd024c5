//! The knobs that make a server slow, sick or stubborn, and the life of the process around them. It may not know any
//! server's routes.
//!
//! A time is `90s`, `500ms`, `2m` or `never`, and counts from the start of the process.
//!
//! | variable | default | does |
//! |---|---|---|
//! | `STAND_IN_LISTEN_AFTER` | `0s` | nothing listens until then |
//! | `STAND_IN_HEALTHY_AFTER` | `0s` | every route answers 503 until then |
//! | `STAND_IN_SCHEMA_AFTER` | `1s` | when Open WebUI makes the tables of a new database; 503 until then |
//! | `STAND_IN_MIGRATION` | | SQL that Open WebUI runs at each start, once its tables are there |
//! | `STAND_IN_EXIT` | | ends with this code, after 25 lines of log |
//! | `STAND_IN_EXIT_AFTER` | `0s` | when it does so |
//! | `STAND_IN_STOP_AFTER` | `0s` | how long after SIGTERM it ends with 0; `never` ignores the signal |
//! | `STAND_IN_PORT` | the server's | replaces its (first) port |
//! | `STAND_IN_DATA` | the server's | replaces its data directory |
//! | `STAND_IN_VERSION` | as pinned | replaces the version it names |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::{Listens, Personality, log, server};

/// A moment counted from the start of the process.
#[derive(Clone, Copy)]
pub(crate) enum After {
    Time(Duration),
    Never,
}

#[derive(Clone)]
pub(crate) struct Behaviour {
    started: Instant,
    listen: After,
    healthy: After,
    pub(crate) schema: After,
    exit: Option<(u8, After)>,
    stop: After,
    port: Option<u16>,
}

/// Its last words are the last ones, whatever comes up meanwhile.
static OVER: Mutex<bool> = Mutex::new(false);

impl Behaviour {
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let exit: Option<u8> = number("STAND_IN_EXIT")?;
        let exit_after = after("STAND_IN_EXIT_AFTER", Duration::ZERO)?;
        Ok(Self {
            started: Instant::now(),
            listen: after("STAND_IN_LISTEN_AFTER", Duration::ZERO)?,
            healthy: after("STAND_IN_HEALTHY_AFTER", Duration::ZERO)?,
            schema: after("STAND_IN_SCHEMA_AFTER", Duration::from_secs(1))?,
            exit: exit.map(|code| (code, exit_after)),
            stop: after("STAND_IN_STOP_AFTER", Duration::ZERO)?,
            port: number("STAND_IN_PORT")?,
        })
    }

    pub(crate) fn healthy(&self) -> bool {
        match self.healthy {
            After::Time(wait) => self.started.elapsed() >= wait,
            After::Never => false,
        }
    }

    /// Serves until a signal or a knob ends it, and returns the exit code.
    pub(crate) fn live(&self, name: &str, personality: Option<Box<dyn Personality>>) -> anyhow::Result<u8> {
        // Signals first: a process that is PID 1 of a container ignores SIGTERM until it has asked for it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let (broken, mut breaks) = mpsc::unbounded_channel();
            if let Some(personality) = personality {
                self.open(name, personality.into(), &broken);
            }
            let (code, exit) = self.exit.unwrap_or((0, After::Never));
            let exit = until(exit);
            tokio::pin!(exit);
            loop {
                tokio::select! {
                    biased;
                    () = &mut exit => {
                        *OVER.lock().unwrap_or_else(PoisonError::into_inner) = true;
                        (1..=25).for_each(|line| log(&format!("{name}: line {line} of 25 before exit {code}")));
                        return Ok(code);
                    }
                    Some(error) = breaks.recv() => return Err(error),
                    _ = terminate.recv() => log(&format!("{name}: SIGTERM")),
                    _ = interrupt.recv() => log(&format!("{name}: SIGINT")),
                }
                if let After::Time(_) = self.stop {
                    until(self.stop).await;
                    return Ok(0);
                }
                log(&format!("{name}: goes on all the same"));
            }
        })
    }

    /// Starts the threads that prepare and serve; what keeps them from it is sent to `broken`.
    fn open(&self, name: &str, personality: Arc<dyn Personality>, broken: &mpsc::UnboundedSender<anyhow::Error>) {
        let Listens { host, mut ports } = personality.listens();
        if let (Some(port), Some(first)) = (self.port, ports.first_mut()) {
            *first = port;
        }
        let ready = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for port in ports {
            let (behaviour, name, broken) = (self.clone(), name.to_owned(), broken.clone());
            let (personality, ready) = (Arc::clone(&personality), Arc::clone(&ready));
            std::thread::spawn(move || {
                behaviour.listen.sleep();
                let served = server::serve(host, port, &name, move |request| {
                    if behaviour.healthy() && ready.load(std::sync::atomic::Ordering::Acquire) {
                        personality.answer(request)
                    } else {
                        server::Response::text(503, "starting")
                    }
                });
                broken.send(served.expect_err("serves until it breaks")).ok();
            });
        }
        let (name, broken) = (name.to_owned(), broken.clone());
        std::thread::spawn(move || match personality.start() {
            Ok(()) => {
                ready.store(true, std::sync::atomic::Ordering::Release);
                let over = OVER.lock().unwrap_or_else(PoisonError::into_inner);
                if !*over {
                    log(&format!("{name}: ready"));
                }
            }
            Err(error) => {
                broken.send(error).ok();
            }
        });
    }
}

impl After {
    /// Blocks the thread for that long; `never` blocks it for good.
    pub(crate) fn sleep(self) {
        match self {
            Self::Time(wait) => std::thread::sleep(wait),
            Self::Never => loop {
                std::thread::park();
            },
        }
    }
}

async fn until(moment: After) {
    match moment {
        After::Time(wait) => tokio::time::sleep(wait).await,
        After::Never => std::future::pending().await,
    }
}

fn after(variable: &str, default: Duration) -> anyhow::Result<After> {
    let Ok(text) = std::env::var(variable) else { return Ok(After::Time(default)) };
    if text == "never" {
        return Ok(After::Never);
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().with_context(|| format!("{variable}={text}: not a time"))?;
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => anyhow::bail!("{variable}={text}: the unit is ms, s or m"),
    };
    Ok(After::Time(Duration::from_millis(count * unit)))
}

fn number<N: std::str::FromStr>(variable: &str) -> anyhow::Result<Option<N>>
where
    N::Err: std::error::Error + Send + Sync + 'static,
{
    let Ok(text) = std::env::var(variable) else { return Ok(None) };
    text.parse().map(Some).with_context(|| format!("{variable}={text}: not a number in range"))
}
