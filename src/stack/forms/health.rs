//! `healthcheck`, and the probes that checks share with it.

use super::list::list_of_text;
use super::map::{Map, expected, invalid};
use super::scalar::{boolean, duration, integer_in, port_digits, text, word};
use super::{Described, Form, TEXT_OR_TEXTS, key};
use crate::diagnostic::{Diagnostics, Span};
use crate::stack::yaml::{Node, Value};
use std::time::Duration;

/// What is asked, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `disable: true` or `test: NONE`: none, not even the image's own.
    Disabled,
    /// Only times are given: the image's own probe with these times.
    Image,
    /// `CMD`: a program and its arguments, in the container (of a service: on the host).
    Command(Vec<String>),
    /// `CMD-SHELL`, or a text: a line for the shell of the container.
    Shell(String),
    /// A request from the host.
    Http { url: Url, expect: Expect },
    /// A connection from the host.
    Tcp { host: String, port: u16 },
}

/// Absent times are for the kind to fill in; Compose's defaults are interval 30 s, timeout 30 s, retries 3, start period 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthcheck {
    pub probe: Probe,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    pub start_period: Option<Duration>,
    pub start_interval: Option<Duration>,
    pub span: Span,
}

/// A plain `http:` address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub text: String,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// From the first slash, query included.
    pub path: String,
}

/// What an answer must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// `None`: any of 200 to 299.
    pub status: Option<u16>,
    /// A predicate over the JSON body, as written.
    pub json: Option<String>,
    pub json_span: Option<Span>,
}

pub const KEYS: &[Described] = &[
    key(
        "test",
        TEXT_OR_TEXTS,
        "A command that runs in the container: `[CMD, program, …]`, `[CMD-SHELL, line]`, a line for the shell, or `NONE`",
    ),
    key("http", Form::Text, "A URL that is asked from this machine, such as `http://127.0.0.1:11434/api/tags`"),
    key("expect", Form::Map(EXPECT_KEYS), "What the answer to `http` must be"),
    key("tcp", Form::Text, "`HOST:PORT` that must take a connection from this machine"),
    key("interval", Form::Duration, "Between two checks; 30s by itself"),
    key("timeout", Form::Duration, "How long one check may take; 30s by itself"),
    key("retries", Form::Integer, "Failures in a row that make it unhealthy; 3 by itself"),
    key("start_period", Form::Duration, "How long failures do not count after a start"),
    key("start_interval", Form::Duration, "Not supported: while starting, checks are frequent by themselves"),
    key("disable", Form::Boolean, "No check, although the image brings one"),
];
const EXPECT_KEYS: &[Described] = &[
    key("status", Form::Integer, "The status code; any success by itself"),
    key("json", Form::Text, "A path that must lead somewhere in the JSON body, such as `models[*].name`"),
];
const TEST: &str =
    "a test, such as `[CMD, curl, -f, \"http://localhost\"]`, `[CMD-SHELL, \"curl -f localhost || exit 1\"]` or `NONE`";

/// A `healthcheck` block: one of `test`, `http` and `tcp`, and times.
pub fn healthcheck(node: &Node, diagnostics: &mut Diagnostics) -> Option<Healthcheck> {
    let mut map = Map::new(node, "a healthcheck", KEYS, diagnostics)?;
    let errors = map.diagnostics.errors();
    let disabled = map.read("disable", boolean).unwrap_or(false);
    let mut probes: Vec<(Span, Probe)> = Vec::new();
    if let Some(probe) = map.read("test", test) {
        probes.push((map.span_of("test"), probe));
    }
    let url = map.read("http", url);
    let expect = map.read("expect", expect);
    if let (Some(_), None) = (&expect, map.take("http")) {
        let span = map.span_of("expect");
        map.diagnostics.error(span, "Nothing to expect", "`expect` belongs to `http`, which is not given");
    }
    if let Some(url) = url {
        probes.push((map.span_of("http"), Probe::Http { url, expect: expect.unwrap_or_default() }));
    }
    if let Some((host, port)) = map.read("tcp", tcp_target) {
        probes.push((map.span_of("tcp"), Probe::Tcp { host, port }));
    }
    if let [(first, _), (second, _), ..] = probes.as_slice() {
        let detail = "a healthcheck has one of `test`, `http` and `tcp`";
        map.diagnostics.error(*second, "Several probes", detail).related(*first, "the first one");
    }
    let probe =
        if disabled { Probe::Disabled } else { probes.into_iter().next().map_or(Probe::Image, |(_, probe)| probe) };
    let check = Healthcheck {
        probe,
        interval: map.read("interval", duration),
        timeout: map.read("timeout", duration),
        retries: map
            .read("retries", |node, diagnostics| integer_in(1..=10_000, node, diagnostics))
            .and_then(|retries| u32::try_from(retries).ok()),
        start_period: map.read("start_period", duration),
        start_interval: map.read("start_interval", duration),
        span: node.span,
    };
    let whole = map.diagnostics.errors() == errors;
    map.finish();
    // A probe that was given and could not be read must not turn into the image's own.
    whole.then_some(check)
}

/// `test`: `[CMD, …]`, `[CMD-SHELL, line]`, `[NONE]`, or a text for the shell.
pub fn test(node: &Node, diagnostics: &mut Diagnostics) -> Option<Probe> {
    if node.as_sequence().is_none() {
        let line = text(node, diagnostics)?;
        return match line.as_str() {
            "NONE" => Some(Probe::Disabled),
            "" => {
                expected(node, TEST, diagnostics);
                None
            }
            _ => Some(Probe::Shell(line)),
        };
    }
    let mut words = list_of_text(node, diagnostics)?;
    let kind = if words.is_empty() { String::new() } else { words.remove(0) };
    match (kind.as_str(), words.len()) {
        ("NONE", 0) => Some(Probe::Disabled),
        ("CMD", 1..) => Some(Probe::Command(words)),
        ("CMD-SHELL", 1) => words.pop().map(Probe::Shell),
        _ => {
            diagnostics.error(node.span, "Not a test", format!("expected {TEST}"));
            None
        }
    }
}

/// An address that the host can ask without TLS.
pub fn url(node: &Node, diagnostics: &mut Diagnostics) -> Option<Url> {
    let text = word(node, diagnostics)?;
    let url = parse_url(&text);
    if url.is_none() {
        let why = "is no address of the form `http://127.0.0.1:8080/path`";
        invalid(node, "Not an address", why, diagnostics);
        if let (true, Some(last)) = (text.starts_with("https:"), diagnostics.0.last_mut()) {
            last.help("probes speak plain HTTP; ask an HTTPS server with `test: [CMD, curl, …]`");
        }
    }
    url
}

/// `http://host[:port][/path]`; no user, no fragment, nothing that needs escaping.
pub fn parse_url(text: &str) -> Option<Url> {
    let rest = text.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.strip_prefix('[') {
        Some(address) => {
            let (address, port) = address.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, if port.is_empty() { "80" } else { port.strip_prefix(':')? })
        }
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    let named = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>'));
    if !named || !plain {
        return None;
    }
    let path = match path.chars().next() {
        None => "/".to_owned(),
        Some('?') => format!("/{path}"),
        Some(_) => path.to_owned(),
    };
    Some(Url { text: text.to_owned(), host: host.to_owned(), port: port_digits(port)?, path })
}

/// `expect`: a mapping with `status` and `json`, or a status alone.
pub fn expect(node: &Node, diagnostics: &mut Diagnostics) -> Option<Expect> {
    let status = |node: &Node, diagnostics: &mut Diagnostics| {
        integer_in(100..=599, node, diagnostics).and_then(|status| u16::try_from(status).ok())
    };
    if matches!(node.value, Value::Integer(_)) {
        return Some(Expect { status: Some(status(node, diagnostics)?), json: None, json_span: None });
    }
    let mut map = Map::new(node, "what a probe expects", EXPECT_KEYS, diagnostics)?;
    let expect = Expect {
        status: map.read("status", status),
        json: map.read("json", word),
        json_span: map.take("json").map(|node| node.span),
    };
    map.finish();
    Some(expect)
}

/// `tcp`: `host:port`, or a port of the loopback address.
pub fn tcp_target(node: &Node, diagnostics: &mut Diagnostics) -> Option<(String, u16)> {
    let text = node.written().unwrap_or_default();
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let good = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
    let target = port_digits(port).filter(|_| good).map(|port| (host.to_owned(), port));
    if target.is_none() {
        expected(node, "a host and a port, such as `127.0.0.1:6333`", diagnostics);
    }
    target
}
