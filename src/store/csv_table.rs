//! Tables of text with named columns, some of which are only known when it is written: sweep axes, settings, layers. Floats use the
//! shortest text that reads back to the same number.

use std::collections::HashMap;
use std::str::FromStr;

/// Names in order of first appearance.
pub(super) fn names<'a, T: 'a>(lists: impl Iterator<Item = &'a Vec<(String, T)>>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in lists.flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

pub(super) fn cells<T>(
    names: &[String],
    pairs: &[(String, T)],
    text: impl Fn(&T) -> String,
) -> Vec<String> {
    names
        .iter()
        .map(|name| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map_or_else(String::new, |(_, value)| text(value))
        })
        .collect()
}

/// `density_...` columns belong to layers, and the prefixes must stay reversible: names that start so are prefixed as well.
pub(super) fn taken(name: &str, fixed: &[&str]) -> bool {
    fixed.contains(&name)
        || ["density_", "axis_", "setting_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

pub(super) fn axis_column(axis: &str, fixed: &[&str]) -> String {
    if taken(axis, fixed) {
        format!("axis_{axis}")
    } else {
        axis.to_owned()
    }
}

pub(super) fn unprefixed(columns: Vec<(String, usize)>, prefix: &str) -> Vec<(String, usize)> {
    columns
        .into_iter()
        .map(|(name, column)| match name.strip_prefix(prefix) {
            Some(rest) => (rest.to_owned(), column),
            None => (name, column),
        })
        .collect()
}

/// Shortest text that reads back to the same number; an exponent only where plain digits would be long.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e15).contains(&size) || !size.is_finite() {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

pub(super) fn write(lines: &[Vec<String>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        // Every line has the header's length and memory does not fail, so neither can this.
        let _ = writer.write_record(line);
    }
    writer.into_inner().unwrap_or_default()
}

/// A CSV file with its columns by name.
pub(super) struct Table {
    header: Vec<String>,
    columns: HashMap<String, usize>,
    records: Vec<csv::StringRecord>,
}

impl Table {
    pub(super) fn read(bytes: &[u8], required: &[&str]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header: Vec<String> = reader
            .headers()
            .map_err(|error| error.to_string())?
            .iter()
            .map(str::to_owned)
            .collect();
        let columns: HashMap<String, usize> = header
            .iter()
            .enumerate()
            .map(|(column, name)| (name.clone(), column))
            .collect();
        if let Some(missing) = required.iter().find(|name| !columns.contains_key(**name)) {
            return Err(format!("it has no column `{missing}`"));
        }
        let records = reader
            .records()
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        Ok(Table {
            header,
            columns,
            records,
        })
    }

    /// Columns strictly between two fixed ones.
    pub(super) fn between(&self, first: &str, last: &str) -> Result<Vec<(String, usize)>, String> {
        let range = self.columns[first] + 1..self.columns[last];
        match self.header.get(range.clone()) {
            Some(names) => Ok(names.iter().cloned().zip(range).collect()),
            None => Err(format!("its column `{last}` comes before `{first}`")),
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.records.iter().map(|record| Line {
            table: self,
            record,
        })
    }
}

/// One record of a [`Table`].
pub(super) struct Line<'a> {
    table: &'a Table,
    record: &'a csv::StringRecord,
}

impl Line<'_> {
    /// The reader checked that every record is as long as the header.
    fn at(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.at(self.table.columns[name]).to_owned()
    }

    pub(super) fn value<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let column = self.table.columns[name];
        let text = self.at(column);
        text.parse().map_err(|_| self.not_a_number(column))
    }

    pub(super) fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.at_optional(self.table.columns[name])
    }

    pub(super) fn at_optional<T: FromStr>(&self, column: usize) -> Result<Option<T>, String> {
        match self.at(column) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| self.not_a_number(column)),
        }
    }

    /// Free columns this record fills.
    pub(super) fn pairs(&self, columns: &[(String, usize)]) -> Vec<(String, String)> {
        columns
            .iter()
            .filter(|(_, column)| !self.at(*column).is_empty())
            .map(|(name, column)| (name.clone(), self.at(*column).to_owned()))
            .collect()
    }

    fn not_a_number(&self, column: usize) -> String {
        format!(
            "line {}: `{}` is not a valid number for column `{}`",
            self.record.position().map_or(0, csv::Position::line),
            self.at(column),
            self.table.header[column],
        )
    }
}
