//! Qdrant: collections that can be made and listed, and that outlive the process.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::server::{Request, Response};
use crate::{Listens, Personality, data_directory, log, make_directory, version};

pub(crate) struct Qdrant {
    collections: PathBuf,
}

impl Qdrant {
    pub(crate) fn new() -> Self {
        Self { collections: data_directory("/qdrant/storage").join("collections") }
    }

    fn names(&self) -> std::io::Result<Vec<Value>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.collections)? {
            names.push(json!({ "name": entry?.file_name().to_string_lossy() }));
        }
        names.sort_by_key(Value::to_string);
        Ok(names)
    }

    fn make(&self, name: &str, config: &str) -> std::io::Result<()> {
        let directory = self.collections.join(name);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("config.json"), config)?;
        log(&format!("qdrant: made collection {name}"));
        Ok(())
    }
}

impl Personality for Qdrant {
    /// qdrant/qdrant, config/config.yaml: 6333 for HTTP, 6334 for gRPC (here it only accepts connections).
    fn listens(&self) -> Listens {
        Listens { host: "0.0.0.0", ports: vec![6333, 6334] }
    }

    fn start(&self) -> anyhow::Result<()> {
        make_directory(&self.collections)
    }

    /// api.qdrant.tech/api-reference: collections/get-collections, collections/create-collection, service/healthz,
    /// service/livez, service/readyz, service/root.
    fn answer(&self, request: &Request) -> Response {
        let result = match request.route() {
            ("GET", "/") => {
                let name = "qdrant - vector search engine";
                return Response::json(200, &json!({ "title": name, "version": version("1.16.0") }));
            }
            ("GET", "/healthz" | "/livez") => return Response::text(200, "healthz check passed"),
            ("GET", "/readyz") => return Response::text(200, "all shards are ready"),
            ("GET", "/collections") => self.names().map(|names| json!({ "collections": names })),
            ("PUT", path) => match path.strip_prefix("/collections/") {
                Some(name) if !name.is_empty() && !name.contains('/') && !name.starts_with('.') => {
                    self.make(name, &request.body).map(|()| json!(true))
                }
                _ => return Response::text(404, ""),
            },
            _ => return Response::text(404, ""),
        };
        match result {
            Ok(result) => Response::json(200, &json!({ "result": result, "status": "ok", "time": 0.000_01 })),
            Err(error) => Response::json(500, &json!({ "status": { "error": error.to_string() }, "time": 0.000_01 })),
        }
    }
}
