//! `--set train.batch=32`: overrides by the path that errors print.

use super::node::{Entry, Node, Value};
use super::problem::Problem;
use super::set_path::{HELP, PREFIX, PathSegment, Spot, parse_path};
use super::suggest;
use toml::de::DeValue;

/// Applies one argument. `source` is the index of the text `PREFIX + argument`; of `exclusive` keys a table takes one, so that
/// setting one takes the place of the others.
pub fn apply(
    root: &mut Node,
    argument: &str,
    source: usize,
    exclusive: &[&[&str]],
) -> Result<(), Box<Problem>> {
    let spot = Spot { source };
    let (segments, value_start) = parse_path(argument, &spot)?;
    let value = parse_value(argument, value_start, &spot)?;
    let Some((last, way)) = segments.split_last() else {
        return Err(spot.problem("there is no path", 0..argument.len(), HELP));
    };
    let mut at = root;
    let mut walked = String::new();
    for segment in way {
        at = enter(at, segment, &walked, &spot)?;
        at.overridden = true;
        walked = segment.append_to(&walked);
    }
    if let (Value::Table(entries), PathSegment::Key(key, _)) = (&mut at.value, last) {
        let rivals = exclusive.iter().find(|keys| keys.contains(&key.as_str()));
        entries.retain(|entry| {
            entry.key == *key || !rivals.is_some_and(|keys| keys.contains(&entry.key.as_str()))
        });
    }
    *enter(at, last, &walked, &spot)? = value;
    Ok(())
}

/// One step down; a key that is not there is made, and judged by the checker like any other.
fn enter<'n>(
    at: &'n mut Node,
    segment: &PathSegment,
    walked: &str,
    spot: &Spot,
) -> Result<&'n mut Node, Box<Problem>> {
    let here = if walked.is_empty() {
        "the file"
    } else {
        walked
    };
    let found = at.describe();
    let problem =
        |message: String, help: String| Err(spot.problem(message, segment.span().clone(), help));
    match (&mut at.value, segment) {
        (Value::Table(entries), PathSegment::Key(key, span)) => {
            let index = match entries.iter().position(|entry| entry.key == *key) {
                Some(index) => index,
                None => {
                    let place = spot.place(span.clone());
                    entries.push(Entry {
                        key: key.clone(),
                        key_place: place.clone(),
                        node: Node::new(Value::Table(Vec::new()), place),
                        inherited: false,
                    });
                    entries.len() - 1
                }
            };
            Ok(&mut entries[index].node)
        }
        (Value::Array(items), PathSegment::Index(index, _)) => {
            let count = items.len();
            match items.get_mut(*index) {
                Some(item) => Ok(item),
                None => problem(
                    format!("`{here}` has no item {index}"),
                    match count {
                        0 => "it is empty".to_string(),
                        count => format!("it has {count}, counted from 0: [0] to [{}]", count - 1),
                    },
                ),
            }
        }
        (Value::Array(items), PathSegment::Name(name, _)) => {
            let name_of = |item: &Node| {
                item.get("name")
                    .and_then(|name| name.text().map(str::to_string))
            };
            match items
                .iter()
                .position(|item| name_of(item).as_deref() == Some(name))
            {
                Some(index) => Ok(&mut items[index]),
                None => {
                    let names: Vec<String> = items.iter().filter_map(name_of).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    problem(
                        format!("nothing in `{here}` is named {name:?}"),
                        suggest::help(name, &names),
                    )
                }
            }
        }
        (Value::Array(_), PathSegment::Key(key, _)) => problem(
            format!("`{here}` is a list and has no key `{key}`"),
            format!("choose an item: {here}[0] or {here}[\"NAME\"]"),
        ),
        (_, PathSegment::Key(key, _)) => problem(
            format!("`{here}` is {found} and has no key `{key}`"),
            format!("set `{here}` itself, to a table if it may be one"),
        ),
        (_, PathSegment::Index(..) | PathSegment::Name(..)) => problem(
            format!("`{here}` is {found}, not a list"),
            "only lists have items".to_string(),
        ),
    }
}

/// The value: TOML, or bare words as a string.
fn parse_value(argument: &str, start: usize, spot: &Spot) -> Result<Node, Box<Problem>> {
    let text = argument[start..].trim_end();
    let start = start + (text.len() - text.trim_start().len());
    let text = text.trim_start();
    if text.is_empty() {
        let help = "a value must follow `=`; an empty string is \"\"";
        return Err(spot.problem("there is no value", 0..argument.len(), help));
    }
    match DeValue::parse(text) {
        Ok(value) => Ok(Node::from_value(&value, spot.source, PREFIX.len() + start)),
        Err(_)
            if !text.contains(['"', '\'', '[', ']', '{', '}', '#'])
                && !text.contains(char::is_control) =>
        {
            let place = spot.place(start..start + text.len());
            Ok(Node::new(Value::String(text.to_string()), place))
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..text.len());
            let help = "the value is read as TOML: strings inside lists and tables need their quotes, and the shell needs quotes around the whole";
            let message = format!("this value is not TOML: {}", error.message());
            Err(spot.problem(message, start + span.start..start + span.end, help))
        }
    }
}
