//! Columns of the report's tables.

use crate::report::text_table::{Align, TextColumn};

/// Characters of a line at most.
pub(super) const WIDTH: usize = 120;

/// A column with a cell for each of `rows`.
pub(super) fn column<T>(
    heading: &str,
    align: Align,
    rows: &[T],
    cell: impl Fn(&T) -> String,
) -> TextColumn {
    TextColumn {
        heading: heading.to_owned(),
        align,
        cells: rows.iter().map(cell).collect(),
    }
}
