//! What a registry has under a reference, without pulling it. Podman answers a list of manifests as such; of a single image it
//! says that this is not implemented, and quotes its manifest, which names the image's id
//! (`remoteManifestInspect` in `pkg/domain/infra/abi/manifest.go` of podman 5).

use std::time::Duration;

use serde::Deserialize;

use super::client::{Client, part, within};
use super::failure::CallError;
use super::registry::failure;
use super::shapes::or_default;
use crate::machine::Failure;
use crate::observed::RemoteImage;

/// A registry that says nothing is as good as one that is not there.
const PATIENCE: Duration = Duration::from_secs(20);
/// How big an image is, is worth less of a wait: whoever pulls it will see.
const PATIENCE_FOR_SIZES: Duration = Duration::from_secs(5);
const QUOTED: &str = "parsing manifest blob ";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    #[serde(deserialize_with = "or_default")]
    manifests: Vec<Entry>,
    #[serde(deserialize_with = "or_default")]
    config: Entry,
    #[serde(deserialize_with = "or_default")]
    layers: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "or_default")]
    digest: String,
    #[serde(deserialize_with = "or_default")]
    size: u64,
    #[serde(deserialize_with = "or_default")]
    platform: Platform,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    #[serde(deserialize_with = "or_default")]
    architecture: String,
    #[serde(deserialize_with = "or_default")]
    os: String,
}

impl super::Podman {
    /// What the registry has under this reference.
    ///
    /// # Errors
    /// The registry did not answer, or has nothing of that name; or podman did not.
    pub async fn remote_image(&self, reference: &str) -> Result<RemoteImage, Failure> {
        manifest(&self.client, reference, PATIENCE).await.map(remote)
    }

    /// Bytes of the layers that a pull would bring to this machine, as they are sent, the lowest first.
    ///
    /// # Errors
    /// The registry did not answer in time, or has nothing of that name for this machine; or podman did not answer.
    pub async fn remote_layers(&self, reference: &str) -> Result<Vec<u64>, Failure> {
        let found = manifest(&self.client, reference, PATIENCE_FOR_SIZES).await?;
        let found = match found.manifests.iter().find(|entry| entry.platform.is_this()) {
            Some(entry) => {
                let one = format!("{}@{}", repository(reference), entry.digest);
                manifest(&self.client, &one, PATIENCE_FOR_SIZES).await?
            }
            None => found,
        };
        Ok(found.layers.iter().map(|layer| layer.size).collect())
    }
}

impl Platform {
    /// Go's names for processors are its own.
    fn is_this(&self) -> bool {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        self.os == "linux" && self.architecture == architecture
    }
}

/// Without its tag and its digest: the last colon may be that of a port.
fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

async fn manifest(client: &Client, reference: &str, patience: Duration) -> Result<Manifest, Failure> {
    let path = format!("/manifests/{}/json", part(reference));
    match within(patience, client.get_bytes(&path)).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| client.failure(error.into())),
        Err(CallError::Said { message, .. }) => match quoted_manifest(&message) {
            Some(manifest) => Ok(manifest),
            None => Err(failure(reference, &message)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

fn remote(manifest: Manifest) -> RemoteImage {
    let id = Some(manifest.config.digest).filter(|digest| !digest.is_empty());
    RemoteImage {
        id: id.map(|digest| digest.trim_start_matches("sha256:").to_owned()),
        digests: manifest.manifests.into_iter().map(|entry| entry.digest).collect(),
    }
}

/// Go quotes it as JSON does, as far as a manifest goes.
fn quoted_manifest(message: &str) -> Option<Manifest> {
    let (_, rest) = message.split_once(QUOTED)?;
    let text: String = serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::{quoted_manifest, remote, repository};

    #[test]
    fn a_repository_is_a_reference_without_tag_and_digest() {
        for (reference, wanted) in [
            ("docker.io/library/postgres:16", "docker.io/library/postgres"),
            ("localhost:5000/web", "localhost:5000/web"),
            ("localhost:5000/web:1@sha256:00", "localhost:5000/web"),
        ] {
            assert_eq!(repository(reference), wanted);
        }
    }

    #[test]
    fn a_single_image_is_told_from_podmans_refusal() {
        let message = r#"parsing manifest blob "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:bf78\",\"size\":409},\"layers\":[]}" as a "application/vnd.oci.image.manifest.v1+json": Treating single images as manifest lists is not implemented"#;
        let found = remote(quoted_manifest(message).expect("a manifest"));
        assert_eq!((found.id.as_deref(), found.digests.len()), (Some("bf78"), 0));
        assert!(quoted_manifest("reading image: connection refused").is_none());
    }
}
