//! Plays the servers of the ai-stack where their images cannot be had: one static program, one personality per server.
//!
//! It answers the real routes with the real shapes (each cited in its module) and keeps data where the real server keeps
//! it, so that a stack file needs another `image:` and nothing else. It may not grow behaviour that no server shows,
//! except for the knobs of [`behaviour`], which let a test make any of them slow, sick or stubborn.
//!
//! ```text
//! stand-in ollama|qdrant|open-webui|mindsdb|aidb    serve until SIGTERM; without a name, the one in $STAND_IN
//! stand-in sleep                                    serve nothing until SIGTERM
//! stand-in healthcheck URL                          exit 0 if GET URL answers 2xx within 5 s, else 1
//! stand-in get|post|put URL                         the same, and print the body
//! stand-in ports COUNT                              print COUNT free TCP ports of 127.0.0.1
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a server of its own, apart from the crate's seam to the machine"
)]

mod aidb;
mod behaviour;
mod client;
mod mindsdb;
mod ollama;
mod open_webui;
mod qdrant;
mod server;

use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use behaviour::Behaviour;

/// A server that is played: where it listens and what it answers.
trait Personality: Send + Sync {
    fn listens(&self) -> Listens;

    /// Called once, before anything listens. The server stays 503 until this returns.
    fn start(&self) -> anyhow::Result<()> {
        Ok(())
    }

    fn answer(&self, request: &server::Request) -> server::Response;
}

/// The addresses of a server; the first port is the one that `STAND_IN_PORT` replaces.
struct Listens {
    host: &'static str,
    ports: Vec<u16>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log(&format!("error: {error:#}"));
            ExitCode::from(1)
        }
    }
}

fn run(words: &[&str]) -> anyhow::Result<u8> {
    match words {
        [] => {
            let name = std::env::var("STAND_IN").context("whom to play? name it, or set STAND_IN")?;
            serve(&name)
        }
        ["healthcheck", url] => client::call("GET", url).map(|_| 0),
        [method @ ("get" | "post" | "put"), url] => {
            print(&client::call(&method.to_uppercase(), url)?);
            Ok(0)
        }
        ["ports", count] => {
            // All are bound before the first is let go, so that no two are the same.
            let held: Vec<TcpListener> = (0..count.parse::<u16>().context("ports: how many?")?)
                .map(|_| TcpListener::bind("127.0.0.1:0"))
                .collect::<Result<_, _>>()?;
            for listener in &held {
                print(&listener.local_addr()?.port().to_string());
            }
            Ok(0)
        }
        [name] => serve(name),
        _ => bail!("cannot do `{}`", words.join(" ")),
    }
}

fn serve(name: &str) -> anyhow::Result<u8> {
    let behaviour = Behaviour::from_environment()?;
    let personality: Option<Box<dyn Personality>> = match name {
        "ollama" => Some(Box::new(ollama::Ollama::new())),
        "qdrant" => Some(Box::new(qdrant::Qdrant::new())),
        "open-webui" => Some(Box::new(open_webui::OpenWebui::new(&behaviour))),
        "mindsdb" => Some(Box::new(mindsdb::Mindsdb::new())),
        "aidb" => Some(Box::new(aidb::Aidb::new()?)),
        "sleep" => None,
        other => bail!("cannot play `{other}`"),
    };
    log(&format!("{name}: start, pid {}", std::process::id()));
    let code = behaviour.live(name, personality)?;
    log(&format!("{name}: end, exit {code}"));
    Ok(code)
}

/// Writes one line with the seconds since 1970 before it, so that the order of several servers can be told.
fn log(text: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    print(&format!("{}.{:03} {text}", now.as_secs(), now.subsec_millis()));
}

/// A reader that went away is no reason to stop serving.
fn print(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").ok();
}

/// The directory that the server keeps its data in: `STAND_IN_DATA`, or the real server's own.
fn data_directory(real: &str) -> std::path::PathBuf {
    std::env::var_os("STAND_IN_DATA").map_or_else(|| real.into(), Into::into)
}

/// Makes a directory of the server's data and what leads to it.
fn make_directory(path: &std::path::Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

/// The version that the server names: `STAND_IN_VERSION`, or the one that the stack file pins.
fn version(pinned: &str) -> String {
    std::env::var("STAND_IN_VERSION").unwrap_or_else(|_| pinned.to_owned())
}
