//! What the first bytes of a file tell of it: whether it is a database, and whether it was written to since.

mod magic;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use sha2::{Digest as _, Sha256};

use crate::observed::layer::Written;

/// The magic numbers of all that is known lie in here, and the change counter of SQLite.
pub(super) const BYTES: usize = 512;

/// Of a file whose first bytes these are.
pub(super) fn written(size: u64, modified_s: u64, head: &[u8]) -> Written {
    Written {
        size,
        modified_s,
        head: short_digest(head),
        database: magic::name(head).map(str::to_owned),
        ..Written::default()
    }
}

/// Seconds since 1970, as an archive of podman has it: Go's `archive/tar` rounds to the nearest second what it does not write in full.
pub(super) fn modified_s(found: &Metadata) -> u64 {
    let seconds = found.mtime() + i64::from(found.mtime_nsec() >= 500_000_000);
    u64::try_from(seconds).unwrap_or_default()
}

fn short_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn a_database_is_told_by_its_bytes_alone() {
        let named = |bytes: &[u8]| written(1, 0, bytes).database;
        assert_eq!(named(b"SQLite format 3\0\x10\x00").as_deref(), Some("SQLite database"));
        assert_eq!(named(b"12345678DUCK").as_deref(), Some("DuckDB database"));
        assert_eq!(named(b"SQLite format 3 is a format"), None);
        assert_eq!(named(b""), None);
        assert_ne!(written(1, 0, b"a").stamp(), written(1, 0, b"b").stamp());
    }
}
