//! The user's bus: the text handshake, then D-Bus messages. Headers are read in both directions; bodies pass, of a call
//! the first string is looked at.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::json;

use crate::log::{Act, Call, Log};
use crate::wire::Wire;

/// A message may not be longer, bytes (D-Bus specification, "Message Format").
const MESSAGE_MAX: usize = 128 << 20;

/// No message of D-Bus begins like it.
const GARBAGE: &[u8] = b"\xff\x00\x80 no message of any bus, and long enough to be read as the head of one";

/// Calls by their serial, until they are answered.
type Open = Mutex<HashMap<u32, Call>>;

pub(crate) fn forward(client: UnixStream, upstream: UnixStream, log: &Log) -> io::Result<()> {
    let mut calls = Wire::new(&client, &upstream)?;
    let mut replies = Wire::new(&upstream, &client)?;
    let open = Open::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Whatever ended it, the bus must see the program gone, as it would without the proxy.
            pass_calls(&mut calls, log, &open).ok();
            calls.hang_up();
        });
        pass_replies(&mut replies, log, &open).ok();
        replies.hang_up();
    });
    Ok(())
}

fn pass_calls(wire: &mut Wire, log: &Log, open: &Open) -> io::Result<()> {
    loop {
        let line = wire.line()?;
        match line.as_slice() {
            [] => return Ok(()),
            // An unknown command in its place: the bus answers ERROR, in the order that the program expects.
            b"NEGOTIATE_UNIX_FD\r\n" => wire.send(b"NO_UNIX_FD\r\n")?,
            other => wire.send(other)?,
        }
        if line == b"BEGIN\r\n" {
            break;
        }
    }
    while let Some(message) = Message::take(wire)? {
        if message.kind == METHOD_CALL {
            let facts = json!({
                "member": message.member, "destination": message.destination, "interface": message.interface,
                "path": message.path, "argument": message.argument(),
            });
            let (call, act) = log.request(mutating(&message), &facts);
            match act {
                Act::Pass => {}
                Act::Garble => return wire.send(GARBAGE),
                // To refuse a call on the bus is to answer as the manager would; a connection that ends says as much.
                Act::Close | Act::Refuse => return Ok(()),
            }
            open.lock().unwrap_or_else(PoisonError::into_inner).insert(message.serial, call);
        }
        wire.send(&message.bytes)?;
    }
    Ok(())
}

fn pass_replies(wire: &mut Wire, log: &Log, open: &Open) -> io::Result<()> {
    // Lines of the handshake begin with a capital letter other than B; messages with their byte order, l or B.
    while !matches!(wire.peek()?, None | Some(b'l' | b'B')) {
        let line = wire.line()?;
        wire.send(&line)?;
    }
    while let Some(message) = Message::take(wire)? {
        let call =
            message.answers.and_then(|serial| open.lock().unwrap_or_else(PoisonError::into_inner).remove(&serial));
        if let Some(call) = call {
            match log.reply(call, &json!({ "error": message.error })) {
                Act::Pass => {}
                Act::Garble => return wire.send(GARBAGE),
                Act::Close | Act::Refuse => return Ok(()),
            }
        }
        wire.send(&message.bytes)?;
    }
    Ok(())
}

/// What is not known to read counts as changing something: a new call shows up in a test that expects none.
fn mutating(message: &Message) -> bool {
    const READS: &[&str] = &["Introspect", "LoadUnit", "Ping", "Subscribe", "Unsubscribe"];
    let member = message.member.as_str();
    let reads = ["Can", "Dump", "Get", "List"].iter().any(|start| member.starts_with(start)) || READS.contains(&member);
    message.destination != "org.freedesktop.DBus" && !reads
}

const METHOD_CALL: u8 = 1;

/// The parts of a message that the proxy looks at; a header that is absent is empty.
#[derive(Debug, Default)]
struct Message {
    kind: u8,
    little_endian: bool,
    serial: u32,
    answers: Option<u32>,
    path: String,
    interface: String,
    member: String,
    error: Option<String>,
    destination: String,
    signature: String,
    body: usize,
    bytes: Vec<u8>,
}

impl Message {
    /// None at the end of the stream.
    fn take(wire: &mut Wire) -> io::Result<Option<Message>> {
        if wire.peek()?.is_none() {
            return Ok(None);
        }
        let mut bytes = wire.exactly(16)?;
        let mut message = Message { kind: bytes[1], little_endian: bytes[0] == b'l', ..Message::default() };
        let number = |at| message.number(&bytes, at).map(|value| value as usize);
        let (Some(body), Some(fields)) = (number(4), number(12)) else { return Err(io::ErrorKind::InvalidData.into()) };
        message.serial = message.number(&bytes, 8).unwrap_or_default();
        message.body = 16 + fields.next_multiple_of(8);
        if message.body + body > MESSAGE_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.extend(wire.exactly(message.body + body - 16)?);
        message.bytes = bytes;
        message.read_fields(16 + fields).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(message))
    }

    /// The header fields, an array of (byte, variant); the types are those that the specification gives each field.
    fn read_fields(&mut self, end: usize) -> Option<()> {
        let mut at = 16;
        while at < end {
            let code = *self.bytes.get(at)?;
            // The variant's signature: a length, one letter, and a zero byte.
            let kind = *self.bytes.get(at + 2)?;
            at += 4;
            match kind {
                b's' | b'o' => {
                    let (text, next) = self.text(at.next_multiple_of(4))?;
                    self.keep(code, text);
                    at = next;
                }
                b'g' => {
                    let length = usize::from(*self.bytes.get(at)?);
                    self.signature = String::from_utf8_lossy(self.bytes.get(at + 1..at + 1 + length)?).into_owned();
                    at += length + 2;
                }
                b'u' => {
                    let value = self.number(&self.bytes, at.next_multiple_of(4))?;
                    if code == 5 {
                        self.answers = Some(value);
                    }
                    at = at.next_multiple_of(4) + 4;
                }
                _ => return None,
            }
            at = at.next_multiple_of(8);
        }
        Some(())
    }

    fn keep(&mut self, code: u8, text: String) {
        match code {
            1 => self.path = text,
            2 => self.interface = text,
            3 => self.member = text,
            4 => self.error = Some(text),
            6 => self.destination = text,
            _ => {}
        }
    }

    /// The first argument of a call, if it is a string or a list of strings (then its first one).
    fn argument(&self) -> Option<String> {
        let at = match self.signature.as_str() {
            text if text.starts_with('s') => self.body,
            list if list.starts_with("as") && self.number(&self.bytes, self.body)? > 0 => self.body + 4,
            _ => return None,
        };
        self.text(at).map(|(text, _)| text)
    }

    /// A string and the place behind its zero byte.
    fn text(&self, at: usize) -> Option<(String, usize)> {
        let length = self.number(&self.bytes, at)? as usize;
        let text = self.bytes.get(at + 4..at + 4 + length)?;
        Some((String::from_utf8_lossy(text).into_owned(), at + 4 + length + 1))
    }

    fn number(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.little_endian { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
    }
}
