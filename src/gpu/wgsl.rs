//! The WGSL that compilers see, from what its author wrote: plain WGSL with two kinds of lines beside.
//!
//! `#import NAME` takes in `shaders/shared/NAME.wgsl`. What stands between `#repeat k 0 8` and `#end` is there eight times,
//! with 0 to 7 in place of `{k}`, or 1 to 8 in place of `{k+1}`: for what no loop can do, since WGSL wants a constant there.

use std::collections::BTreeMap;

/// A line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// `shaders/NAME.wgsl`.
    pub file: &'a str,
    /// From 1 on.
    pub number: usize,
    /// What stands there.
    pub written: &'a str,
}

/// A line that cannot be followed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake<'a> {
    /// The line.
    pub place: Place<'a>,
    /// Why.
    pub message: String,
}

/// The whole text of the kernel `text` in `file`. `shared` are the texts that may be imported, by name, with their files.
///
/// # Errors
/// The first line with a `#` that cannot be followed.
pub fn expand<'a>(
    file: &'a str,
    text: &'a str,
    shared: &BTreeMap<&'a str, (&'a str, &'a str)>,
) -> Result<Vec<String>, Mistake<'a>> {
    let mut out = Vec::new();
    let mut places = places(file, text);
    while let Some(place) = places.next() {
        let mistake = |message| Mistake { place, message };
        let words: Vec<&str> = place.written.split_whitespace().collect();
        match words[..] {
            ["#import", name] => {
                let (file, text) = shared
                    .get(name)
                    .ok_or_else(|| mistake(format!("there is no shared file {name}")))?;
                out.extend(expand(file, text, shared)?);
                // Apart from what follows.
                out.push(String::new());
            }
            ["#repeat", name, from, to] => {
                let bound = |word: &str| {
                    let number = word.parse::<u32>();
                    number.map_err(|_| mistake(format!("{word} is no number")))
                };
                let range = bound(from)?..bound(to)?;
                let body: Vec<Place<'a>> = places
                    .by_ref()
                    .take_while(|p| p.written.trim() != "#end")
                    .collect();
                let repeated = range.flat_map(|value| {
                    body.iter()
                        .map(move |place| with_value(place.written, name, value))
                });
                out.extend(repeated);
            }
            [word, ..] if word.starts_with('#') => {
                return Err(mistake(
                    "after # there can be `#import NAME`, `#repeat k 0 8` or `#end`".to_owned(),
                ));
            }
            _ => out.push(place.written.to_owned()),
        }
    }
    Ok(out)
}

fn places<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = Place<'a>> {
    text.lines().enumerate().map(move |(i, written)| Place {
        file,
        number: i + 1,
        written,
    })
}

/// `line` with a number in place of each `{name}`, `{name+1}`, `{name-8}`.
fn with_value(line: &str, name: &str, value: u32) -> String {
    let open = format!("{{{name}");
    let mut pieces = line.split(open.as_str());
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let number = piece.split_once('}').and_then(|(offset, rest)| {
            let signed = offset.is_empty() || offset.starts_with(['+', '-']);
            let by: i64 = if offset.is_empty() {
                0
            } else {
                offset.parse().ok()?
            };
            signed.then_some((i64::from(value) + by, rest))
        });
        match number {
            Some((number, rest)) => out.push_str(&format!("{number}{rest}")),
            None => out.push_str(&format!("{open}{piece}")),
        }
    }
    out
}
