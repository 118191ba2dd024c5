//! The one comparison of the tool: desired, observed and last-applied, attribute by attribute. Kinds bring the table and
//! canonical values; they never compare themselves.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::attributes::{Attribute, Attributes, Comparison};
use crate::change::{Action, AttributeChange, Cause};
use crate::desired::Difference;

/// What differs. An attribute that the user neither sets nor had set at the last apply is never compared, so that what
/// an image or the engine fills in is no drift.
pub fn compare(
    table: &[Attribute],
    desired: &Attributes,
    seen: &Attributes,
    last_applied: Option<&Attributes>,
) -> Difference {
    let mut attributes = Vec::new();
    // Most rows are nobody's: neither set nor set before.
    let set = [Some(desired), last_applied].into_iter().flatten().flat_map(|side| side.0.keys());
    let mut set: Vec<&str> = set.map(String::as_str).collect();
    set.sort_unstable();
    for row in table.iter().filter(|row| set.binary_search(&row.path).is_ok()) {
        let wanted = desired.get(row.path);
        let last = if row.state { wanted } else { last_applied.and_then(|last| last.get(row.path)) };
        let seen = if row.blind { last } else { seen.get(row.path) };
        if row.blind && last_applied.is_none() {
            continue;
        }
        match row.comparison {
            Comparison::Keys => attributes.extend(compare_keys(row, wanted, seen, last, None)),
            Comparison::AllKeys => {
                // Newly set, what was there before is the engine's.
                let also = seen.filter(|_| wanted.is_some() && last.is_some());
                attributes.extend(compare_keys(row, wanted, seen, last, also));
            }
            Comparison::Whole | Comparison::Set if wanted.is_none() && last.is_none() => {}
            Comparison::Whole | Comparison::Set => {
                attributes.extend(compare_one(row, None, wanted, seen, last));
            }
        }
    }
    Difference { action: Action::None, attributes: Vec::new() }.and(attributes)
}

fn compare_keys(
    row: &Attribute,
    wanted: Option<&Value>,
    seen: Option<&Value>,
    last: Option<&Value>,
    also: Option<&Value>,
) -> Vec<AttributeChange> {
    fn at<'v>(side: Option<&'v Value>, key: &str) -> Option<&'v Value> {
        side.and_then(|side| side.get(key))
    }
    let maps = [wanted, last, also].into_iter().flatten().filter_map(Value::as_object);
    let all: BTreeSet<&String> = maps.flat_map(serde_json::Map::keys).collect();
    let changes =
        all.into_iter().filter_map(|key| compare_one(row, Some(key), at(wanted, key), at(seen, key), at(last, key)));
    changes.collect()
}

fn compare_one(
    row: &Attribute,
    key: Option<&String>,
    wanted: Option<&Value>,
    seen: Option<&Value>,
    last: Option<&Value>,
) -> Option<AttributeChange> {
    let same = |a: Option<&Value>, b: Option<&Value>| is_same(row, a, b);
    if same(wanted, seen) {
        return None;
    }
    let cause = match (same(wanted, last), same(seen, last)) {
        (true, _) => Cause::Machine,
        (false, true) => Cause::File,
        // Newly set: what was there before is the image's or the engine's, nobody's change.
        (false, false) if last.is_none() => Cause::File,
        (false, false) => Cause::Both,
    };
    Some(AttributeChange {
        path: key.map_or_else(|| row.path.to_owned(), |key| format!("{}.{key}", row.path)),
        before: seen.cloned().unwrap_or(Value::Null),
        after: wanted.cloned().unwrap_or(Value::Null),
        cause,
        on_change: row.on_change,
    })
}

/// Null and absent are one; a set has no order.
fn is_same(row: &Attribute, a: Option<&Value>, b: Option<&Value>) -> bool {
    let [a, b] = [a, b].map(|value| value.unwrap_or(&Value::Null));
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if row.comparison == Comparison::Set && a != b => {
            let sorted = |items: &[Value]| {
                let mut texts: Vec<String> = items.iter().map(ToString::to_string).collect();
                texts.sort();
                texts
            };
            a.len() == b.len() && sorted(a) == sorted(b)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::compare;
    use crate::attributes::{Attribute, Attributes, attribute};
    use crate::change::{Action, Cause};

    const TABLE: &[Attribute] = &[
        attribute("user", Action::Replace),
        attribute("caps", Action::Replace).set(),
        attribute("environment", Action::Replace).keys(),
        attribute("networks", Action::Update).all_keys(),
        attribute("devices", Action::Replace).blind(),
        attribute("running", Action::Start).state(),
    ];

    fn attributes(value: Value) -> Attributes {
        serde_json::from_value(value).expect("a map")
    }

    #[track_caller]
    fn check(desired: Value, seen: Value, last: Option<Value>, expected: &[(&str, Cause)]) {
        let seen = attributes(seen);
        let last = last.map(attributes);
        let found = compare(TABLE, &attributes(desired), &seen, last.as_ref());
        let found: Vec<_> = found.attributes.iter().map(|change| (change.path.as_str(), change.cause)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_the_user_did_not_set_is_never_compared() {
        check(json!({}), json!({"user": "nobody", "environment": {"PATH": "/bin"}}), Some(json!({})), &[]);
    }

    #[test]
    fn what_is_all_there_is_to_be_bears_no_more() {
        let (one, two) = (json!({"networks": {"a": {}}}), json!({"networks": {"a": {}, "b": {}}}));
        check(one.clone(), two.clone(), Some(one.clone()), &[("networks.b", Cause::Machine)]);
        check(one.clone(), two.clone(), Some(two.clone()), &[("networks.b", Cause::File)]);
        check(json!({}), two.clone(), Some(json!({})), &[]);
        check(one.clone(), two, Some(json!({})), &[]);
        check(one.clone(), one.clone(), Some(one), &[]);
    }

    #[test]
    fn the_cause_is_told_from_the_last_applied() {
        check(json!({"user": "a"}), json!({"user": "b"}), Some(json!({"user": "b"})), &[("user", Cause::File)]);
        check(json!({"user": "a"}), json!({"user": "b"}), Some(json!({"user": "a"})), &[("user", Cause::Machine)]);
        check(json!({"user": "a"}), json!({"user": "b"}), Some(json!({"user": "c"})), &[("user", Cause::Both)]);
        check(json!({"user": "a"}), json!({"user": "b"}), None, &[("user", Cause::File)]);
    }

    #[test]
    fn a_line_removed_from_the_file_is_a_change_of_the_file() {
        check(json!({}), json!({"user": "b"}), Some(json!({"user": "b"})), &[("user", Cause::File)]);
        let both = json!({"environment": {"A": "1", "B": "2"}});
        check(json!({"environment": {"A": "1"}}), both.clone(), Some(both), &[("environment.B", Cause::File)]);
    }

    #[test]
    fn each_key_stands_for_itself_and_foreign_keys_are_left_alone() {
        let seen = json!({"environment": {"A": "1", "B": "x", "PATH": "/bin"}});
        let last = json!({"environment": {"A": "1", "B": "2"}});
        check(json!({"environment": {"A": "1", "B": "2"}}), seen, Some(last), &[("environment.B", Cause::Machine)]);
    }

    #[test]
    fn a_set_has_no_order() {
        check(json!({"caps": ["a", "b"]}), json!({"caps": ["b", "a"]}), None, &[]);
    }

    #[test]
    fn what_the_machine_cannot_show_is_held_against_the_last_applied() {
        check(json!({"devices": ["x"]}), json!({}), Some(json!({"devices": ["x"]})), &[]);
        check(json!({"devices": ["x"]}), json!({}), Some(json!({})), &[("devices", Cause::File)]);
        check(json!({"devices": ["x"]}), json!({}), None, &[]);
    }

    #[test]
    fn a_state_is_always_the_machines_doing() {
        check(json!({"running": true}), json!({"running": false}), None, &[("running", Cause::Machine)]);
    }
}
