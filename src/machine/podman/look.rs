//! Looking: each question one cheap call, none of which changes anything.
//!
//! `info` and `version` take 90-210 ms (podman asks the package manager for them), so the version comes from `_ping`.

use futures_util::StreamExt as _;
use podman_api::opts::ContainerLogsOpts;
use serde_json::{Value, json};

use super::Podman;
use super::client::{Client, LOOK, part, query, within};
use super::failure::CallError;
use super::shapes::{ImageRow, NetworkRow, Row, VolumeRow, health, inspected};
use crate::machine::{Failure, FailureKind, LOG_LINES};
use crate::observed::{Container, Engine, Health, Image, Network, Volume};
use crate::time;

/// Bytes of one line of a container's log, so that a binary blob does not fill the screen.
const LINE_BYTES_MAX: usize = 2000;

/// What a start that followed may have said until the log is read.
const LINES_OF_A_NEW_START: usize = 500;

/// Which last lines of a log.
#[derive(Clone, Copy, Debug)]
pub enum Tail {
    UpToNow,
    /// Without what it said since systemd started it again, where it did: for the reason why it ended.
    UpToItsEnd,
}

/// The label that every object of ours carries; its value is the stack's name.
const STACK_LABEL: &str = "io.stackctl.stack";

/// How the container's own health check stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthLog {
    /// None: it has no health check.
    pub health: Option<Health>,
    /// Failed checks since the last good one, after the start period.
    pub failing_streak: u32,
    /// Exit code of the last check; None before the first.
    pub exit_code: Option<i32>,
    /// What the last check printed, on one line.
    pub output: String,
}

impl Podman {
    /// # Errors
    /// Nothing answers, or what answers is no podman.
    pub async fn engine(&self) -> Result<Engine, Failure> {
        let response = self.client.ping().await.map_err(|error| self.client.failure(error))?;
        let version = response.headers().get("Libpod-API-Version").and_then(|value| value.to_str().ok());
        match version {
            Some(version) => Ok(Engine { version: version.to_owned() }),
            None => Err(Failure::new(FailureKind::Refused, "what answers at the socket is not podman")
                .hint("name podman's own socket with --podman or CONTAINER_HOST")),
        }
    }

    /// The containers of a stack, or all there are.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn list(&self, stack: Option<&str>) -> Result<Vec<Container>, Failure> {
        let filters = stack.map(|stack| json!({ "label": [format!("{STACK_LABEL}={stack}")] }));
        list(&self.client, filters).await.map_err(|error| self.client.failure(error))
    }

    /// The container of exactly that name, with the canonical parts of its inspect answer: v5 shape, without storage
    /// paths and other things of the moment, lists without an order sorted.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn inspect(&self, name: &str) -> Result<Option<Container>, Failure> {
        inspect(&self.client, name).await.map_err(|error| self.client.failure(error))
    }

    /// Cheaper than to inspect it, which waits for what else podman does with its storage.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn exists(&self, name: &str) -> Result<bool, Failure> {
        match self.client.get_bytes(&format!("/containers/{}/exists", part(name))).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(self.client.failure(error)),
        }
    }

    /// # Errors
    /// Podman did not answer.
    pub async fn networks(&self) -> Result<Vec<Network>, Failure> {
        let rows: Vec<NetworkRow> =
            self.client.get("/networks/json").await.map_err(|error| self.client.failure(error))?;
        Ok(rows.into_iter().map(Network::from).collect())
    }

    /// # Errors
    /// Podman did not answer.
    pub async fn volumes(&self) -> Result<Vec<Volume>, Failure> {
        let rows: Vec<VolumeRow> =
            self.client.get("/volumes/json").await.map_err(|error| self.client.failure(error))?;
        Ok(rows.into_iter().map(Volume::from).collect())
    }

    /// The local image that create would take for this reference; not one whose id merely begins like it.
    ///
    /// # Errors
    /// Podman did not answer, or the reference is none.
    pub async fn image(&self, reference: &str) -> Result<Option<Image>, Failure> {
        image(&self.client, reference).await.map_err(|error| self.client.failure(error))
    }

    /// The last lines of the container's log, oldest first. Of a container that is gone there are none.
    ///
    /// # Errors
    /// Podman did not answer, or the container's log driver cannot be read.
    pub async fn logs_tail(&self, name: &str, tail: Tail) -> Result<Vec<String>, Failure> {
        logs_tail(&self.client, name, tail).await.map_err(|error| self.client.failure(error))
    }

    /// How the container's own health check stands; None: there is no such container.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn health_log(&self, name: &str) -> Result<Option<HealthLog>, Failure> {
        let container = self.inspect(name).await?;
        Ok(container.and_then(|container| container.inspect).map(|inspect| health_of(&inspect)))
    }
}

pub(super) async fn list(client: &Client, filters: Option<Value>) -> Result<Vec<Container>, CallError> {
    let mut pairs = vec![("all", "true")];
    let filters = filters.map(|filters| filters.to_string());
    if let Some(filters) = &filters {
        pairs.push(("filters", filters));
    }
    let rows: Vec<Row> = client.get(&format!("/containers/json{}", query(&pairs))).await?;
    Ok(rows.into_iter().map(Container::from).collect())
}

pub(super) async fn inspect(client: &Client, name: &str) -> Result<Option<Container>, CallError> {
    match client.get::<Value>(&format!("/containers/{}/json", part(name))).await {
        Ok(answer) => Ok(Some(inspected(answer)).filter(|container| container.name == name)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn network(client: &Client, name: &str) -> Result<Option<NetworkRow>, CallError> {
    match client.get::<NetworkRow>(&format!("/networks/{}/json", part(name))).await {
        Ok(row) => Ok(Some(row).filter(|row| row.name == name)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn volume(client: &Client, name: &str) -> Result<Option<VolumeRow>, CallError> {
    match client.get::<VolumeRow>(&format!("/volumes/{}/json", part(name))).await {
        Ok(row) => Ok(Some(row).filter(|row| row.name == name)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn image(client: &Client, reference: &str) -> Result<Option<Image>, CallError> {
    match client.get::<ImageRow>(&format!("/images/{}/json", part(reference))).await {
        Ok(row) if row.is_named(reference) => Ok(Some(row.image())),
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn logs_tail(client: &Client, name: &str, tail: Tail) -> Result<Vec<String>, CallError> {
    let Some(container) = inspect(client, name).await? else { return Ok(Vec::new()) };
    let until_us = match tail {
        Tail::UpToItsEnd => restarted_between(&container),
        Tail::UpToNow => None,
    };
    // Podman takes the last lines first and leaves out the late ones of them then (5.4).
    let asked = LOG_LINES + until_us.map_or(0, |_| LINES_OF_A_NEW_START);
    let mut options = ContainerLogsOpts::builder().stdout(true).stderr(true).tail(asked.to_string());
    if let Some(until_us) = until_us {
        options = options.until(format!("{}.{:06}", until_us / 1_000_000, until_us % 1_000_000));
    }
    let options = options.build();
    within(LOOK, async {
        let container = client.podman_api.containers().get(container.id);
        let mut chunks = container.logs(&options);
        let mut text = Vec::new();
        while let Some(chunk) = chunks.next().await {
            text.extend_from_slice(&chunk?);
        }
        Ok(last_lines(&String::from_utf8_lossy(&text), LOG_LINES))
    })
    .await
}

/// A moment between the last end of a container that runs again and the start that followed, in microseconds since 1970. The middle
/// of the two: the last lines of a program are written down some ms after podman takes it for ended, the first ones some ms before
/// it takes it for started (podman 5.4).
fn restarted_between(container: &Container) -> Option<u64> {
    let inspect = container.inspect.as_ref().filter(|_| container.is_running())?;
    let ended_us = inspect.pointer("/State/FinishedAt").and_then(Value::as_str).and_then(time::parse)?;
    let started_us = time::parse(&container.started_at)?;
    (ended_us < started_us).then(|| ended_us + (started_us - ended_us) / 2)
}

/// The last lines, without line ends and control characters that would move the cursor.
pub(super) fn last_lines(text: &str, lines: usize) -> Vec<String> {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| {
            let mut line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            if line.len() > LINE_BYTES_MAX {
                line.truncate((0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default());
                line.push('…');
            }
            line
        })
        .collect()
}

pub(super) fn health_of(inspect: &Value) -> HealthLog {
    // podman 4.3 calls it Healthcheck.
    let state = inspect.pointer("/State/Health").or_else(|| inspect.pointer("/State/Healthcheck"));
    let Some(state) = state else { return HealthLog::default() };
    let last = state.get("Log").and_then(Value::as_array).and_then(|log| log.last());
    let output = last.and_then(|last| last.get("Output")).and_then(Value::as_str).unwrap_or_default();
    HealthLog {
        health: state.get("Status").and_then(Value::as_str).and_then(health),
        failing_streak: state
            .get("FailingStreak")
            .and_then(Value::as_u64)
            .and_then(|streak| u32::try_from(streak).ok())
            .unwrap_or_default(),
        exit_code: last
            .and_then(|last| last.get("ExitCode"))
            .and_then(Value::as_i64)
            .and_then(|code| i32::try_from(code).ok()),
        output: last_lines(output.trim(), usize::MAX).join(" "),
    }
}
