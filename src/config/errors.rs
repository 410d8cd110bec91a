//! What is wrong with an experiment, for people.

use super::problem::Problem;
use crate::base::at_spaces;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One mistake in an experiment file, or in a `--set` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// How to put it right.
    pub help: Option<String>,
    /// The file's name, or `command line`.
    pub file: String,
    /// Line in the file, from 1; 0 if the file could not be read.
    pub line: usize,
    /// Column in the line, in characters from 1; 0 if the file could not be read.
    pub column: usize,
    /// The path that `--set` takes, e.g. `arm[0].steps[1].prune.sparsity`; empty if the mistake has none.
    pub path: String,
    /// For a value of the sweep: the path of the `"$axis"` that uses it.
    pub used_at: Option<String>,
    span: Range<usize>,
    text: Arc<str>,
}

/// Every mistake found, in the order of the file. [`fmt::Display`] shows all of them without colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    file: String,
    mistakes: Vec<Mistake>,
}

/// A text that mistakes point into.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceText {
    pub name: String,
    pub text: Arc<str>,
}

impl Errors {
    /// The mistakes, in the order of the file; never none.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// All mistakes with their excerpts, ending in a line that counts them.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        for mistake in &self.mistakes {
            mistake.render(colour, &mut out);
        }
        let count = self.mistakes.len();
        let plural = if count == 1 { "mistake" } else { "mistakes" };
        out.push_str(&format!("{count} {plural} in {}\n", self.file));
        out
    }

    pub(crate) fn new(sources: &[SourceText], problems: Vec<Problem>) -> Errors {
        Errors {
            file: sources
                .first()
                .map(|source| source.name.clone())
                .unwrap_or_default(),
            mistakes: problems
                .into_iter()
                .map(|problem| Mistake::new(sources, problem))
                .collect(),
        }
    }

    /// A file that could not be read at all.
    pub(crate) fn unreadable(file: &str, message: String, help: String) -> Errors {
        let mistake = Mistake {
            message,
            help: Some(help),
            file: file.to_string(),
            line: 0,
            column: 0,
            path: String::new(),
            used_at: None,
            span: 0..0,
            text: Arc::from(""),
        };
        Errors {
            file: file.to_string(),
            mistakes: vec![mistake],
        }
    }
}

impl Mistake {
    fn new(sources: &[SourceText], problem: Problem) -> Mistake {
        let source = sources
            .get(problem.place.source)
            .cloned()
            .unwrap_or(SourceText {
                name: String::new(),
                text: Arc::from(""),
            });
        let span = first_line(&source.text, problem.place.start, problem.place.end);
        let before = &source.text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Mistake {
            message: problem.message,
            help: problem.help,
            file: source.name,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            path: problem.path,
            used_at: problem.used_at,
            span,
            text: source.text,
        }
    }

    fn render(&self, colour: bool, out: &mut String) {
        let mut diagnostic = MietteDiagnostic::new(wrap(&self.message));
        diagnostic.help = self.help.as_deref().map(wrap);
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_wrap_lines(false)
            .without_syntax_highlighting();
        let written = if self.line == 0 {
            handler.render_report(out, &diagnostic)
        } else {
            let label = match (&self.used_at, self.path.as_str()) {
                (Some(used), path) => Some(format!("{path}, used by {used}")),
                (None, "") => None,
                (None, path) => Some(path.to_string()),
            };
            let label = LabeledSpan::new(label, self.span.start, self.span.len());
            let report = miette::Report::new(diagnostic.with_label(label))
                .with_source_code(NamedSource::new(&self.file, Arc::clone(&self.text)));
            handler.render_report(out, report.as_ref())
        };
        // A String takes every write; were an excerpt impossible, the bare facts must still be said.
        if written.is_err() {
            out.push_str(&format!("{}:{}: {}", self.file, self.line, self.message));
        }
        out.push('\n');
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Errors {}

/// Long words stay whole, since they may be paths. The renderer's own wrapping would break names at their hyphens.
fn wrap(text: &str) -> String {
    textwrap::fill(text, at_spaces(90).break_words(false))
}

/// The part of a span that lies on its first line, moved onto character boundaries.
fn first_line(text: &str, start: usize, end: usize) -> Range<usize> {
    let start = text.floor_char_boundary(start.min(text.len()));
    let end = text.ceil_char_boundary(end.clamp(start, text.len()));
    let line = text[start..end].find(['\n', '\r']);
    start..line.map_or(end, |length| start + length)
}
