//! The JSON Schema of a stack file, for editors: made from the very tables that the readers take keys by.

use serde_json::{Value, json};

use super::forms::{Described, mapping};
use super::load::{ENTRY_KEYS, KEYS, SECTIONS_WITH_PROFILES};

/// A section of the file, as its kind describes it.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub key: &'static str,
    pub keys: &'static [Described],
    pub about: &'static str,
}

/// The whole schema. Draft 7 is what editors know best.
pub fn schema(sections: &[Section]) -> Value {
    let mut whole = mapping(KEYS);
    for Section { key, keys, about } in sections {
        let more: &[Described] = if SECTIONS_WITH_PROFILES.contains(key) { ENTRY_KEYS } else { &[] };
        let entry = mapping(&[*keys, more].concat());
        whole["properties"][*key] = json!({
            "description": format!("{about}."),
            "type": ["object", "null"],
            "additionalProperties": { "anyOf": [entry, { "type": "null" }] },
        });
    }
    whole["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    whole["title"] = json!("A stack of stackctl");
    whole["required"] = json!(["version", "stack"]);
    whole["examples"] = json!([{
        "version": 1,
        "stack": "local-ai",
        "containers": {
            "ollama": {
                "image": "docker.io/ollama/ollama:0.12.11",
                "ports": ["127.0.0.1:11434:11434"],
                "volumes": ["~/.local/share/ollama:/root/.ollama"],
                "healthcheck": { "http": "http://127.0.0.1:11434/api/tags", "start_period": "2m" },
            },
        },
        "services": {
            "aidb": {
                "exec": ["~/bin/aidb", "--port", "8091"],
                "depends_on": { "ollama": { "condition": "service_healthy" } },
            },
        },
    }]);
    whole
}
