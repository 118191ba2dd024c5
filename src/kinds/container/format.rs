//! Data of one major version of a program, and the image of another: it would refuse to start on it, or change it for good. Told before
//! anything is pulled or stopped.

use std::path::PathBuf;

use super::{Container, data};
use crate::change::{Risk, Severity};
use crate::observed::data::{Engine, State};
use crate::observed::{Observed, Query};

/// What Postgres writes into its data directory: the major version that made it, as text (postgresql.org/docs, "Database File Layout").
const MARKER: &str = "PG_VERSION";
/// Where its images keep it (docker-library/postgres; since 18 in a directory of the version).
const PLACES: [&str; 2] = ["/var/lib/postgresql/data", "/var/lib/postgresql"];
/// Images whose tag begins with the major version, `16-alpine` or `pg16`.
const IMAGES: [&str; 3] = ["postgres", "pgvector", "postgis"];

/// The major version that the image is of, as its tag says.
fn major(reference: &str) -> Option<u32> {
    let (name, tag) = reference.rsplit_once('/').map_or(reference, |(_, last)| last).split_once(':')?;
    let tag = tag.split('@').next()?.trim_start_matches("pg");
    let digits: String = tag.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|_| IMAGES.contains(&name))
}

fn markers(container: &Container, observed: &Observed) -> Vec<PathBuf> {
    if major(&container.image).is_none() {
        return Vec::new();
    }
    let given = container.environment.get("PGDATA").map(|place| place.text.clone());
    let places = given.into_iter().chain(PLACES.map(str::to_owned));
    places.filter_map(|place| data::host_path(container, &format!("{place}/{MARKER}"), observed)).collect()
}

pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    query.data.extend(markers(container, observed).into_iter().map(|path| (path, Engine::Text)));
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    let Some(wanted) = major(&container.image) else { return Vec::new() };
    let found = markers(container, observed).into_iter().find_map(|path| {
        let reading = observed.data.get(&path).filter(|reading| reading.state == State::Populated)?;
        Some((path, reading.why.trim().parse::<u32>().ok()?))
    });
    let Some((path, has)) = found.filter(|(_, has)| *has != wanted) else { return Vec::new() };
    vec![Risk {
        code: "DATA_FORMAT_INCOMPATIBLE",
        severity: Severity::Critical,
        message: format!(
            "{}: the data is of PostgreSQL {has} ({}), and {} is {wanted}: it does not start on it",
            container.address,
            path.display(),
            container.image
        ),
        remedies: vec![format!(
            "Stay with an image of version {has}, or dump the data with it and load it into a new directory with the other (pg_dumpall)."
        )],
    }]
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_off_the_tag() {
        for (reference, wanted) in [
            ("docker.io/library/postgres:16", Some(16)),
            ("docker.io/library/postgres:16.4-alpine", Some(16)),
            ("docker.io/pgvector/pgvector:pg17", Some(17)),
            ("localhost:5000/postgis:16-3.4@sha256:00", Some(16)),
            ("docker.io/library/postgres:latest", None),
            ("docker.io/library/redis:7", None),
            ("localhost:5000/postgres", None),
        ] {
            assert_eq!(major(reference), wanted, "{reference}");
        }
    }
}
