//! Probes from the host: one question over plain HTTP or one TCP connection, and the answer in words. TLS is not spoken:
//! what is probed listens on this machine. Redirects are not followed; that a server answers with one is an answer.

#![expect(clippy::disallowed_types, reason = "probes open their connections here")]

use std::io;
use std::time::Duration;

use hyper::body::HttpBody as _;
use hyper::{Body, Request, StatusCode, Uri, header};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::observed::ProbeReading;
use crate::probe::{self, Probe};

/// Bodies are read for a predicate alone; a longer one is no answer to a health question.
const BODY_MAX: usize = 1024 * 1024;

/// Asks once. None: the probe is none that the host can make (a container's own health check).
pub async fn ask(probe: &Probe, timeout: Duration) -> Option<ProbeReading> {
    let asking = async {
        match probe {
            Probe::Http { url, status, json } => Some(get(url, *status, json.as_deref()).await),
            Probe::Tcp { address } => Some(connect(address).await.map(|_| "connected".to_owned())),
            Probe::Container { .. } => None,
        }
    };
    let answer = match tokio::time::timeout(timeout, asking).await {
        Ok(answer) => answer?,
        Err(_) => Err(format!("no answer within {}", in_words(timeout))),
    };
    Some(match answer {
        Ok(answer) => ProbeReading { passed: true, answer },
        Err(answer) => ProbeReading { passed: false, answer },
    })
}

/// `Err` is an answer as well, just not the wanted one.
async fn get(url: &str, status: Option<u16>, json: Option<&str>) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url} is no URL: {error}"))?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let authority = authority.ok_or_else(|| format!("{url} is no URL of the form http://host:port/path"))?;
    let stream = connect(&format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::handshake(stream).await.map_err(|error| broken(&error))?;
    // The set ends the connection's task when the question has been answered or given up.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, concat!("stackctl/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*")
        .body(Body::empty())
        .map_err(|error| format!("{url} cannot be asked for: {error}"))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let answer = response.status().to_string();
    match status {
        Some(wanted) if response.status().as_u16() != wanted => return Err(format!("{answer}, not {wanted}")),
        None if !is_good(response.status()) => return Err(answer),
        _ => {}
    }
    let Some(predicate) = json else { return Ok(answer) };
    let body = read(response.into_body()).await.map_err(|why| format!("{answer}, but {why}"))?;
    let value = serde_json::from_slice(&body).map_err(|_| format!("{answer}, but its body is no JSON"))?;
    match probe::holds(predicate, &value) {
        Ok(true) => Ok(answer),
        Ok(false) if predicate.contains("==") => Err(format!("{answer}, but `{predicate}` does not hold")),
        Ok(false) => Err(format!("{answer}, but `{predicate}` selects nothing")),
        Err(error) => Err(error.to_string()),
    }
}

/// Without a wanted status any of 2xx and 3xx is good: a web page may send its visitors on to a login.
fn is_good(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

async fn read(mut body: Body) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend_from_slice(&chunk.map_err(|error| broken(&error))?);
        if bytes.len() > BODY_MAX {
            return Err("its body is over 1 MiB".to_owned());
        }
    }
    Ok(bytes)
}

/// `host:port`; a name is tried at each of its addresses.
async fn connect(address: &str) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|error| words(&error))
}

fn broken(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match cause {
        Some(cause) => words(cause),
        None if error.is_incomplete_message() || error.is_closed() => "connection closed without an answer".to_owned(),
        None if error.is_parse() => "the answer is no HTTP".to_owned(),
        None => error.to_string(),
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".to_owned(),
        _ => super::files::words(error),
    }
}

/// `1m 40s`, `45s`, `1.5s`, `0.2s`.
pub(in crate::machine) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 0..10) if duration.subsec_millis() >= 100 => format!("{:.1}s", duration.as_secs_f64()),
        (0, seconds) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, seconds) => format!("{minutes}m {seconds}s"),
    }
}

#[cfg(test)]
mod tests;
