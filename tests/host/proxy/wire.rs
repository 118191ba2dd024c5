//! Passing bytes from one socket to another, with the little buffering that parsing needs.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// A line or a head longer than this is no protocol that the proxy knows, bytes.
const LINE_MAX: u64 = 1 << 20;

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    from: BufReader<UnixStream>,
    to: UnixStream,
}

impl Wire {
    pub(crate) fn new(from: &UnixStream, to: &UnixStream) -> io::Result<Wire> {
        Ok(Wire { from: BufReader::new(from.try_clone()?), to: to.try_clone()? })
    }

    /// The next byte, without taking it; none at the end.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.from.fill_buf()?.first().copied())
    }

    /// Takes a line with its end; empty at the end of the stream.
    pub(crate) fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.from).take(LINE_MAX);
        limited.read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// Takes exactly so many bytes.
    pub(crate) fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// Says something back to the sender.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.from.get_mut().write_all(bytes)
    }

    /// Passes so many bytes as they come.
    pub(crate) fn pass(&mut self, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let available = self.from.fill_buf()?;
            if available.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(available.len());
            self.to.write_all(&available[..taken])?;
            self.from.consume(taken);
            left -= taken as u64;
        }
        Ok(())
    }

    /// Passes everything as it comes, and the end of it.
    pub(crate) fn pass_rest(&mut self) -> io::Result<()> {
        loop {
            let available = self.from.fill_buf()?;
            let taken = available.len();
            if taken == 0 {
                return self.to.shutdown(Shutdown::Write);
            }
            self.to.write_all(available)?;
            self.from.consume(taken);
        }
    }

    /// Ends both directions of the receiving side: to it, the sender is gone.
    pub(crate) fn hang_up(&self) {
        // Already closed is just as well.
        self.to.shutdown(Shutdown::Both).ok();
    }
}
