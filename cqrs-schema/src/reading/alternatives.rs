//! A schema as a list of plain ones, of which a document fits one.

use serde_json::{Map, Value};

type Fields = Map<String, Value>;

/// The plain schemas, each of one `type` at most, that `schema` stands for; references are looked up in `document`.
pub(super) fn alternatives(schema: &Value, document: &Value) -> Vec<Fields> {
    let mut unfolding = Unfolding { document, within: Vec::new(), found: Vec::new() };
    unfolding.add(schema, &Fields::new());
    unfolding.found
}

struct Unfolding<'a> {
    document: &'a Value,
    /// The references that are being followed; one that leads to itself says nothing.
    within: Vec<String>,
    found: Vec<Fields>,
}

impl Unfolding<'_> {
    fn add(&mut self, schema: &Value, around: &Fields) {
        let Value::Object(fields) = schema else {
            if *schema != Value::Bool(false) {
                self.found.push(around.clone());
            }
            return;
        };
        let mut fields = merged(around, fields);
        if let Some(Value::String(reference)) = fields.remove("$ref") {
            return self.follow(reference, fields);
        }
        if let Some(Value::Array(all)) = fields.remove("allOf") {
            let mut whole = fields;
            for part in &all {
                if let [part] = self.apart(part).as_slice() {
                    whole = merged(&whole, part);
                }
            }
            return self.add(&Value::Object(whole), &Fields::new());
        }
        if let Some(Value::Array(variants)) = fields.remove("oneOf").or_else(|| fields.remove("anyOf")) {
            return variants.iter().for_each(|variant| self.add(variant, &fields));
        }
        let Some(Value::Array(kinds)) = fields.get("type").cloned() else {
            return self.found.push(fields);
        };
        for kind in kinds {
            let mut one = fields.clone();
            if let Some(Value::Array(values)) = one.get_mut("enum") {
                values.retain(|value| value.is_null() == (kind == "null"));
            }
            one.insert("type".to_owned(), kind);
            self.found.push(one);
        }
    }

    fn follow(&mut self, reference: String, beside: Fields) {
        let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
        match target.filter(|_| !self.within.contains(&reference)) {
            Some(target) => {
                self.within.push(reference);
                self.add(target, &beside);
                self.within.pop();
            }
            None => self.found.push(beside),
        }
    }

    /// The alternatives of a part.
    fn apart(&mut self, part: &Value) -> Vec<Fields> {
        let before = std::mem::take(&mut self.found);
        self.add(part, &Fields::new());
        std::mem::replace(&mut self.found, before)
    }
}

/// Both together: fields and requirements are joined, of anything else the second one counts.
fn merged(first: &Fields, second: &Fields) -> Fields {
    let mut both = first.clone();
    for (key, value) in second {
        match (both.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(more)) if key == "properties" => known.extend(more.clone()),
            (Some(Value::Array(known)), Value::Array(more)) if key == "required" => known.extend(more.iter().cloned()),
            _ => {
                both.insert(key.clone(), value.clone());
            }
        }
    }
    both
}
