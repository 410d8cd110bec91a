//! Paths such as `arm["dense"].steps[0].train.length`.

use super::node::{Place, join};
use super::problem::Problem;
use std::ops::Range;

/// Several times the deepest path of the format; trees are walked recursively, so depth must have an end.
const MOST_SEGMENTS: usize = 32;

pub const HELP: &str =
    "write PATH=VALUE, e.g. train.batch=32 or arm[0].steps[1].prune.sparsity=0.9";

/// Shown before the argument, so that excerpts look like the command line.
pub const PREFIX: &str = "--set ";

/// Which `--set` argument is being read: the index of its text among the sources.
pub struct Spot {
    pub source: usize,
}

impl Spot {
    pub fn place(&self, span: Range<usize>) -> Place {
        Place::new(self.source, span, PREFIX.len())
    }

    pub fn problem(
        &self,
        message: impl Into<String>,
        span: Range<usize>,
        help: impl Into<String>,
    ) -> Box<Problem> {
        Box::new(Problem {
            message: message.into(),
            place: self.place(span),
            path: String::new(),
            used_at: None,
            help: Some(help.into()),
        })
    }
}

/// One step of a path, and where in the argument it stands.
#[derive(Debug, PartialEq)]
pub enum PathSegment {
    Key(String, Range<usize>),
    Index(usize, Range<usize>),
    /// An item of a list by its `name`.
    Name(String, Range<usize>),
}

impl PathSegment {
    pub fn span(&self) -> &Range<usize> {
        match self {
            PathSegment::Key(_, span)
            | PathSegment::Index(_, span)
            | PathSegment::Name(_, span) => span,
        }
    }

    pub fn append_to(&self, path: &str) -> String {
        match self {
            PathSegment::Key(key, _) => join(path, key),
            PathSegment::Index(index, _) => format!("{path}[{index}]"),
            PathSegment::Name(name, _) => format!("{path}[{name:?}]"),
        }
    }
}

/// Reads the path up to its `=`; also returns where the value starts.
pub fn parse_path(argument: &str, spot: &Spot) -> Result<(Vec<PathSegment>, usize), Box<Problem>> {
    let mut segments = Vec::new();
    let mut at = skip_spaces(argument, 0);
    loop {
        if segments.len() == MOST_SEGMENTS {
            let span = at..argument.len();
            return Err(spot.problem("this path is too long", span, HELP));
        }
        let rest = &argument[at..];
        let start = at;
        if rest.starts_with('[') {
            let (segment, end) = item(argument, at).ok_or_else(|| {
                let help = "an item is [0], counted from 0, or [\"NAME\"]";
                spot.problem(
                    "this item of a list is not readable",
                    at..argument.len(),
                    help,
                )
            })?;
            segments.push(segment);
            at = end;
        } else {
            let (key, end) = word(argument, at)
                .ok_or_else(|| spot.problem("a key must stand here", at..argument.len(), HELP))?;
            segments.push(PathSegment::Key(key, start..end));
            at = end;
        }
        at = skip_spaces(argument, at);
        match argument[at..].chars().next() {
            Some('=') => return Ok((segments, at + 1)),
            Some('.') => at = skip_spaces(argument, at + 1),
            Some('[') => {}
            Some(_) => {
                let span = at..argument.len();
                return Err(spot.problem("`.`, `[` or `=` must stand here", span, HELP));
            }
            None => return Err(spot.problem("there is no `=`", 0..argument.len(), HELP)),
        }
    }
}

/// A bare or quoted key.
fn word(argument: &str, at: usize) -> Option<(String, usize)> {
    if argument[at..].starts_with(['"', '\'']) {
        return quoted(argument, at);
    }
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let rest = &argument[at..];
    let length = rest.find(|letter| !bare(letter)).unwrap_or(rest.len());
    (length > 0).then(|| (rest[..length].to_string(), at + length))
}

/// `[3]` or `["name"]`.
fn item(argument: &str, at: usize) -> Option<(PathSegment, usize)> {
    let start = skip_spaces(argument, at + 1);
    let (name, end) = word(argument, start)?;
    let close = skip_spaces(argument, end);
    if !argument[close..].starts_with(']') {
        return None;
    }
    let span = at..close + 1;
    let is_quoted = argument[start..].starts_with(['"', '\'']);
    let segment = if is_quoted {
        PathSegment::Name(name, span)
    } else {
        match name.parse() {
            Ok(index) => PathSegment::Index(index, span),
            // A shell may have eaten the quotes of ["dense"].
            Err(_) => PathSegment::Name(name, span),
        }
    };
    Some((segment, close + 1))
}

/// A string in quotes; a backslash before a quote or a backslash keeps it.
fn quoted(argument: &str, at: usize) -> Option<(String, usize)> {
    let mut letters = argument[at..].char_indices();
    let (_, quote) = letters.next()?;
    let mut text = String::new();
    while let Some((offset, letter)) = letters.next() {
        if letter == quote {
            return Some((text, at + offset + quote.len_utf8()));
        }
        if letter == '\\' && quote == '"' {
            text.push(letters.next()?.1);
        } else {
            text.push(letter);
        }
    }
    None
}

fn skip_spaces(argument: &str, at: usize) -> usize {
    let rest = &argument[at..];
    at + (rest.len() - rest.trim_start().len())
}
