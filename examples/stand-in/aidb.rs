//! AIDB, the native service: its health, and what it found of its servers when it started.

use std::sync::Mutex;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::server::{Request, Response};
use crate::{Listens, Personality, client, log};

pub(crate) struct Aidb {
    port: u16,
    servers: Vec<(&'static str, String)>,
    /// The first answer of each server, or why there was none.
    at_start: Mutex<Map<String, Value>>,
}

impl Aidb {
    /// Its environment names its servers (`OLLAMA_API_BASE`, `QDRANT_URL`) and its own port (`AIDB_PORT`, 8091).
    pub(crate) fn new() -> anyhow::Result<Self> {
        let port = match std::env::var("AIDB_PORT") {
            Ok(text) => text.parse().with_context(|| format!("AIDB_PORT={text}: not a port"))?,
            Err(_) => 8091,
        };
        let servers = [("OLLAMA_API_BASE", "/api/tags"), ("QDRANT_URL", "/collections")]
            .into_iter()
            .filter_map(|(variable, path)| Some((variable, format!("{}{path}", std::env::var(variable).ok()?))))
            .collect();
        Ok(Self { port, servers, at_start: Mutex::default() })
    }
}

impl Personality for Aidb {
    fn listens(&self) -> Listens {
        Listens { host: "127.0.0.1", ports: vec![self.port] }
    }

    /// Asks each server once: whether `depends_on` kept its word can be read from the log.
    fn start(&self) -> anyhow::Result<()> {
        for (name, url) in &self.servers {
            let found = client::call("GET", url).map_or_else(|error| format!("{error:#}"), |_| "answered".to_owned());
            log(&format!("aidb: {name} {url}: {found}"));
            self.at_start.lock().expect("no holder panics").insert((*name).to_owned(), found.into());
        }
        Ok(())
    }

    /// `/health` answers 200 with `status` `ok` or `degraded` (ai-stack/mcp-servers/aidb/server.py of the repository
    /// that ships it): the status code alone says nothing.
    fn answer(&self, request: &Request) -> Response {
        match request.route() {
            ("GET", "/health") => {
                let at_start = self.at_start.lock().expect("no holder panics").clone();
                Response::json(200, &json!({ "status": "ok", "at_start": at_start }))
            }
            _ => Response::json(404, &json!({ "detail": "Not Found" })),
        }
    }
}
