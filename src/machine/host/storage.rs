//! The storage driver that is set for podman, and those that containers of this user have been made with. A store of another driver is
//! not shown by podman: to whoever looks, its containers and images are gone (containers-storage.conf(5), `driver`, `graphroot`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::observed::Storage;

/// Each lies in directories that are called after it.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];
/// Of the system, where the user has none; the later one counts where the earlier is not there.
const OF_THE_SYSTEM: [&str; 2] = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];
/// An empty list is written so, or not at all.
const EMPTY_LISTS: [&str; 3] = ["", "[]", "null"];

pub(super) fn storage(home: &Path) -> Storage {
    let own = home.join(".config/containers/storage.conf");
    let files = std::iter::once(own.clone()).chain(OF_THE_SYSTEM.map(PathBuf::from));
    let found = files.into_iter().find_map(|path| Some((fs::read_to_string(&path).ok()?, path)));
    let (text, path) = found.unwrap_or_default();
    // Where the system's storage lies is for root.
    let root = set(&text, "graphroot").filter(|_| path == own).map(PathBuf::from);
    let root = root.unwrap_or_else(|| home.join(".local/share/containers/storage"));
    let has_containers = |driver: &str| {
        let list = fs::read_to_string(root.join(format!("{driver}-containers/containers.json")));
        list.is_ok_and(|list| !EMPTY_LISTS.contains(&list.trim()))
    };
    Storage {
        driver: set(&text, "driver").filter(|driver| !driver.is_empty()).map(|driver| (driver, path)),
        with_containers: DRIVERS
            .iter()
            .filter(|driver| has_containers(driver))
            .map(|&driver| driver.to_owned())
            .collect(),
        root,
    }
}

/// What the table `[storage]` says of a key: the two that are read here are plain strings in it.
fn set(text: &str, key: &str) -> Option<String> {
    let mut table = "";
    text.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            table = line;
        }
        let (name, value) = line.split_once('=')?;
        let value = value.trim().trim_start_matches(['"', '\'']).split(['"', '\'']).next()?;
        (table == "[storage]" && name.trim() == key).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::set;

    #[test]
    fn only_the_table_of_storage_counts() {
        let text = "# driver = \"zfs\"\n[storage]\n driver = \"overlay\" # fast\ngraphroot='/data/containers'\n[storage.options]\ndriver=\"x\"\n";
        assert_eq!(set(text, "driver").as_deref(), Some("overlay"));
        assert_eq!(set(text, "graphroot").as_deref(), Some("/data/containers"));
        assert_eq!(set("driver = \"vfs\"\n[storage.options]\ndriver = \"x\"", "driver"), None);
    }
}
