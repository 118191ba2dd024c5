//! Open WebUI: a real SQLite database whose tables come late after the first start, and chats that are rows of it.
//!
//! As with the real server, the database file stays open while it serves: where its directory is removed or swapped
//! underneath, `/health` stays true and only new chats fail or go astray.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::behaviour::{After, Behaviour};
use crate::server::{Request, Response};
use crate::{Listens, Personality, data_directory, log, make_directory, version};

/// 28 tables, named as those of Open WebUI 0.6; all but `chat` are only there to be counted.
const TABLES: [&str; 28] = [
    "alembic_version",
    "auth",
    "channel",
    "channel_member",
    "chat",
    "chat_file",
    "chatidtag",
    "config",
    "document",
    "feedback",
    "file",
    "folder",
    "function",
    "group",
    "group_member",
    "knowledge",
    "knowledge_file",
    "memory",
    "message",
    "message_reaction",
    "migratehistory",
    "model",
    "note",
    "oauth_session",
    "prompt",
    "tag",
    "tool",
    "user",
];

pub(crate) struct OpenWebui {
    data: PathBuf,
    schema: After,
    database: Mutex<Option<Connection>>,
}

impl OpenWebui {
    pub(crate) fn new(behaviour: &Behaviour) -> Self {
        Self { data: data_directory("/app/backend/data"), schema: behaviour.schema, database: Mutex::new(None) }
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        database.as_ref().map_or(Err(rusqlite::Error::InvalidQuery), work)
    }

    fn insert(&self, text: &str) -> rusqlite::Result<Value> {
        self.with(|database| {
            database.execute("INSERT INTO \"chat\" (text) VALUES (?1)", [text])?;
            log("open-webui: a chat came in");
            Ok(json!({ "id": database.last_insert_rowid(), "text": text }))
        })
    }

    fn chats(&self) -> rusqlite::Result<Value> {
        self.with(|database| {
            let mut statement = database.prepare("SELECT id, text FROM \"chat\" ORDER BY id")?;
            let rows = statement
                .query_map([], |row| Ok(json!({ "id": row.get::<_, i64>(0)?, "text": row.get::<_, String>(1)? })))?;
            Ok(Value::Array(rows.collect::<rusqlite::Result<_>>()?))
        })
    }
}

impl Personality for OpenWebui {
    /// open-webui/open-webui, Dockerfile: port 8080.
    fn listens(&self) -> Listens {
        Listens { host: "0.0.0.0", ports: vec![8080] }
    }

    /// The real server opens `DATA_DIR/webui.db` (backend/open_webui/env.py) and runs its migrations before it serves;
    /// here they take until `STAND_IN_SCHEMA_AFTER`, and the file is there and hollow for as long.
    fn start(&self) -> anyhow::Result<()> {
        make_directory(&self.data)?;
        let file = self.data.join("webui.db");
        let database = Connection::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
        let tables: u16 =
            database.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))?;
        if usize::from(tables) < TABLES.len() {
            log(&format!("open-webui: {} has {tables} tables", file.display()));
            self.schema.sleep();
            let columns = "(id INTEGER PRIMARY KEY, text TEXT)";
            let schema: String =
                TABLES.map(|table| format!("CREATE TABLE IF NOT EXISTS \"{table}\" {columns};\n")).concat();
            database.execute_batch(&format!("BEGIN;\n{schema}COMMIT;"))?;
        }
        if let Ok(migration) = std::env::var("STAND_IN_MIGRATION") {
            database.execute_batch(&migration).context("STAND_IN_MIGRATION")?;
        }
        log(&format!("open-webui: {} has {} tables", file.display(), TABLES.len()));
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = Some(database);
        Ok(())
    }

    /// open-webui/open-webui, backend/open_webui/main.py: `/health`, `/health/db`, `/api/version`. `/chat` and `/chats`
    /// are shortened from routers/chats.py; a chat that cannot be written is a 400 there too.
    fn answer(&self, request: &Request) -> Response {
        let result = match request.route() {
            ("GET", "/health" | "/ready" | "/health/db") => Ok(json!({ "status": true })),
            ("GET", "/api/version") => Ok(json!({ "version": version("0.6.37") })),
            ("GET", "/chats") => self.chats(),
            ("POST", "/chat") => match request.parameter("text") {
                Some(text) => self.insert(&text),
                None => return Response::json(422, &json!({ "detail": "text is missing" })),
            },
            _ => return Response::json(404, &json!({ "detail": "Not Found" })),
        };
        match result {
            Ok(body) => Response::json(200, &body),
            Err(error) => Response::json(400, &json!({ "detail": error.to_string() })),
        }
    }
}
