//! Pulling an image: podman's stream of progress, the kinds of failure told apart, and a bounded number of tries.
//!
//! Asked with `compatMode`, podman 4.4 to 5.8 stream one JSON object a line for each layer, with its bytes about once a
//! second (`CompatPull` in `pkg/api/handlers/utils/images.go`); without it, or before, only lines for people. Either
//! way a failure may come inside an answer of HTTP 200. Podman reads its own authfiles where no credentials are sent
//! (`pkg/auth/auth.go`), so none ever are.

#![expect(clippy::disallowed_methods, reason = "a registry that broke off is given time")]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::client::{Client, query, within};
use super::failure::CallError;
use super::lines::Lines;
use super::look;
use super::registry::{failure, is_passing};
use super::shapes::{or_default, registry};
use crate::machine::{Failure, Progress};

/// Between two lines. Podman says nothing while it unpacks a layer, which on vfs and a slow disk takes minutes.
const SILENCE: Duration = Duration::from_secs(600);

/// Pauses before the second, third and fourth try, where the connection to the registry broke. Podman is told not to
/// retry by itself: it would retry what can not succeed, too, and say nothing meanwhile. It goes on in
/// the middle of a layer where the registry lets it, and keeps layers up to the first that is not whole.
const RETRIES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];

pub(super) async fn pull(client: &Client, reference: &str, progress: &Progress<'_>) -> Result<(), Failure> {
    let mut pauses = RETRIES.into_iter();
    loop {
        let failed = match pull_once(client, reference, progress).await.map_err(|error| client.failure(error))? {
            Pulled::Done => return Ok(()),
            Pulled::Failed(words) => words,
        };
        match pauses.next() {
            Some(pause) if is_passing(&failed) => {
                let why = failed.rsplit(": ").next().unwrap_or_default();
                progress(&format!(
                    "{} broke off ({}); again in {} s",
                    registry(reference),
                    short(why),
                    pause.as_secs()
                ));
                tokio::time::sleep(pause).await;
            }
            _ => return Err(failure(reference, &failed)),
        }
    }
}

enum Pulled {
    Done,
    Failed(String),
}

async fn pull_once(client: &Client, reference: &str, progress: &Progress<'_>) -> Result<Pulled, CallError> {
    let path = query(&[("reference", reference), ("policy", "always"), ("compatMode", "true"), ("retry", "0")]);
    let response = within(SILENCE, client.post_streaming(&format!("/images/pull{path}"), None::<&()>)).await?;
    let succeeded = response.status().is_success();
    let mut lines = Lines::of(response, SILENCE);
    let mut layers = Layers::default();
    while let Some(line) = lines.next().await? {
        let item: Item = serde_json::from_slice(&line)?;
        if let Some(words) = item.failure(succeeded) {
            return Ok(Pulled::Failed(words));
        }
        if let Some(line) = layers.take(&item) {
            progress(&line);
        }
    }
    // Nothing in the stream tells the end of a pull from the end of a layer, so the image is asked for.
    Ok(match look::image(client, reference).await? {
        Some(_) => Pulled::Done,
        None => Pulled::Failed("podman's answer ended in the middle: unexpected EOF".to_owned()),
    })
}

/// A line of the stream, in either of its forms.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    status: String,
    #[serde(rename = "progressDetail", deserialize_with = "or_default")]
    detail: Detail,
    #[serde(deserialize_with = "or_default")]
    error: String,
    /// For people, where there is no progress by layer.
    #[serde(deserialize_with = "or_default")]
    stream: String,
    /// Of an answer that is an error as a whole.
    #[serde(deserialize_with = "or_default")]
    message: String,
    #[serde(deserialize_with = "or_default")]
    cause: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(deserialize_with = "or_default")]
    current: u64,
    #[serde(deserialize_with = "or_default")]
    total: i64,
}

impl Item {
    /// Words for people.
    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    pub(super) fn failure(&self, succeeded: bool) -> Option<String> {
        [&self.error, &self.message, &self.cause]
            .into_iter()
            .find(|words| !words.is_empty())
            .cloned()
            .or_else(|| (!succeeded).then(|| "podman gave no reason".to_owned()))
    }
}

/// Layers by the start of their digest, and how far each is. The image's configuration counts as one: podman reports
/// it in the same way.
#[derive(Default)]
pub(super) struct Layers(BTreeMap<String, Layer>);

#[derive(Default)]
struct Layer {
    bytes: u64,
    size: u64,
    done: bool,
}

impl Layers {
    /// The line to show after this item.
    pub(super) fn take(&mut self, item: &Item) -> Option<String> {
        if !item.stream.trim().is_empty() {
            return Some(short(item.stream.trim()));
        }
        if item.id.is_empty() {
            return None;
        }
        let layer = self.0.entry(item.id.clone()).or_default();
        match item.status.as_str() {
            "Downloading" => {
                layer.bytes = item.detail.current;
                // Negative where the registry does not tell the size.
                layer.size = u64::try_from(item.detail.total).unwrap_or_default();
            }
            "Download complete" | "Already exists" => layer.done = true,
            _ => {}
        }
        Some(self.line())
    }

    fn line(&self) -> String {
        let done = self.0.values().filter(|layer| layer.done).count();
        let under_way = self.0.values().filter(|layer| !layer.done);
        let (bytes, size) = under_way.fold((0, 0), |(bytes, size), layer| (bytes + layer.bytes, size + layer.size));
        let layers = format!("layer {done} of {}", self.0.len());
        match (bytes, size) {
            (0, 0) => layers,
            (bytes, 0) => format!("{layers}, {}", human(bytes)),
            (bytes, size) => format!("{layers}, {} of {}", human(bytes), human(size)),
        }
    }
}

fn human(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} B"),
    }
}

/// One short line of podman's words.
pub(super) fn short(words: &str) -> String {
    const CHARS_MAX: usize = 100;
    let line = words.lines().next().unwrap_or_default();
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
