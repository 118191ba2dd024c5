//! What a plan says, in the least words that a test can be written in.

use serde_json::Value;

/// Address, action, and what differs with its cause, such as `file file`.
pub(crate) type Planned = (String, String, Vec<String>);

/// Every change of a plan that was printed as JSON, in its order.
pub(crate) fn planned(plan: &Value) -> Vec<Planned> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |change: &Value| {
        let attributes = change["attributes"].as_array().into_iter().flatten();
        let paths = attributes.map(|row| format!("{} {}", text(&row["path"]), text(&row["cause"])));
        (text(&change["address"]), text(&change["action"]), paths.collect())
    };
    plan["changes"].as_array().into_iter().flatten().map(row).collect()
}

pub(crate) fn change(address: &str, action: &str, attributes: &[&str]) -> Planned {
    (address.to_owned(), action.to_owned(), attributes.iter().map(|text| (*text).to_owned()).collect())
}
