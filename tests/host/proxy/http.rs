//! Podman's socket: HTTP/1.1 with keep-alive, chunked and streamed replies, and hijacked connections. Only heads are
//! read; bodies pass as they come.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use serde_json::json;

use crate::log::{Act, Call, Log};
use crate::wire::Wire;

/// No HTTP, no JSON, no text.
const GARBAGE: &[u8] = b"\xff\x00HTP/9 nonsense\r\n\r\n\x80{";
/// As podman answers what went wrong in it.
const REFUSAL: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\
    Connection: close\r\n\r\n{\"cause\":\"refused\",\"message\":\"refused by the test\",\"response\":5}";

/// What a reply's length depends on besides the reply.
#[derive(Debug)]
struct Asked {
    call: Call,
    head_only: bool,
    upgrade: bool,
}

pub(crate) fn forward(client: UnixStream, upstream: UnixStream, log: &Log) -> io::Result<()> {
    let mut requests = Wire::new(&client, &upstream)?;
    let mut replies = Wire::new(&upstream, &client)?;
    let (asked, answered) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            // The program is gone, or talks something else: podman must see that, as it would without the proxy.
            let end = pass_requests(&mut requests, log, &asked);
            drop(asked);
            if !matches!(end, Ok(End::Hijacked)) {
                requests.hang_up();
            }
        });
        let end = pass_replies(&mut replies, log, &answered);
        if !matches!(end, Ok(End::Hijacked)) {
            replies.hang_up();
        }
    });
    Ok(())
}

/// How a direction ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    /// From some point on these were no longer HTTP; each direction ends on its own.
    Hijacked,
}

fn pass_requests(wire: &mut Wire, log: &Log, asked: &mpsc::Sender<Asked>) -> io::Result<End> {
    while let Some(head) = Head::take(wire)? {
        let mut words = head.first.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default();
        let (call, act) = log.request(mutating(&method, path), &json!({ "method": method, "path": path }));
        match act {
            Act::Pass => {}
            Act::Close => return Ok(End::Closed),
            Act::Garble => {
                wire.send(GARBAGE)?;
                return Ok(End::Closed);
            }
            Act::Refuse => {
                wire.answer(REFUSAL)?;
                return Ok(End::Closed);
            }
        }
        let upgrade = head.value("upgrade").is_some();
        // Before the request goes out: its reply may be there at once. The receiver lives as long as the connection.
        asked.send(Asked { call, head_only: method == "HEAD", upgrade }).ok();
        wire.send(&head.bytes)?;
        if upgrade {
            wire.pass_rest()?;
            return Ok(End::Hijacked);
        }
        match head.body() {
            Body::Length(length) => wire.pass(length)?,
            Body::Chunked => pass_chunks(wire)?,
            Body::Unsaid => {}
        }
    }
    Ok(End::Closed)
}

fn pass_replies(wire: &mut Wire, log: &Log, answered: &mpsc::Receiver<Asked>) -> io::Result<End> {
    while let Some(head) = Head::take(wire)? {
        let status: u16 = head.first.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
        // 100 Continue announces that the reply proper is still to come.
        if (100..200).contains(&status) && status != 101 {
            wire.send(&head.bytes)?;
            continue;
        }
        let Ok(asked) = answered.recv() else { return Ok(End::Closed) };
        match log.reply(asked.call, &json!({ "status": status })) {
            Act::Pass => {}
            Act::Close | Act::Refuse => return Ok(End::Closed),
            Act::Garble => {
                wire.send(GARBAGE)?;
                return Ok(End::Closed);
            }
        }
        wire.send(&head.bytes)?;
        // Podman hijacks with 101, and with 200 where the client asked for an upgrade.
        if status == 101 || (asked.upgrade && status == 200) {
            wire.pass_rest()?;
            return Ok(End::Hijacked);
        }
        if asked.head_only || status == 204 || status == 304 {
            continue;
        }
        match head.body() {
            Body::Length(length) => wire.pass(length)?,
            Body::Chunked => pass_chunks(wire)?,
            Body::Unsaid => {
                wire.pass_rest()?;
                return Ok(End::Closed);
            }
        }
    }
    Ok(End::Closed)
}

/// Waiting for a container is a POST in podman's API, and changes nothing.
fn mutating(method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    !matches!(method, "GET" | "HEAD") && !path.ends_with("/wait")
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked,
    /// A request has none then; a reply lasts to the end of the connection.
    Unsaid,
}

/// A request's or reply's first line and headers.
#[derive(Debug)]
struct Head {
    first: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    bytes: Vec<u8>,
}

impl Head {
    /// None at the end of the stream.
    fn take(wire: &mut Wire) -> io::Result<Option<Head>> {
        let mut head = Head { first: String::new(), headers: Vec::new(), bytes: Vec::new() };
        loop {
            let line = wire.line()?;
            if line.is_empty() {
                return Ok(None);
            }
            head.bytes.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            match text.split_once(':') {
                _ if text.is_empty() => return Ok(Some(head)),
                _ if head.first.is_empty() => head.first = text,
                Some((name, value)) => head.headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn body(&self) -> Body {
        if self.value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Body::Chunked;
        }
        self.value("content-length").and_then(|value| value.parse().ok()).map_or(Body::Unsaid, Body::Length)
    }
}

fn pass_chunks(wire: &mut Wire) -> io::Result<()> {
    loop {
        let line = wire.line()?;
        wire.send(&line)?;
        let text = String::from_utf8_lossy(&line);
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if size == 0 {
            break;
        }
        // The line end behind it belongs to the chunk.
        wire.pass(size + 2)?;
    }
    // Trailers, up to the empty line.
    loop {
        let line = wire.line()?;
        wire.send(&line)?;
        if line.is_empty() || line == b"\r\n" {
            return Ok(());
        }
    }
}
