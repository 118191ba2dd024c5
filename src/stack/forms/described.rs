//! The keys of a mapping, each with its form and one sentence: what [`super::Map`] takes, and what the JSON Schema for editors is
//! made from, so that the two cannot part.

use serde_json::{Map as JsonMap, Value, json};

/// A key as readers know it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub key: &'static str,
    pub form: Form,
    /// One sentence, without a full stop.
    pub about: &'static str,
}

pub const fn key(key: &'static str, form: Form, about: &'static str) -> Described {
    Described { key, form, about }
}

/// What may stand there.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Text,
    Boolean,
    Integer,
    Number,
    /// `1m30s`, or seconds.
    Duration,
    /// `512m`, or bytes.
    Size,
    /// Octal: `"0750"`.
    Mode,
    /// Of this machine.
    Path,
    OneOf(&'static [&'static str]),
    List(&'static Form),
    Either(&'static [Form]),
    /// `{ A: b }`, or `[A=b]`.
    Pairs,
    Map(&'static [Described]),
    /// A mapping from names that the user chooses.
    Names(&'static Form),
}

pub const TEXTS: Form = Form::List(&Form::Text);
pub const TEXT_OR_TEXTS: Form = Form::Either(&[Form::Text, TEXTS]);

impl Form {
    /// As JSON Schema. A variable may stand wherever a value may, so that numbers and switches may be text, too.
    pub fn schema(&self) -> Value {
        let scalar = |also: &str| json!({ "type": [also, "string"] });
        match self {
            Form::Text => json!({ "type": ["string", "number", "boolean", "null"] }),
            Form::Path => json!({ "type": ["string", "null"] }),
            Form::Boolean => scalar("boolean"),
            Form::Integer => scalar("integer"),
            Form::Number | Form::Duration | Form::Size | Form::Mode => scalar("number"),
            Form::OneOf(words) => {
                // YAML reads some words as switches.
                let is_switch = |word: &&str| ["no", "off", "yes", "on", "none"].contains(word);
                match words.iter().any(is_switch) {
                    true => json!({ "anyOf": [{ "enum": words }, { "type": ["boolean", "null"] }, variable()] }),
                    false => json!({ "anyOf": [{ "enum": words }, variable()] }),
                }
            }
            Form::List(form) => json!({ "type": "array", "items": form.schema() }),
            Form::Either(forms) => json!({ "anyOf": forms.iter().map(Form::schema).collect::<Vec<_>>() }),
            Form::Pairs => Form::Either(&[Form::Names(&Form::Text), TEXTS]).schema(),
            Form::Map(keys) => mapping(keys),
            Form::Names(form) => json!({ "type": "object", "additionalProperties": or_null(form.schema()) }),
        }
    }
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": "\\$" })
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// A mapping of exactly these keys, and extensions.
pub fn mapping(keys: &[Described]) -> Value {
    let property = |described: &Described| {
        let Described { key, form, about } = described;
        let mut schema = form.schema();
        schema["description"] = json!(format!("{about}."));
        ((*key).to_owned(), schema)
    };
    let properties: JsonMap<String, Value> = keys.iter().map(property).collect();
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": true },
        "additionalProperties": false,
    })
}
