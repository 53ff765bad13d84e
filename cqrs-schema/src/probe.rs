//! Whether a field of a recorded payload is still read: found out, not guessed from names.

use serde_json::{Value, json};

use crate::schemas::Described;

/// Whether what stands at `pointer` in a payload is read: a payload that holds something absurd there does not decode, or is
/// another event. `None` when nothing stands there.
pub(crate) fn is_read(events: &Described, event_type: &str, sample: &str, pointer: &str) -> Option<bool> {
    let mut changed: Value = serde_json::from_str(sample).ok()?;
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    if put(&mut changed, &steps) == 0 {
        return None;
    }
    let (before, after) =
        (events.decode(event_type, sample.as_bytes()), events.decode(event_type, changed.to_string().as_bytes()));
    match (before, after) {
        (Ok(before), Ok(after)) => Some(before != after),
        _ => Some(true),
    }
}

/// Puts something absurd at each place that the steps lead to. Says at how many.
fn put(value: &mut Value, steps: &[String]) -> usize {
    let Some((step, further)) = steps.split_first() else {
        *value = json!([[{ "absurd": [true, null] }]]);
        return 1;
    };
    match value {
        Value::Object(fields) if step == "*" => fields.values_mut().map(|value| put(value, further)).sum(),
        Value::Object(fields) => fields.get_mut(step).map_or(0, |value| put(value, further)),
        Value::Array(items) if step == "*" => items.iter_mut().map(|value| put(value, further)).sum(),
        Value::Array(items) => {
            step.parse::<usize>().ok().and_then(|index| items.get_mut(index)).map_or(0, |value| put(value, further))
        }
        _ => 0,
    }
}
