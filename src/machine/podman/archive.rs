//! What lies in a container, running or not: which paths its layer has, and files as podman archives them (libpod's `changes` and
//! `archive`). Podman pauses nothing for it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use hyper::body::HttpBody as _;
use hyper::{Body, Response};
use serde::Deserialize;
use serde_json::Value;

use super::Podman;
use super::client::{Client, LOOK, answer, part, query, within};
use super::failure::CallError;
use crate::machine::Failure;
use crate::machine::head;
use crate::observed::Container;
use crate::observed::layer::Written;

/// Of an archive, until the first bytes of its first file are in: a header, with an extended one before it, and those bytes.
const HEAD_OF_ARCHIVE_BYTES: usize = 16 * 1024;
/// Between two pieces of a file.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    path: String,
    /// 0 changed, 1 added, 2 deleted.
    kind: u8,
}

impl Podman {
    /// Paths that were added or changed in the container's own layer.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn changes(&self, name: &str) -> Result<BTreeSet<String>, Failure> {
        let path = format!("/containers/{}/changes", part(name));
        let rows: Option<Vec<Row>> = self.client.get(&path).await.map_err(|error| self.client.failure(error))?;
        let there = rows.unwrap_or_default().into_iter().filter(|row| row.kind != 2);
        Ok(there.map(|row| row.path).collect())
    }

    /// Where what a container wrote lies, inside the user namespace; None where its storage keeps it with everything else (vfs).
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn upper_directory(&self, id: &str) -> Result<Option<PathBuf>, Failure> {
        let path = format!("/containers/{}/json", part(id));
        let inspect: Value = self.client.get(&path).await.map_err(|error| self.client.failure(error))?;
        Ok(inspect["GraphDriver"]["Data"]["UpperDir"].as_str().map(PathBuf::from))
    }

    /// The first bytes of a file in a container; None where there is no regular file.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn head(&self, container: &Container, path: &str) -> Result<Option<Written>, Failure> {
        match head(&self.client, &container.id, path).await {
            Ok(found) => Ok(found),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.client.failure(error)),
        }
    }

    /// The archive of a path, piece by piece, until `take` wants no more.
    ///
    /// # Errors
    /// Podman did not answer, or not to an end.
    pub async fn archive(
        &self,
        container: &str,
        path: &str,
        mut take: impl AsyncFnMut(Vec<u8>) -> bool,
    ) -> Result<(), Failure> {
        let taken = async {
            let mut response = open(&self.client, container, path).await?;
            while let Some(piece) = next(&mut response).await? {
                if !take(piece).await {
                    break;
                }
            }
            Ok(())
        };
        taken.await.map_err(|error| self.client.failure(error))
    }
}

async fn head(client: &Client, container: &str, path: &str) -> Result<Option<Written>, CallError> {
    let mut response = open(client, container, path).await?;
    let mut bytes = Vec::new();
    while bytes.len() < HEAD_OF_ARCHIVE_BYTES {
        let Some(piece) = next(&mut response).await? else { break };
        bytes.extend_from_slice(&piece);
    }
    Ok(first_file(&bytes))
}

/// Of an archive of which only the beginning is there.
fn first_file(bytes: &[u8]) -> Option<Written> {
    let mut archive = tar::Archive::new(bytes);
    let mut entry = archive.entries().ok()?.next()?.ok()?;
    if entry.header().entry_type() != tar::EntryType::Regular {
        return None;
    }
    let (size, modified_s) = (entry.size(), entry.header().mtime().unwrap_or_default());
    let mut first = Vec::new();
    // It may be cut off behind the first bytes.
    drop(entry.by_ref().take(head::BYTES as u64).read_to_end(&mut first));
    Some(head::written(size, modified_s, &first))
}

async fn open(client: &Client, container: &str, path: &str) -> Result<Response<Body>, CallError> {
    let path = format!("/containers/{}/archive{}", part(container), query(&[("path", path)]));
    let response = within(LOOK, client.get_streaming(&path)).await?;
    if response.status().is_success() {
        return Ok(response);
    }
    match answer(response).await {
        Err(error) => Err(error),
        Ok((status, _)) => Err(CallError::Said { status, cause: String::new(), message: "no archive".to_owned() }),
    }
}

async fn next(response: &mut Response<Body>) -> Result<Option<Vec<u8>>, CallError> {
    within(SILENCE, async {
        let piece = response.body_mut().data().await.transpose();
        let piece = piece.map_err(|error| CallError::Broken(containers_api::conn::Error::Hyper(error)))?;
        Ok(piece.map(|piece| piece.to_vec()))
    })
    .await
}
