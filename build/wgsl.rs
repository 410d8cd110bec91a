//! The WGSL that compilers see, from what its author wrote: plain WGSL with two kinds of lines beside.
//!
//! `#import NAME` takes in `shaders/shared/NAME.wgsl`. What stands between `#repeat k 0 8` and `#end` is there eight times,
//! with 0 to 7 in place of `{k}`, or 1 to 8 in place of `{k+1}`: for what no loop can do, since WGSL wants a constant or a name
//! there. A constant that stands before can be named instead of a number.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A line of a file.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// `shaders/NAME.wgsl`.
    pub file: &'a str,
    /// From 1 on.
    pub number: usize,
    /// What stands there.
    pub written: &'a str,
}

/// A line of a kernel's whole text.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// As compilers see it.
    pub text: String,
    place: Place<'a>,
    /// Which number stands for which name, in a `#repeat`.
    repeat: Option<(&'a str, u32)>,
}

impl<'a> Line<'a> {
    fn new(place: Place<'a>, repeat: Option<(&'a str, u32)>) -> Self {
        Self {
            text: with_value(place.written, repeat),
            place,
            repeat,
        }
    }

    /// A remark on these bytes of the text, where its author finds them.
    pub fn mark(&self, bytes: Range<usize>, remark: impl Into<String>) -> Mark<'a> {
        let Place { written, .. } = self.place;
        let column = |byte: usize| {
            let mut ends = (0..=written.len())
                .rev()
                .filter(|&i| written.is_char_boundary(i));
            ends.find(|&i| with_value(&written[..i], self.repeat).len() <= byte)
                .unwrap_or(0)
        };
        Mark {
            place: self.place,
            bytes: column(bytes.start)..column(bytes.end),
            remark: remark.into(),
        }
    }
}

/// A remark on a part of a line.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    place: Place<'a>,
    bytes: Range<usize>,
    remark: String,
}

/// What is wrong in a shader, shown where it was written.
#[derive(Clone, Debug)]
pub struct Mistake<'a> {
    /// What.
    pub message: String,
    /// Where.
    pub marks: Vec<Mark<'a>>,
    /// What helps.
    pub notes: Vec<String>,
}

impl<'a> Mistake<'a> {
    fn in_line(place: Place<'a>, message: impl Into<String>) -> Self {
        let whole = place.written.len() - place.written.trim_start().len()..place.written.len();
        Self {
            message: message.into(),
            marks: vec![Line::new(place, None).mark(whole, "")],
            notes: Vec::new(),
        }
    }
}

/// As rustc writes its errors: the message, then each place as `file:line:column` with its line and a caret.
impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for mark in &self.marks {
            let Place {
                file,
                number,
                written,
            } = mark.place;
            let column = written[..mark.bytes.start].chars().count();
            let carets = written[mark.bytes.clone()].chars().count().max(1);
            let margin = " ".repeat(number.to_string().len());
            let under = format!(
                "{}{} {}",
                " ".repeat(column),
                "^".repeat(carets),
                mark.remark
            );
            write!(
                f,
                "\n{margin}--> {file}:{number}:{}\n{margin} |\n{number} | {written}\n{margin} | {}",
                column + 1,
                under.trim_end()
            )?;
        }
        for note in &self.notes {
            write!(f, "\n  = {note}")?;
        }
        Ok(())
    }
}

/// The whole text of the kernel in `file`. `shared` are the texts that may be imported, by name, each with its file; each is
/// taken in once.
///
/// # Errors
/// The first line with a `#` that cannot be followed.
pub fn expand<'a>(
    file: &'a str,
    text: &'a str,
    shared: &BTreeMap<&'a str, (&'a str, &'a str)>,
) -> Result<Vec<Line<'a>>, Mistake<'a>> {
    let mut lines = Vec::new();
    take_in(file, text, shared, &mut lines)?;
    Ok(lines)
}

fn take_in<'a>(
    file: &'a str,
    text: &'a str,
    shared: &BTreeMap<&'a str, (&'a str, &'a str)>,
    lines: &mut Vec<Line<'a>>,
) -> Result<(), Mistake<'a>> {
    let mut places = text.lines().zip(1..).map(|(written, number)| Place {
        file,
        number,
        written,
    });
    while let Some(place) = places.next() {
        let words: Vec<&str> = place.written.split_whitespace().collect();
        match words[..] {
            ["#import", name] => {
                let Some((file, text)) = shared.get(name) else {
                    let message = format!("there is no shaders/shared/{name}.wgsl");
                    return Err(Mistake::in_line(place, message));
                };
                if lines.iter().all(|line| line.place.file != *file) {
                    take_in(file, text, shared, lines)?;
                    // Apart from what follows.
                    let written = "";
                    lines.push(Line::new(Place { written, ..place }, None));
                }
            }
            ["#repeat", name, from, to] => {
                let range = bound(place, from, lines)?..bound(place, to, lines)?;
                let body = places.by_ref().take_while(|p| p.written.trim() != "#end");
                let body: Vec<Place<'a>> = body.collect();
                let once = |value| body.iter().map(move |&p| Line::new(p, Some((name, value))));
                lines.extend(range.flat_map(once));
            }
            [word, ..] if word.starts_with('#') => {
                let message = "this is neither `#import NAME` nor `#repeat NAME FROM TO` nor the `#end` of one";
                return Err(Mistake::in_line(place, message));
            }
            _ => lines.push(Line::new(place, None)),
        }
    }
    Ok(())
}

/// The first number of a `#repeat`, or the one after its last: a number, or a constant that an earlier line declares.
fn bound<'a>(place: Place<'a>, word: &str, lines: &[Line<'a>]) -> Result<u32, Mistake<'a>> {
    let declares = format!("const {word}: u32 = ");
    let constant = |line: &Line<'_>| {
        line.text
            .strip_prefix(&declares)?
            .split('u')
            .next()?
            .parse()
            .ok()
    };
    let number = word
        .parse()
        .ok()
        .or_else(|| lines.iter().find_map(constant));
    number.ok_or_else(|| {
        let message = format!("`{word}` is neither a number nor a constant of the lines before");
        Mistake::in_line(place, message)
    })
}

/// `line` with the number in place of each `{name}`, `{name+1}`, `{name-8}`.
fn with_value(line: &str, repeat: Option<(&str, u32)>) -> String {
    let Some((name, value)) = repeat else {
        return line.to_owned();
    };
    let open = format!("{{{name}");
    let mut pieces = line.split(open.as_str());
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let number = piece.split_once('}').and_then(|(offset, rest)| {
            let by: i64 = match offset {
                "" => 0,
                _ if offset.starts_with(['+', '-']) => offset.parse().ok()?,
                _ => return None,
            };
            Some((i64::from(value) + by, rest))
        });
        match number {
            Some((number, rest)) => text.push_str(&format!("{number}{rest}")),
            None => text.push_str(&format!("{open}{piece}")),
        }
    }
    text
}
