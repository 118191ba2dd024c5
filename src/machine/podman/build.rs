//! Building an image: the context goes out as it is packed, and podman's words come back line by line (libpod's `/build` is
//! buildah's; the answer is HTTP 200 from its first line on, whatever comes of it).

use std::io::{self, Write};
use std::time::Duration;

use hyper::Body;
use hyper::body::{Bytes, Sender};
use serde_json::json;
use tokio::runtime::Handle;

use super::client::{Client, query, within};
use super::failure::CallError;
use super::lines::Lines;
use super::look;
use super::pull::{Item, short};
use crate::effect::ImageBuild;
use crate::machine::files::{context, words};
use crate::machine::{Failure, FailureKind, Progress};

/// Between two lines. What a step runs may say nothing for as long as it compiles.
const SILENCE: Duration = Duration::from_secs(3600);
/// Lines that explain a failure.
const LOG_LINES: usize = 20;
const PIECE_BYTES: usize = 64 * 1024;

pub(super) async fn build(client: &Client, wanted: &ImageBuild, progress: &Progress<'_>) -> Result<(), Failure> {
    let (sender, body) = Body::channel();
    let source = wanted.source.clone();
    let handle = Handle::current();
    let packing = tokio::task::spawn_blocking(move || {
        let mut out = Outgoing { sender: Some(sender), handle, piece: Vec::with_capacity(PIECE_BYTES) };
        let packed = context::pack(&source, &mut out);
        if packed.is_err() {
            // Half an archive is not to be built.
            out.sender.take().into_iter().for_each(Sender::abort);
        }
        packed
    });
    let built = run(client, wanted, body, progress).await;
    // Where podman ended first, what was still to be sent is not the fault.
    match (built, packing.await) {
        (Ok(()), _) => Ok(()),
        (Err(_), Ok(Err(error))) if error.kind() != io::ErrorKind::BrokenPipe => {
            let place = wanted.source.context.display();
            Err(Failure::new(FailureKind::Refused, format!("cannot read the context {place}: {}", words(&error))))
        }
        (Err(failure), _) => Err(failure),
    }
}

async fn run(client: &Client, wanted: &ImageBuild, body: Body, progress: &Progress<'_>) -> Result<(), Failure> {
    let failure = |error: CallError| client.failure(error);
    let response = within(SILENCE, client.post_archive(&path(wanted), body)).await.map_err(failure)?;
    let succeeded = response.status().is_success();
    let mut lines = Lines::of(response, SILENCE);
    let mut said: Vec<String> = Vec::new();
    while let Some(line) = lines.next().await.map_err(failure)? {
        let item: Item = serde_json::from_slice(&line).map_err(|error| failure(error.into()))?;
        if let Some(words) = item.failure(succeeded) {
            let kept = said.len().saturating_sub(LOG_LINES);
            let words = words.trim().replace('\n', "; ");
            return Err(Failure::new(FailureKind::Refused, words).log(said.split_off(kept)));
        }
        for line in item.stream().lines().filter(|line| !line.trim().is_empty()) {
            progress(&short(line.trim()));
            said.extend(look::last_lines(line, 1));
        }
    }
    match look::image(client, &wanted.reference).await.map_err(failure)? {
        Some(image) if wanted.labels.iter().all(|(key, value)| image.labels.get(key) == Some(value)) => Ok(()),
        Some(_) | None => {
            let words = "podman's answer ended before there was an image";
            Err(Failure::new(FailureKind::LostReply, words))
        }
    }
}

fn path(wanted: &ImageBuild) -> String {
    let ImageBuild { reference, source, args, target, labels, no_cache, pull, network, extra_hosts, shm_size } = wanted;
    let containerfile = json!([context::name(source)]).to_string();
    let labels = json!(labels).to_string();
    let values: serde_json::Map<_, _> = args.iter().map(|(key, value)| (key.clone(), json!(value.0))).collect();
    let values = json!(values).to_string();
    let shm_size = shm_size.map(|size| size.to_string());
    let hosts = json!(extra_hosts).to_string();
    let mut pairs = vec![("t", reference.as_str()), ("dockerfile", &containerfile), ("labels", &labels)];
    // Layers are kept, so that the next build begins where something differs.
    pairs.extend([("layers", "true"), ("rm", "true"), ("forcerm", "true")]);
    pairs.extend((!args.is_empty()).then_some(("buildargs", values.as_str())));
    pairs.extend(target.as_deref().map(|target| ("target", target)));
    pairs.extend(no_cache.then_some(("nocache", "true")));
    pairs.extend(pull.then_some(("pullpolicy", "always")));
    pairs.extend(network.as_deref().map(|network| ("networkmode", network)));
    pairs.extend((!extra_hosts.is_empty()).then_some(("extrahosts", hosts.as_str())));
    pairs.extend(shm_size.as_deref().map(|size| ("shmsize", size)));
    format!("/build{}", query(&pairs))
}

/// What is written goes out on the connection; whoever writes waits while that is full.
struct Outgoing {
    sender: Option<Sender>,
    handle: Handle,
    piece: Vec<u8>,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        let Some(sender) = self.sender.as_mut().filter(|_| !piece.is_empty()) else { return Ok(()) };
        self.handle.block_on(sender.send_data(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
