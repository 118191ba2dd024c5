//! As much of an HTTP/1.1 server as the routes need: one thread and one request per connection. It may not know any
//! route.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::log;

/// A request that says nothing for this long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// No route needs more than this of request line, headers or body.
const REQUEST_SIZE_MAX: u64 = 64 * 1024;

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    query: String,
    pub(crate) body: String,
}

pub(crate) struct Response {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Request {
    pub(crate) fn route(&self) -> (&str, &str) {
        (&self.method, &self.path)
    }

    /// The value of a parameter of the query string, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| decoded(value))
        })
    }
}

impl Response {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string() }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: "text/plain", body: body.to_owned() }
    }
}

/// Serves until the listener breaks, which is the only way it returns.
pub(crate) fn serve<A>(host: &str, port: u16, name: &str, answer: A) -> anyhow::Result<std::convert::Infallible>
where
    A: Fn(&Request) -> Response + Send + Sync + 'static,
{
    let listener = TcpListener::bind((host, port)).with_context(|| format!("cannot listen on {host}:{port}"))?;
    log(&format!("{name}: listening on {host}:{port}"));
    let answer = Arc::new(answer);
    loop {
        // A peer that resets before it is accepted breaks the connection, not the listener.
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let answer = Arc::clone(&answer);
        std::thread::spawn(move || exchange(&stream, &*answer));
    }
}

/// One request and its answer. A client that breaks off gets none, and nobody misses it.
fn exchange(stream: &TcpStream, answer: &dyn Fn(&Request) -> Response) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let response = answer(&read(stream)?);
    let reason = if response.status < 400 { "OK" } else { "Refused" };
    let Response { status, content_type, body } = response;
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.take(REQUEST_SIZE_MAX));
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; usize::try_from(REQUEST_SIZE_MAX.min(length)).ok()?];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), body: String::from_utf8(body).ok()? })
}

/// Undoes `+` and `%41`; what is not valid stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                hexadecimal(*high) * 16 + hexadecimal(*low)
            }
            (other, _) => *other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}
