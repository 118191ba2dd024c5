//! One HTTP request, because an image made from nothing has no curl. It may not follow redirects or speak TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// The whole of an exchange that takes longer than this has failed, as with podman's own default for a healthcheck.
const PATIENCE: Duration = Duration::from_secs(5);
/// No server that is played answers more.
const ANSWER_SIZE_MAX: u64 = 1024 * 1024;

/// Returns the body of an answer of 2xx; anything else is an error.
pub(crate) fn call(method: &str, url: &str) -> anyhow::Result<String> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url}: only http:// is spoken"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut stream = TcpStream::connect_timeout(&address(authority)?, PATIENCE).with_context(|| url.to_owned())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(|| url.to_owned())?;
    let mut answer = String::new();
    stream.take(ANSWER_SIZE_MAX).read_to_string(&mut answer).with_context(|| url.to_owned())?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{url}: answered no HTTP"))?;
    let status: u16 = head
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("{url}: answered no status"))?;
    if (200..300).contains(&status) { Ok(body.to_owned()) } else { bail!("{url}: answered {status} {body}") }
}

/// `localhost` is not looked up: a static program can load no resolver modules of the machine.
fn address(authority: &str) -> anyhow::Result<SocketAddr> {
    let numeric = authority.replace("localhost", "127.0.0.1");
    let numeric = if numeric.contains(':') { numeric } else { format!("{numeric}:80") };
    if let Ok(address) = numeric.parse() {
        return Ok(address);
    }
    numeric
        .to_socket_addrs()
        .with_context(|| format!("{authority}: cannot be resolved"))?
        .next()
        .with_context(|| format!("{authority}: has no address"))
}
