//! Image references in their full form, as Compose and Docker complete short ones: podman's own short-name search depends
//! on the machine's registries.conf, and what is compared must not.

/// `nginx` -> `docker.io/library/nginx:latest`; a digest or a tag that is given stays.
pub fn normalised(reference: &str) -> String {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let first = name.split('/').next().unwrap_or_default();
    let has_registry = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let full = match (has_registry, name.contains('/')) {
        (true, _) => name.to_owned(),
        (false, true) => format!("docker.io/{name}"),
        (false, false) => format!("docker.io/library/{name}"),
    };
    let tagged = full.rsplit('/').next().is_some_and(|last| last.contains(':'));
    match digest {
        // Podman looks a digest up without its tag.
        Some(digest) if tagged => format!("{}@{digest}", &full[..full.rfind(':').unwrap_or(full.len())]),
        Some(digest) => format!("{full}@{digest}"),
        None if tagged => full,
        None => format!("{full}:latest"),
    }
}

/// Of what is built here: a short name is the machine's own.
pub fn normalised_built(reference: &str) -> String {
    let first = reference.split('/').next().unwrap_or_default();
    let has_registry = reference.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    if has_registry { normalised(reference) } else { normalised(&format!("localhost/{reference}")) }
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn short_references_are_completed_as_docker_does() {
        for (short, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("ollama/ollama", "docker.io/ollama/ollama:latest"),
            ("localhost/x:1", "localhost/x:1"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("ghcr.io/a/b:v1", "ghcr.io/a/b:v1"),
            ("quay.io/a/b@sha256:00", "quay.io/a/b@sha256:00"),
            ("quay.io/a/b:v1@sha256:00", "quay.io/a/b@sha256:00"),
        ] {
            assert_eq!(normalised(short), full, "{short}");
        }
    }
}
