//! Commands on the host: finished ones with what they said, and running ones that can be signalled.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A finished command. A signal's code is 128 and its number, as in a shell.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) command: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Output {
    /// Insists on exit code 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Output {
        self.code(0)
    }

    /// Insists on this exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Output {
        let Output { command, stdout, stderr, code } = &self;
        assert_eq!(*code, expected, "exit code of `{command}`\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// Its stdout without the last line end.
    pub(crate) fn line(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("`{}` printed no JSON: {error}", self.command))
    }
}

/// Runs a command to its end, with nothing to read. A test cannot go on when it does not even start.
#[track_caller]
pub(crate) fn output(mut command: Command) -> Output {
    let name = name(&command);
    let finished = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot run `{name}`: {error}"));
    Output {
        command: name,
        stdout: String::from_utf8_lossy(&finished.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
        code: code(finished.status),
    }
}

/// The words a reader wants to see: without those that enter the host.
fn name(command: &Command) -> String {
    let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let entered = words.iter().rposition(|word| word.starts_with("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/"));
    words[entered.map_or(0, |at| at + 1)..].join(" ")
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

#[derive(Debug, Default)]
struct Said {
    stdout: String,
    stderr: String,
    streams_open: u8,
}

type Shared = Arc<(Mutex<Said>, Condvar)>;

/// A command that runs on the host; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    pid: u32,
    said: Shared,
}

impl Running {
    pub(super) fn start(mut command: Command) -> anyhow::Result<Running> {
        let name = name(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run `{name}`"))?;
        let said = Shared::default();
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        lock(&said).streams_open = 2;
        listen(stdout, Arc::clone(&said), |said| &mut said.stdout);
        listen(stderr, Arc::clone(&said), |said| &mut said.stderr);
        let pid = entered(&mut child).with_context(|| format!("`{name}`"))?;
        Ok(Running { name, child, pid, said })
    }

    /// Sends a signal to the command itself.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a PID")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal `{}`", self.name))
    }

    /// `kill -9`, and waits until it is gone.
    #[track_caller]
    pub(crate) fn kill(self) -> Output {
        // It may have ended by itself.
        self.signal(Signal::KILL).ok();
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        let status = self.child.wait().unwrap_or_else(|error| panic!("cannot wait for `{}`: {error}", self.name));
        let said = lock(&self.said);
        // What it started may hold its streams for longer than it lives.
        let closed = self.said.1.wait_timeout_while(said, Duration::from_secs(1), |said| said.streams_open > 0);
        let (said, _) = closed.unwrap_or_else(PoisonError::into_inner);
        let (stdout, stderr) = (said.stdout.clone(), said.stderr.clone());
        drop(said);
        Output { command: self.name.clone(), stdout, stderr, code: code(status) }
    }

    /// Waits until this text is in its stdout or stderr.
    pub(crate) fn says(&self, text: &str, timeout: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + timeout;
        let mut said = lock(&self.said);
        while !said.stdout.contains(text) && !said.stderr.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            if said.streams_open == 0 || left.is_zero() {
                bail!("`{}` did not say `{text}` but:\n{}{}", self.name, said.stdout, said.stderr);
            }
            said = self.said.1.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// The whole lines of its stdout so far.
    pub(crate) fn stdout(&self) -> String {
        lock(&self.said).stdout.clone()
    }

    /// Whether the command is there and no zombie.
    pub(crate) fn is_running(&self) -> anyhow::Result<bool> {
        match std::fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => Ok(!stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Its PID on this machine, not the one that it sees itself.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its PID on the host, as the host's own `ps` shows it.
    pub(crate) fn pid_inside(&self) -> anyhow::Result<u32> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find(|line| line.starts_with("NSpid:")).context("the kernel tells no NSpid")?;
        Ok(line.split_whitespace().last().context("a PID")?.parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL).ok();
            self.child.wait().ok();
        }
    }
}

fn lock(said: &Shared) -> std::sync::MutexGuard<'_, Said> {
    said.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Entering the host's PID namespace takes a fork: once what was spawned is nsenter, its one child is the command.
/// There is no event for either, so they are looked for until they are there or the spawned process has ended: then the
/// command was too quick to be seen, and there is nothing left to signal but what was spawned.
fn entered(child: &mut Child) -> anyhow::Result<u32> {
    let name = format!("/proc/{}/comm", child.id());
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        // Before that its children are those of a shell.
        let is_nsenter = std::fs::read_to_string(&name).is_ok_and(|name| name.trim_end() == "nsenter");
        let found = if is_nsenter { std::fs::read_to_string(&children).unwrap_or_default() } else { String::new() };
        if let Some(pid) = found.split_whitespace().next() {
            return Ok(pid.parse()?);
        }
        if child.try_wait()?.is_some() {
            return Ok(child.id());
        }
        thread::yield_now();
    }
    bail!("has not entered the host after 10 s")
}

fn listen(stream: impl Read + Send + 'static, shared: Shared, part: fn(&mut Said) -> &mut String) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            part(&mut lock(&shared)).push_str(&String::from_utf8_lossy(&line));
            line.clear();
            shared.1.notify_all();
        }
        lock(&shared).streams_open -= 1;
        shared.1.notify_all();
    });
}
