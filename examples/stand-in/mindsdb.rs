//! MindsDB: its status, and a database in its storage directory.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::json;

use crate::server::{Request, Response};
use crate::{Listens, Personality, data_directory, make_directory, version};

pub(crate) struct Mindsdb {
    data: PathBuf,
}

impl Mindsdb {
    /// mindsdb/mindsdb, docker/mindsdb_config.release.json: `paths.root`; `MINDSDB_STORAGE_DIR` comes before it.
    pub(crate) fn new() -> Self {
        let real = std::env::var("MINDSDB_STORAGE_DIR").unwrap_or_else(|_| "/root/mdb_storage".to_owned());
        Self { data: data_directory(&real) }
    }
}

impl Personality for Mindsdb {
    /// The same file: 47334 for HTTP, 47335 for MySQL (here it only accepts connections).
    fn listens(&self) -> Listens {
        Listens { host: "0.0.0.0", ports: vec![47334, 47335] }
    }

    /// mindsdb/mindsdb, mindsdb/utilities/config.py: the database is `mindsdb.sqlite3.db` in the root.
    fn start(&self) -> anyhow::Result<()> {
        make_directory(&self.data)?;
        let database = Connection::open(self.data.join("mindsdb.sqlite3.db"))?;
        Ok(database.execute_batch("CREATE TABLE IF NOT EXISTS project (id INTEGER PRIMARY KEY, name TEXT);")?)
    }

    /// mindsdb/mindsdb, mindsdb/api/http/namespaces/default.py (`/status`) and namespaces/util.py (`/ping`).
    fn answer(&self, request: &Request) -> Response {
        match request.route() {
            ("GET", "/api/status") => {
                let auth = json!({ "confirmed": true, "http_auth_enabled": false, "provider": "disabled" });
                let status = json!({ "mindsdb_version": version("25.6.2.0"), "environment": "local", "auth": auth });
                Response::json(200, &status)
            }
            ("GET", "/api/util/ping") => Response::json(200, &json!({ "status": "ok" })),
            _ => Response::text(404, "Not Found"),
        }
    }
}
