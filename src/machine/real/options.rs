//! Where this user's podman and user manager are. The environment is handed in, never read here.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where to find things; made by [`RealOptions::of_environment`], or by hand in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealOptions {
    /// URL or path of podman's socket; None: the user's own, or a service started on demand.
    pub podman: Option<String>,
    /// `/run/user/1000`.
    pub runtime_dir: PathBuf,
    /// D-Bus address of the user bus; None: `bus` in `runtime_dir`.
    pub bus_address: Option<String>,
    pub uid: u32,
    /// In which podman itself is looked for.
    pub path: Vec<PathBuf>,
}

impl RealOptions {
    /// `podman` is what the command line says; after it come `$CONTAINER_HOST` and the user's own socket. cron sets
    /// neither `XDG_RUNTIME_DIR` nor a bus address; both are derived. `variable` reads the environment.
    pub fn of_environment(podman: Option<String>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let temporary = set("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        Self {
            podman: podman.or_else(|| text("CONTAINER_HOST")),
            runtime_dir: runtime_dir(set("XDG_RUNTIME_DIR").map(PathBuf::from), &temporary, uid),
            bus_address: text("DBUS_SESSION_BUS_ADDRESS"),
            uid,
            path: set("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
        }
    }

    pub(super) fn bus_address(&self) -> String {
        let derived = || format!("unix:path={}", escaped(&self.runtime_dir.join("bus")));
        self.bus_address.clone().unwrap_or_else(derived)
    }
}

/// The one that is set, unless it belongs to another: su keeps the caller's.
fn runtime_dir(set: Option<PathBuf>, temporary: &Path, uid: u32) -> PathBuf {
    let is_own = |path: &Path| path.metadata().is_ok_and(|found| found.uid() == uid);
    if let Some(set) = set.filter(|path| is_own(path)) {
        return set;
    }
    let login = PathBuf::from(format!("/run/user/{uid}"));
    if is_own(&login) {
        return login;
    }
    // Without a login manager nobody makes that directory; podman falls back to the same place.
    temporary.join(format!("podman-run-{uid}"))
}

/// As D-Bus addresses want it (D-Bus specification, "Server Addresses").
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' | b'.' | b'\\' | b'*' => {
                text.push(char::from(*byte));
            }
            byte => write!(text, "%{byte:02x}").expect("a string takes all"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{RealOptions, runtime_dir};

    #[test]
    fn the_bus_is_derived_where_it_is_not_named() {
        let options = |bus_address: Option<&str>| RealOptions {
            podman: None,
            runtime_dir: "/run/user/1000 x".into(),
            bus_address: bus_address.map(str::to_owned),
            uid: 1000,
            path: Vec::new(),
        };
        assert_eq!(options(None).bus_address(), "unix:path=/run/user/1000%20x/bus");
        assert_eq!(options(Some("unix:path=/x")).bus_address(), "unix:path=/x");
    }

    #[test]
    fn a_runtime_directory_of_another_is_not_taken() {
        let uid = rustix::process::geteuid().as_raw();
        let own = std::env::temp_dir().join(format!("stackctl-runtime-{}", std::process::id()));
        std::fs::create_dir_all(&own).unwrap();
        assert_eq!(runtime_dir(Some(own.clone()), Path::new("/t"), uid), own);
        let other = uid + 12345;
        let found = runtime_dir(Some(own.clone()), Path::new("/t"), other);
        assert_eq!(found, Path::new(&format!("/t/podman-run-{other}")));
        std::fs::remove_dir(&own).unwrap();
    }

    #[test]
    fn what_the_command_line_says_comes_first() {
        let variable = |name: &str| (name == "CONTAINER_HOST").then(|| "tcp://other:1".into());
        let podman = |said: Option<&str>| RealOptions::of_environment(said.map(str::to_owned), variable).podman;
        assert_eq!(podman(Some("tcp://said:1")).as_deref(), Some("tcp://said:1"));
        assert_eq!(podman(None).as_deref(), Some("tcp://other:1"));
        assert_eq!(RealOptions::of_environment(None, |_| Some("".into())).podman, None, "empty is not set");
    }
}
