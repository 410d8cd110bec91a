//! An earlier report, from its text.

use super::report::{FORMAT, FORMAT_VERSION, Report};
use serde::Deserialize;

/// Why a text is no report that can be compared with; a sentence that names what was found and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// Something else's JSON, or a report from before reports said what they are.
    #[error("it does not say that it is a {FORMAT} report (a \"format\" of {found})")]
    NoReport {
        /// What stands in its place.
        found: String,
    },
    /// A report of another form.
    #[error(
        "it is a report of format version {found}; this program reads version {FORMAT_VERSION}"
    )]
    OtherVersion {
        /// Its version.
        found: String,
    },
    /// A report in which something is missing or is of another kind.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// What tells a report from other files.
#[derive(Deserialize)]
struct Heading {
    #[serde(default)]
    format: serde_json::Value,
    #[serde(default)]
    format_version: serde_json::Value,
}

/// Reads what `secateur bench --json` printed.
///
/// # Errors
/// The text is no such report, or one of another format version.
pub fn read_report(text: &str) -> Result<Report, ReportError> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| ReportError::NotJson(error.to_string()))?;
    let heading = Heading::deserialize(&value).map_err(|_| no_report("nothing"))?;
    match heading.format.as_str() {
        Some(FORMAT) => {}
        Some(other) => return Err(no_report(&format!("{other:?}"))),
        None => return Err(no_report("nothing")),
    }
    if heading.format_version != FORMAT_VERSION {
        let found = match &heading.format_version {
            serde_json::Value::Null => "none".to_owned(),
            found => found.to_string(),
        };
        return Err(ReportError::OtherVersion { found });
    }
    Report::deserialize(value).map_err(|error| ReportError::Damaged(error.to_string()))
}

fn no_report(found: &str) -> ReportError {
    ReportError::NoReport {
        found: found.to_owned(),
    }
}
