//! An answer that comes as one JSON object a line, over as long as something takes.

use std::time::Duration;

use hyper::body::HttpBody as _;
use hyper::{Body, Response};

use super::client::within;
use super::failure::CallError;

/// One line of such a stream is a few hundred bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

pub(super) struct Lines {
    body: Body,
    /// Between two pieces.
    patience: Duration,
    buffer: Vec<u8>,
    ended: bool,
}

impl Lines {
    pub(super) fn of(response: Response<Body>, patience: Duration) -> Self {
        Self { body: response.into_body(), patience, buffer: Vec::new(), ended: false }
    }

    /// None at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        loop {
            if let Some(line) = next_line(&mut self.buffer, self.ended) {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            let broken = |error| CallError::Broken(containers_api::conn::Error::Hyper(error));
            let chunk = within(self.patience, async { self.body.data().await.transpose().map_err(broken) }).await?;
            self.ended = chunk.is_none();
            self.buffer.extend_from_slice(&chunk.unwrap_or_default());
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(CallError::TooLarge(LINE_BYTES_MAX));
            }
        }
    }
}

/// Takes the next whole line that is not empty, or at the end what is left.
pub(super) fn next_line(buffer: &mut Vec<u8>, ended: bool) -> Option<Vec<u8>> {
    loop {
        let end = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if ended && !buffer.is_empty() => buffer.len(),
            None => return None,
        };
        let line: Vec<u8> = buffer.drain(..end).collect();
        if !line.trim_ascii().is_empty() {
            return Some(line);
        }
    }
}
