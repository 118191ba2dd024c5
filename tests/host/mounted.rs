//! What podman's own database says that its containers have mounted. It is read from beside, so that podman is asked nothing, and a look
//! that comes while podman writes sees nothing.

use std::io::Write as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) user: String,
    name: String,
    created: String,
}

/// Sorted by the volume and then by the time that the container was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mounted {
    pub(crate) volume: Volume,
    pub(crate) created: String,
    container: String,
    /// With `U`.
    pub(crate) is_given: bool,
}

/// Adds what there is to the record.
pub(crate) fn note(user: &str, database: &Path, record: &Path) {
    let Some(lines) = lines(user, database).filter(|lines| !lines.is_empty()) else { return };
    let file = std::fs::File::options().create(true).append(true).open(record);
    file.and_then(|mut file| file.write_all(lines.as_bytes())).expect("the record can be written");
}

fn lines(user: &str, database: &Path) -> Option<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(database, flags).ok()?;
    let (volumes, containers) = (rows(&database, "VolumeConfig")?, rows(&database, "ContainerConfig")?);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut lines = String::new();
    for container in &containers {
        for mount in container["namedVolumes"].as_array().into_iter().flatten() {
            let name = text(mount, "volumeName");
            let Some(volume) = volumes.iter().find(|volume| text(volume, "name") == name) else { continue };
            let options = mount["options"].as_array().into_iter().flatten();
            let mounted = Mounted {
                volume: Volume { user: user.to_owned(), name, created: text(volume, "createdAt") },
                created: text(container, "createdTime"),
                container: text(container, "id"),
                is_given: options.into_iter().any(|option| option == "U"),
            };
            lines += &serde_json::to_string(&mounted).ok()?;
            lines.push('\n');
        }
    }
    Some(lines)
}

/// None where podman is just writing.
fn rows(database: &Connection, table: &str) -> Option<Vec<Value>> {
    let mut asked = database.prepare(&format!("SELECT CAST(JSON AS TEXT) FROM {table}")).ok()?;
    let rows = asked.query_map([], |row| row.get::<_, String>(0)).ok()?;
    rows.map(|row| serde_json::from_str(&row.ok()?).ok()).collect()
}
