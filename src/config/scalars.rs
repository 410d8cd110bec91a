//! Single values: type, range, choice.

use super::description::ValueShape;
use super::form::{Form, FromNode};
use super::interval::Interval;
use super::node::{Node, Value};
use super::reader::Reader;
use super::suggest;
use std::fmt::Display;

/// A real number; integers count.
pub struct Real(pub &'static Interval);

impl Real {
    fn no_number(&self, node: &Node, key: &str, reader: &mut Reader<'_>) {
        let expected = format!("a number that is {}", self.0.words);
        let percent = node.text().and_then(|text| text.strip_suffix('%'));
        let percent = percent.and_then(|number| number.trim().parse().ok());
        match percent.and_then(|percent| self.0.share_of_percent(percent)) {
            Some(share) => {
                let message = format!("`{key}` must be {expected}, not {}", node.describe());
                reader.at(node, message, format!("write {key} = {share}"));
            }
            None => reader.wrong_type(node, key, &expected),
        }
    }
}

impl Form<f64> for Real {
    fn shape(&self) -> ValueShape {
        ValueShape::Real(self.0)
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<f64> {
        let number = match node.value {
            Value::Float(number) => number,
            Value::Integer(number) => number as f64,
            _ => {
                self.no_number(node, key, reader);
                return None;
            }
        };
        if !self.0.holds(number) {
            let message = format!("`{key}` is {number}: out of range");
            let must = format!("`{key}` must be {}", self.0.words);
            let help = match self.0.share_of_percent(number) {
                Some(share) => format!("{must}: for {number} percent write {key} = {share}"),
                None => must,
            };
            reader.at(node, message, help);
            return None;
        }
        // -0.0 means 0.0 and must have its digest.
        Some(number + 0.0)
    }
    fn show(&self, value: &f64) -> String {
        if *value != 0.0 && value.abs() < 1e-3 {
            return format!("{value:e}");
        }
        let text = toml::Value::Float(*value).to_string();
        text.trim_end_matches(".0").to_string()
    }
}

/// Rounded to 32 bits; below 1 even then, if it must be.
impl Form<f32> for Real {
    fn shape(&self) -> ValueShape {
        ValueShape::Real(self.0)
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<f32> {
        let number: f64 = self.read(node, key, reader)?;
        let narrow = number as f32;
        Some(if self.0.holds(f64::from(narrow)) {
            narrow
        } else {
            narrow.next_down()
        })
    }
    fn show(&self, value: &f32) -> String {
        self.show(&f64::from(*value))
    }
}

/// A real number that the device computes with: one that is not 0 must not become 0 or infinite in 32 bits, nor leave the
/// interval.
pub struct Single(pub &'static Interval);

impl Form<f64> for Single {
    fn shape(&self) -> ValueShape {
        ValueShape::Real(self.0)
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<f64> {
        let number = Real(self.0).read(node, key, reader)?;
        let narrow = f64::from(number as f32);
        if (narrow == 0.0) == (number == 0.0) && self.0.holds(narrow) {
            return Some(number);
        }
        let message = format!("`{key}` is {number:e}, which becomes {narrow} as a 32-bit number");
        let help =
            "the GPU computes with about 7 digits, from 1e-38 to 3e38: write a number within these";
        reader.at(node, message, help);
        None
    }
    fn show(&self, value: &f64) -> String {
        Real(self.0).show(value)
    }
}

/// A whole number from, to.
pub struct Whole(pub u64, pub u64);

impl<T: TryFrom<u64> + Display> Form<T> for Whole {
    fn shape(&self) -> ValueShape {
        ValueShape::Whole(self.0, self.1)
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<T> {
        let Whole(least, most) = self;
        let Value::Integer(number) = node.value else {
            reader.wrong_type(node, key, &format!("a whole number from {least} to {most}"));
            return None;
        };
        let inside = u64::try_from(number)
            .ok()
            .filter(|n| (least..=most).contains(&n));
        if inside.is_none() {
            let message = format!("`{key}` is {number}: out of range");
            let help = format!("`{key}` must be a whole number from {least} to {most}");
            reader.at(node, message, help);
        }
        T::try_from(inside?).ok()
    }
    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// A whole number of 32 bits, at least so much.
pub const fn at_least(least: u32) -> Whole {
    Whole(least as u64, u32::MAX as u64)
}

impl FromNode for bool {
    fn shape() -> ValueShape {
        ValueShape::Boolean
    }
    fn read(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<bool> {
        match node.value {
            Value::Boolean(flag) => Some(flag),
            _ => {
                reader.wrong_type(node, key, "true or false");
                None
            }
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Any string.
pub struct AnyText;

impl Form<String> for AnyText {
    fn shape(&self) -> ValueShape {
        ValueShape::Text("a string", "")
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<String> {
        if node.text().is_none() {
            reader.wrong_type(node, key, "a string");
        }
        node.text().map(str::to_string)
    }
    fn show(&self, value: &String) -> String {
        format!("{value:?}")
    }
}

/// A string of at least one visible character and no line breaks.
pub struct Line;

impl Form<String> for Line {
    fn shape(&self) -> ValueShape {
        ValueShape::Text("one line of text", r"\S")
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<String> {
        let text = AnyText.read(node, key, reader)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            let help = "it stands in tables and file names: one line of visible text";
            reader.at(node, format!("`{key}` is not one line of text"), help);
            return None;
        }
        Some(text)
    }
    fn show(&self, value: &String) -> String {
        AnyText.show(value)
    }
}

/// One of a few words, of which the key is the name.
pub fn one_of<'w>(
    node: &Node,
    key: &str,
    words: &[&'w str],
    reader: &mut Reader<'_>,
) -> Option<&'w str> {
    let Some(text) = node.text() else {
        reader.wrong_type(node, key, &format!("one of {}", suggest::list(words)));
        return None;
    };
    let found = words.iter().find(|word| **word == text).copied();
    if found.is_none() {
        reader.unknown_word(node, key, text, words);
    }
    found
}

/// The name of a thing of this kind.
pub struct Name(pub &'static str);

impl Form<String> for Name {
    fn shape(&self) -> ValueShape {
        ValueShape::Name(self.0)
    }
    fn read(&self, node: &Node, _: &str, reader: &mut Reader<'_>) -> Option<String> {
        let names = reader.context.names(self.0)?;
        one_of(node, self.0, &names, reader).map(str::to_string)
    }
    fn show(&self, value: &String) -> String {
        AnyText.show(value)
    }
}
