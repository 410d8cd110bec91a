//! Reading a run folder without opening it: no lock is taken and nothing is written, so a run may go on in it meanwhile.

use super::columns::Row;
use super::csv::from_csv;
use super::data_record::DataRecord;
use super::error::StoreError;
use super::folder::{DATA, Owner, RESOLVED, RunFolder, TEXT};
use super::write::{WRITTEN_ANEW, read, read_json};
use serde::de::DeserializeOwned;
use std::path::Path;

/// How often a folder is read whose experiment changes between two looks. A change takes milliseconds, and somebody has to edit a
/// file and begin a run for the next one.
const TRIES: usize = 100;

/// Whose results a run folder holds.
///
/// # Errors
/// [`StoreError::NoResults`] if it is no run folder, [`StoreError::Damaged`] or [`StoreError::Io`].
pub fn read_owner(dir: &Path) -> Result<Owner, StoreError> {
    let none = || StoreError::NoResults {
        dir: dir.to_path_buf(),
    };
    match RunFolder::owner(dir) {
        Ok(Some(owner)) => Ok(owner),
        Ok(None) | Err(StoreError::NotARunFolder { .. }) => Err(none()),
        Err(_) if dir.is_file() => Err(none()),
        Err(error) => Err(error),
    }
}

/// Reads a table of a run folder, or of one in its `history/`; empty if there is none yet.
///
/// Every file appears whole, but a run that begins with a changed experiment replaces several, one after another. Tables go before
/// the experiment's text, so a table is of the text that stands there both before and after it was read.
///
/// # Errors
/// [`StoreError::Damaged`] if the table or the experiment's text is not what this program writes, [`StoreError::Io`].
pub fn read_table<R: Row>(dir: &Path) -> Result<Vec<R>, StoreError> {
    let (table_path, text_path) = (dir.join(R::FILE), dir.join(TEXT));
    let (text, table) = of_one_moment(|| read(&text_path), || read(&table_path))?;
    let Some(table) = table else {
        return Ok(Vec::new());
    };
    let next = "restore it from a copy, or run the experiment again in another folder: `--out DIR`";
    let damaged = |reason: String| StoreError::Damaged {
        path: text_path.clone(),
        reason,
        next,
    };
    let Some(text) = text else {
        let reason = format!(
            "it is missing, and says which columns of {} are axes",
            R::FILE
        );
        return Err(damaged(reason));
    };
    let axes = axes(&text).map_err(damaged)?;
    from_csv(&table, &axes).map_err(|reason| StoreError::Damaged {
        path: table_path,
        reason,
        next: "run its experiment again in this folder: tables are made anew from what is in stages/",
    })
}

/// What the results of a folder are computed on; nothing where it does not say so yet.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Io`].
pub fn read_data(dir: &Path) -> Result<Vec<DataRecord>, StoreError> {
    Ok(read_json(&dir.join(DATA), WRITTEN_ANEW)?.unwrap_or_default())
}

/// Reads the experiment with every default filled in, or a part of it; `None` if it is not there yet.
///
/// # Errors
/// [`StoreError::Damaged`] if it is not what this program writes, [`StoreError::Io`].
pub fn read_resolved<T: DeserializeOwned>(dir: &Path) -> Result<Option<T>, StoreError> {
    read_json(&dir.join(RESOLVED), WRITTEN_ANEW)
}

/// Reads a table whose columns do not depend on the experiment; empty if there is none yet.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Io`].
pub fn read_rows_alone<R: Row>(dir: &Path) -> Result<Vec<R>, StoreError> {
    let path = dir.join(R::FILE);
    let Some(bytes) = read(&path)? else {
        return Ok(Vec::new());
    };
    from_csv(&bytes, &[]).map_err(|reason| StoreError::Damaged {
        path,
        reason,
        next: "move it away: it is begun anew",
    })
}

/// A text, and a table that was read between two looks at the same text.
fn of_one_moment<T: PartialEq>(
    mut text: impl FnMut() -> Result<T, StoreError>,
    mut table: impl FnMut() -> Result<T, StoreError>,
) -> Result<(T, T), StoreError> {
    let mut before = text()?;
    for _ in 1..TRIES {
        let between = table()?;
        let after = text()?;
        if before == after {
            return Ok((after, between));
        }
        before = after;
    }
    Ok((before, table()?))
}

/// Names of the sweep axes in the text of an experiment.
fn axes(text: &[u8]) -> Result<Vec<String>, String> {
    let text = str::from_utf8(text).map_err(|error| error.to_string())?;
    let root: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    let sweep = root.get("sweep").and_then(toml::Value::as_table);
    Ok(sweep.map_or_else(Vec::new, |sweep| sweep.keys().cloned().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CurveRow, RunRow, to_csv};
    use std::fs;

    /// A run with one axis and one setting.
    fn row(axis: &str, setting: &str) -> RunRow {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        RunRow {
            arm: "a".into(),
            point: pair(axis, "1"),
            settings: pair(setting, "2"),
            ..RunRow::default()
        }
    }

    fn sweep(axis: &str) -> String {
        format!("secateur = 1\n[sweep]\n{axis} = [1]\n")
    }

    #[test]
    fn axes_are_told_from_settings_by_the_experiment() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert_eq!(read_table::<RunRow>(dir).unwrap(), []);
        let rows = [row("batch", "dataset"), row("batch", "dataset")];
        fs::write(dir.join("results.csv"), to_csv(&rows)).unwrap();
        let error = read_table::<RunRow>(dir).unwrap_err().to_string();
        assert!(error.contains("experiment.toml is damaged: it is missing"));
        fs::write(dir.join(TEXT), sweep("batch")).unwrap();
        assert_eq!(read_table::<RunRow>(dir).unwrap(), rows);
        assert_eq!(read_table::<CurveRow>(dir).unwrap(), []);
        fs::write(dir.join(TEXT), "[sweep").unwrap();
        assert!(read_table::<RunRow>(dir).is_err());
    }

    /// Another run begins between the first look at the text and the table, and another one after that.
    #[test]
    fn a_table_is_of_the_text_around_it() {
        let mut texts = ["x", "y", "z", "z"].into_iter();
        let mut tables = ["of y", "of y, by now gone", "of z"].into_iter();
        let read = of_one_moment(|| Ok(texts.next().unwrap()), || Ok(tables.next().unwrap()));
        assert_eq!(read.unwrap(), ("z", "of z"));
        let mut turn = 0;
        let mut restless = || {
            turn += 1;
            Ok(turn)
        };
        assert!(of_one_moment(&mut restless, || Ok(0)).is_ok(), "it ends");
    }
}
