//! A real registry on a loopback port, for pulls: Debian's `docker-registry`, run by the test's own user.

use std::time::Duration;

use super::process::Running;
use super::user::User;

/// The last of the user's ports.
const PORT: u16 = 19;

/// Runs until it is dropped; its blobs are below `registry/` in the user's home. A reboot ends it.
#[derive(Debug)]
pub(crate) struct Registry {
    address: String,
    process: Running,
}

impl User {
    /// Starts a registry that podman may talk to without TLS, and returns when it listens.
    ///
    /// To make it ask for a login, write the file first and give it in the configuration:
    /// `htpasswd -Bbn NAME PASSWORD > registry/htpasswd`, and below `http:` the section
    /// `auth: { htpasswd: { realm: test, path: registry/htpasswd } }`. Then `podman login` is needed to push and pull.
    pub(crate) fn registry(&self) -> anyhow::Result<Registry> {
        self.registry_with("")
    }

    /// The same, with these further top-level lines in its configuration.
    pub(crate) fn registry_with(&self, configuration: &str) -> anyhow::Result<Registry> {
        let address = format!("127.0.0.1:{}", self.port(PORT));
        self.write(
            "registry/config.yml",
            format!(
                "version: 0.1\nlog: {{ level: info }}\nstorage:\n  filesystem: {{ rootdirectory: {}/registry/blobs }}\n  \
                 delete: {{ enabled: true }}\nhttp: {{ addr: \"{address}\" }}\n{configuration}\n",
                self.home()
            ),
        )?;
        self.write(
            ".config/containers/registries.conf.d/test.conf",
            format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n"),
        )?;
        let process = self.spawn(&["docker-registry", "serve", "registry/config.yml"])?;
        process.says("listening on", Duration::from_secs(20))?;
        Ok(Registry { address, process })
    }
}

impl Registry {
    /// `127.0.0.1:PORT`: what an image reference begins with.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The registry itself, to be stopped (`STOP`, `CONT`) or killed in the middle of a pull.
    pub(crate) fn process(&self) -> &Running {
        &self.process
    }
}
