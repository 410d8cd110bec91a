//! Rows to CSV, bytes that depend on the rows alone, and back.

use super::columns::{By, Cells, Column, Row};
use ::csv::{Position, Reader, Writer};
use std::collections::HashSet;

/// A table: one line per row, in the order given.
///
/// Columns are those of [`Row::COLUMNS`]. Where one stands for several, they come in the order in which rows first have them, and a
/// cell is empty where a row does not have it. An axis called like another column becomes `axis_<name>`; a setting called like
/// another column or an axis becomes `setting_<name>`.
pub fn to_csv<R: Row>(rows: &[R]) -> Vec<u8> {
    let names: Vec<Vec<&str>> = R::COLUMNS.iter().map(|c| names(c, rows)).collect();
    let of_axes =
        |(column, names): (&Column<R>, &Vec<_>)| is_by(column, By::Axis).then(|| names.clone());
    let axes: Vec<&str> = R::COLUMNS
        .iter()
        .zip(&names)
        .find_map(of_axes)
        .unwrap_or_default();
    let mut header: Vec<String> = Vec::new();
    for (column, names) in R::COLUMNS.iter().zip(&names) {
        match column.cells {
            Cells::One { .. } => header.push(column.name.to_owned()),
            Cells::Named { by, .. } => {
                header.extend(names.iter().map(|name| heading::<R>(by, name, &axes)));
            }
        }
    }
    let mut lines = vec![header];
    for row in rows {
        let mut line = Vec::with_capacity(lines[0].len());
        for (column, names) in R::COLUMNS.iter().zip(&names) {
            match column.cells {
                Cells::One { text, .. } => line.push(text(row)),
                Cells::Named { texts, .. } => {
                    let texts = texts(row);
                    let find = |name| texts.iter().find(|(own, _)| *own == name);
                    line.extend(names.iter().map(|name| {
                        find(*name).map_or_else(String::new, |(_, text)| text.clone())
                    }));
                }
            }
        }
        lines.push(line);
    }
    let mut writer = Writer::from_writer(Vec::new());
    for line in lines {
        // Every line has the header's length and memory does not fail, so neither can this.
        let _ = writer.write_record(line);
    }
    writer.into_inner().unwrap_or_default()
}

/// What is written behind `old` (empty: behind its heading) to add `rows` to a table whose columns do not depend on the rows.
///
/// # Errors
/// What is wrong with `old`.
pub fn more_csv<R: Row>(old: &[u8], rows: &[R]) -> Result<Vec<u8>, String> {
    let mut more = Vec::new();
    if !old.is_empty() {
        from_csv::<R>(old, &[])?;
        // A file saved by a spreadsheet may lack the last line break.
        if old.last().is_some_and(|&last| last != b'\n') {
            more.push(b'\n');
        }
    }
    let new = to_csv(rows);
    let lines = new.splitn(2, |&byte| byte == b'\n').nth(1);
    more.extend(lines.unwrap_or_default());
    Ok(more)
}

/// Reads a table back. `axes` names the experiment's sweep axes, which tells them from settings.
///
/// # Errors
/// What is wrong, with its line.
pub fn from_csv<R: Row>(bytes: &[u8], axes: &[String]) -> Result<Vec<R>, String> {
    let mut reader = Reader::from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let header: Vec<&str> = header.iter().collect();
    let places = places::<R>(&header, axes)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let mut row = R::default();
        for (column, places) in R::COLUMNS.iter().zip(&places) {
            for (name, at) in places {
                // The reader checks that every record is as long as the header.
                let cell = record.get(*at).unwrap_or_default();
                let valid = match column.cells {
                    Cells::One { read, .. } => read(&mut row, cell),
                    Cells::Named { read, .. } => cell.is_empty() || read(&mut row, name, cell),
                };
                if !valid {
                    return Err(format!(
                        "line {}: `{cell}` is not a valid number for column `{}`",
                        record.position().map_or(0, Position::line),
                        header[*at],
                    ));
                }
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Where the cells of each declared column are: (the name for [`Cells::Named`], the column in the file).
fn places<R: Row>(header: &[&str], axes: &[String]) -> Result<Vec<Vec<(String, usize)>>, String> {
    let fixed = |column: &Column<R>| {
        header
            .iter()
            .position(|name| *name == column.name || column.formerly.contains(name))
    };
    if let Some(missing) = R::COLUMNS
        .iter()
        .find(|c| is_fixed(c) && fixed(c).is_none())
    {
        return Err(format!("it has no column `{}`", missing.name));
    }
    let has_settings = R::COLUMNS.iter().any(|column| is_by(column, By::Setting));
    let is_axis = |name: &str| {
        !has_settings
            || axes
                .iter()
                .any(|axis| heading::<R>(By::Axis, axis, &[]) == name)
    };
    let mut places = Vec::new();
    for (index, column) in R::COLUMNS.iter().enumerate() {
        let Cells::Named { by, .. } = column.cells else {
            places.push(
                fixed(column)
                    .map(|at| (String::new(), at))
                    .into_iter()
                    .collect(),
            );
            continue;
        };
        // They lie between the columns before and after them that are always there.
        let before = R::COLUMNS[..index].iter().rev().find(|c| is_fixed(c));
        let after = R::COLUMNS[index..].iter().find(|c| is_fixed(c));
        let first = before.and_then(fixed).map_or(0, |at| at + 1);
        let last = after.and_then(fixed).unwrap_or(header.len());
        let between = header.get(first..last).ok_or_else(|| {
            let name = |column: Option<&Column<R>>| column.map_or("", |column| column.name);
            format!(
                "its column `{}` comes before `{}`",
                name(after),
                name(before)
            )
        })?;
        let own = between.iter().zip(first..).filter(|(name, _)| match by {
            By::Axis => is_axis(name),
            By::Setting => !is_axis(name),
            By::Layer => true,
        });
        let unprefixed = |name: &str| name.strip_prefix(prefix(by)).unwrap_or(name).to_owned();
        places.push(own.map(|(name, at)| (unprefixed(name), at)).collect());
    }
    Ok(places)
}

fn is_fixed<R>(column: &Column<R>) -> bool {
    matches!(column.cells, Cells::One { .. })
}

fn is_by<R>(column: &Column<R>, what: By) -> bool {
    matches!(column.cells, Cells::Named { by, .. } if by == what)
}

/// Names in order of first appearance.
fn names<'r, R: Row>(column: &Column<R>, rows: &'r [R]) -> Vec<&'r str> {
    let Cells::Named { texts, .. } = column.cells else {
        return Vec::new();
    };
    let mut seen = HashSet::new();
    let all = rows.iter().flat_map(texts).map(|(name, _)| name);
    all.filter(|name| seen.insert(*name)).collect()
}

const PREFIXES: [&str; 3] = ["axis_", "setting_", "density_"];

fn prefix(by: By) -> &'static str {
    match by {
        By::Axis => PREFIXES[0],
        By::Setting => PREFIXES[1],
        By::Layer => PREFIXES[2],
    }
}

/// The heading of a column of [`Cells::Named`]. Prefixes must stay reversible, so a name that starts with one gets another.
fn heading<R: Row>(by: By, name: &str, axes: &[&str]) -> String {
    let fixed = || R::COLUMNS.iter().any(|c| is_fixed(c) && c.name == name);
    let prefixed = match by {
        By::Layer => true,
        By::Setting if axes.contains(&name) => true,
        By::Axis | By::Setting => fixed() || PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
    };
    format!("{}{name}", if prefixed { prefix(by) } else { "" })
}
