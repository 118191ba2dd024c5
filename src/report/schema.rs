//! The JSON Schemas of what is printed for programs, made from the very structs that are printed. `schemas/` holds them as
//! files; a test fails when one is stale.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::adopted::AdoptedJson;
use super::explain::ExplainJson;
use super::failure::FailureJson;
use super::graph::GraphJson;
use super::history::{HistoryJson, ShowJson};
use super::plan::PlanJson;
use super::rescued::RescuedJson;
use super::run::RunJson;
use super::status::StatusJson;
use super::valid::ValidJson;

/// File name below `schemas/` -> schema.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("adopt.schema.json", of::<AdoptedJson<'static>>()),
        ("rescue.schema.json", of::<RescuedJson>()),
        ("error.schema.json", of::<FailureJson<'static>>()),
        ("explain.schema.json", of::<ExplainJson<'static>>()),
        ("graph.schema.json", of::<GraphJson<'static>>()),
        ("history.schema.json", of::<HistoryJson<'static>>()),
        ("plan.schema.json", of::<PlanJson<'static>>()),
        ("run.schema.json", of::<RunJson<'static>>()),
        ("show.schema.json", of::<ShowJson<'static>>()),
        ("status.schema.json", of::<StatusJson<'static>>()),
        ("validate.schema.json", of::<ValidJson<'static>>()),
    ]
}

fn of<T: JsonSchema>() -> Value {
    // As printed, not as read: a key that may be left out is not required, one that may be null is.
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}
