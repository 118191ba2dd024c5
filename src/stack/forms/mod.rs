//! The reading tools: nodes to typed values in Compose's short and long forms, with all errors collected. A reader takes a node
//! and the diagnostics and yields a value, or `None` after it said why; it never stops the caller from reading on. Nothing here
//! reads files, and nothing knows a kind.

mod described;
mod health;
mod limits;
mod list;
mod map;
mod mount;
mod path;
mod port;
mod reference;
mod scalar;
#[cfg(test)]
mod tests;
mod words;

pub use described::{Described, Form, TEXT_OR_TEXTS, TEXTS, key, mapping};
pub use health::{
    Expect, Healthcheck, KEYS as HEALTH_KEYS, Probe, Url, expect, healthcheck, parse_url, tcp_target, test, url,
};
pub use limits::{RestartPolicy, ULIMIT_KEYS, Ulimit, restart_policy, ulimits};
pub use list::{Command, Pair, command, list_of, list_of_text, map_or_list, word_or_list};
pub use map::Map;
pub use mount::{KEYS as MOUNT_KEYS, Mount, MountSource, Selinux, mounts};
pub use path::{Places, container_path, host_path, host_path_text};
pub use port::{KEYS as PORT_KEYS, Port, Protocol, exposed, ports};
pub use reference::{
    ATTACHMENT_KEYS, Attachment, Condition, DEPENDENCY_KEYS, Dependency, ENV_FILE_KEYS, EnvFile, attachments,
    depends_on, env_files, mac_address,
};
pub use scalar::{
    boolean, duration, integer, integer_in, mode, number, one_of, parse_duration, parse_size, port_number, size_bytes,
    text, word,
};
pub use words::{WordsError, split_words};
