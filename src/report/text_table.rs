//! Columns of plain text.

use crate::base::at_spaces;
use std::borrow::Cow;
use textwrap::core::display_width;

/// How a column's cells are placed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One column: its heading (line breaks allowed) and one cell per row.
pub(crate) struct TextColumn {
    pub heading: String,
    pub align: Align,
    pub cells: Vec<String>,
}

impl TextColumn {
    fn width(&self) -> usize {
        self.heading
            .lines()
            .chain(self.cells.iter().map(String::as_str))
            .map(display_width)
            .max()
            .unwrap_or(0)
    }
}

const GAP: &str = "  ";
/// A wrapped first column is never narrower than this.
const NARROWEST: usize = 12;

/// Draws the columns side by side. A first cell that repeats the one above is left out; where the columns are wider than `width`
/// characters, the first one is wrapped between words, beside the rows it names.
pub(crate) fn draw(columns: &[TextColumn], width: usize) -> String {
    let mut widths: Vec<usize> = columns.iter().map(TextColumn::width).collect();
    let total = widths.iter().sum::<usize>() + GAP.len() * columns.len().saturating_sub(1);
    if let Some(first) = widths.first_mut() {
        let excess = total.saturating_sub(width);
        *first = first.saturating_sub(excess).max(NARROWEST.min(*first));
    }

    let mut out = String::new();
    let headings: Vec<Vec<String>> = columns
        .iter()
        .map(|column| column.heading.lines().map(str::to_owned).collect())
        .collect();
    // Headings stand on the rule below them, so shorter ones start lower.
    let tallest = headings.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..tallest {
        let cells = headings.iter().map(|lines| {
            (line + lines.len())
                .checked_sub(tallest)
                .and_then(|index| lines.get(index))
                .map_or("", String::as_str)
        });
        draw_line(&mut out, columns, &widths, cells);
    }
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    out.push_str(&rule.join(GAP));
    out.push('\n');

    let Some(first) = columns.first() else {
        return out;
    };
    let mut row = 0;
    for block in first.cells.chunk_by(|one, next| one == next) {
        let name = wrap(&block[0], widths[0]);
        for line in 0..block.len().max(name.len()) {
            let cells = columns.iter().enumerate().map(|(index, column)| {
                if index == 0 {
                    name.get(line).map(Cow::as_ref)
                } else if line < block.len() {
                    column.cells.get(row + line).map(String::as_str)
                } else {
                    None
                }
                .unwrap_or_default()
            });
            draw_line(&mut out, columns, &widths, cells);
        }
        row += block.len();
    }
    out
}

fn draw_line<'a>(
    out: &mut String,
    columns: &[TextColumn],
    widths: &[usize],
    cells: impl Iterator<Item = &'a str>,
) {
    let mut line = String::new();
    for (index, ((cell, column), width)) in cells.zip(columns).zip(widths).enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        let space = " ".repeat(width.saturating_sub(display_width(cell)));
        match column.align {
            Align::Left => {
                line.push_str(cell);
                line.push_str(&space);
            }
            Align::Right => {
                line.push_str(&space);
                line.push_str(cell);
            }
        }
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Breaks a text between words; a word longer than a line is cut. Continuation lines are indented. At least one line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<Cow<'_, str>> {
    const INDENT: &str = "  ";
    let width = width.max(INDENT.len() + 1);
    textwrap::wrap(text, at_spaces(width).subsequent_indent(INDENT))
}
