//! What goes on inside, for whoever looks for a fault: off unless asked for, on stderr, never a secret (effects name them).

use tracing_subscriber::EnvFilter;

/// `filter` is `$STACKCTL_LOG`, in the syntax of tracing's directives; it goes before the number of `-v`.
pub(super) fn start(verbose: u8, filter: Option<&str>) {
    let level = match (filter, verbose) {
        (Some(filter), _) => filter,
        (None, 0) => return,
        (None, 1) => "stackctl=debug",
        (None, _) => "stackctl=trace,zbus=debug",
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(std::io::stderr);
    // It fails only where a subscriber is set already, and then that one listens.
    subscriber.without_time().try_init().unwrap_or_default();
}
