//! Ollama: no models, and the key that it makes at its first start.

use std::path::PathBuf;

use serde_json::json;

use crate::server::{Request, Response};
use crate::{Listens, Personality, data_directory, make_directory, version};

pub(crate) struct Ollama {
    data: PathBuf,
}

impl Ollama {
    pub(crate) fn new() -> Self {
        Self { data: data_directory("/root/.ollama") }
    }
}

impl Personality for Ollama {
    /// ollama/ollama, docs/faq.md: port 11434; its image sets `OLLAMA_HOST=0.0.0.0`.
    fn listens(&self) -> Listens {
        Listens { host: "0.0.0.0", ports: vec![11434] }
    }

    /// Ollama makes `~/.ollama/id_ed25519` once and keeps models below `~/.ollama/models` (docs/faq.md).
    fn start(&self) -> anyhow::Result<()> {
        make_directory(&self.data.join("models"))?;
        let key = self.data.join("id_ed25519");
        if !key.exists() {
            std::fs::write(key, "not a key\n")?;
        }
        Ok(())
    }

    /// ollama/ollama, docs/api.md: "List Local Models", "Version"; the root route as in docs/faq.md.
    fn answer(&self, request: &Request) -> Response {
        match request.route() {
            ("GET", "/api/tags") => Response::json(200, &json!({ "models": [] })),
            ("GET", "/api/version") => Response::json(200, &json!({ "version": version("0.12.11") })),
            ("GET" | "HEAD", "/") => Response::text(200, "Ollama is running"),
            _ => Response::text(404, "404 page not found"),
        }
    }
}
