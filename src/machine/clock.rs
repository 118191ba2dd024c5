//! The wall clock; the only place that reads it.

#![expect(clippy::disallowed_methods, reason = "the clock is read here")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970, in UTC. 0 where the clock stands before that.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
