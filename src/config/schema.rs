//! A JSON Schema (draft 2020-12) of tables, for editors.

use super::description::{Alternative, Description, Field, ValueShape};
use super::interval::Interval;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schema of a whole file.
pub fn schema(root: &'static Description) -> Value {
    let mut definitions = Definitions::default();
    let top = definitions.table(root, false);
    let mut defs: Map<String, Value> = definitions.made.into_iter().collect();
    defs.insert("axis".into(), axis());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": top["$ref"],
        "$defs": defs,
    })
}

fn axis() -> Value {
    json!({
        "type": "string",
        "pattern": "^\\$.",
        "description": "a value of the axis of this name in [sweep]",
    })
}

/// The definitions of tables so far, by name.
#[derive(Default)]
struct Definitions {
    made: BTreeMap<String, Value>,
}

impl Definitions {
    /// A reference to a table's definition, which is made if it is new. Where its values may be swept it is another one.
    fn table(&mut self, table: &'static Description, swept: bool) -> Value {
        let name = format!("{}{}", table.name, if swept { "-swept" } else { "" });
        if !self.made.contains_key(&name) {
            // Tables may hold each other.
            self.made.insert(name.clone(), Value::Null);
            let definition = self.definition(table, swept);
            self.made.insert(name.clone(), definition);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn definition(&mut self, table: &'static Description, swept: bool) -> Value {
        let own: Vec<&Field> = table.fields.iter().collect();
        let Some((tag, kinds)) = &table.kinds else {
            return self.object(table, &own, None, swept);
        };
        let mut alternatives = Vec::new();
        for kind in *kinds {
            let more = (kind.table)();
            let mut fields: Vec<&Field> = more.fields.iter().collect();
            if tag.name.is_empty() && fields.is_empty() {
                // A kind that is a word, and no table.
                continue;
            }
            fields.extend(&own);
            let tag = (!tag.name.is_empty()).then_some((tag.name, kind.word, tag.usual));
            alternatives.push(self.object(more, &fields, tag, swept));
        }
        json!({ "description": line(table.doc), "anyOf": alternatives })
    }

    fn object(
        &mut self,
        table: &Description,
        fields: &[&'static Field],
        tag: Option<(&str, &str, &str)>,
        swept: bool,
    ) -> Value {
        let mut properties = Map::new();
        let mut required: Vec<&str> = Vec::new();
        if let Some((tag, word, usual)) = tag {
            let word_alone = json!({ "const": word });
            properties.insert(tag.into(), sweepable(word_alone, swept));
            if usual != word {
                required.push(tag);
            }
        }
        let one_of = |name: &str| table.choices.iter().any(|(_, keys)| keys.contains(&name));
        for field in fields {
            properties.insert(field.key.name.into(), self.property(field, swept));
            if field.usual.is_none() && !one_of(field.key.name) {
                required.push(field.key.name);
            }
        }
        let mut object = json!({
            "type": "object",
            "description": line(table.doc),
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        let choices = table.choices.iter().map(|(_, keys)| {
            let each = keys.iter().map(|key| json!({ "required": [key] }));
            json!({ "oneOf": each.collect::<Vec<_>>() })
        });
        let choices: Vec<Value> = choices.collect();
        if !choices.is_empty() {
            object["allOf"] = json!(choices);
        }
        object
    }

    fn property(&mut self, field: &'static Field, swept: bool) -> Value {
        let mut schema = self.value(&field.shape, swept);
        schema["description"] = json!(line(field.key.doc));
        if let Some(default) = field.usual.as_deref().and_then(as_json) {
            schema["default"] = default;
        }
        if !field.key.like.is_empty()
            && let Some(example) = as_json(field.key.like)
        {
            schema["examples"] = json!([example]);
        }
        schema
    }

    fn value(&mut self, shape: &ValueShape, swept: bool) -> Value {
        match shape {
            ValueShape::Swept(shape) => self.value(shape, true),
            shape => sweepable(self.plain(shape, swept), swept),
        }
    }

    fn plain(&mut self, shape: &ValueShape, swept: bool) -> Value {
        match shape {
            ValueShape::Any => json!({}),
            ValueShape::Boolean => json!({ "type": "boolean" }),
            ValueShape::Whole(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            ValueShape::Real(interval) => real(interval),
            ValueShape::Text(_, "") | ValueShape::Name(_) => json!({ "type": "string" }),
            ValueShape::Text(_, pattern) => json!({ "type": "string", "pattern": pattern }),
            ValueShape::Literal(word) => json!({ "const": word }),
            ValueShape::Choice(alternatives) => self.choice(alternatives, swept),
            ValueShape::List(item, least) => {
                json!({ "type": "array", "items": self.value(item, swept), "minItems": least })
            }
            ValueShape::Table(table) => self.table(table(), swept),
            ValueShape::Map(item) => {
                json!({ "type": "object", "additionalProperties": self.value(item, swept) })
            }
            ValueShape::Swept(shape) => self.plain(shape, true),
            ValueShape::Either(shapes) => {
                let shapes = shapes.iter().map(|shape| self.plain(shape, swept));
                json!({ "anyOf": shapes.collect::<Vec<_>>() })
            }
        }
    }

    fn choice(&mut self, alternatives: &[Alternative], swept: bool) -> Value {
        let mut all = Vec::new();
        for of in alternatives {
            if of.alone {
                all.push(json!({ "const": of.word, "description": line(of.doc) }));
            }
            if let Some((shape, _)) = of.key {
                all.push(json!({
                    "type": "object",
                    "description": line(of.doc),
                    "properties": { of.word: self.value(&shape(), swept) },
                    "required": [of.word],
                    "additionalProperties": false,
                }));
            }
        }
        json!({ "anyOf": all })
    }
}

fn sweepable(schema: Value, swept: bool) -> Value {
    if swept {
        json!({ "anyOf": [schema, { "$ref": "#/$defs/axis" }] })
    } else {
        schema
    }
}

fn real(interval: &Interval) -> Value {
    let mut schema = json!({ "type": "number" });
    let (low, high) = interval.open;
    let mut bound = |key: &str, open: bool, at: f64| {
        if at.is_finite() {
            let exclusive = format!("exclusive{}{}", key[..1].to_uppercase(), &key[1..]);
            schema[if open { &exclusive } else { key }] = json!(at);
        }
    };
    bound("minimum", low, interval.from);
    bound("maximum", high, interval.to);
    schema
}

/// A value as a file has it, as JSON; words that are no value are none.
fn as_json(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

/// A doc comment as one line.
pub(super) fn line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
