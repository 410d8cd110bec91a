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
    #[error("its \"format\" is {0}, where a report has {FORMAT:?}")]
    NoReport(String),
    /// A report of another form.
    #[error(
        "it is a report of format version {0}, and this program reads version {FORMAT_VERSION}"
    )]
    OtherVersion(String),
    /// A report in which something is missing or is of another kind.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// Reads what `secateur bench --json` printed.
///
/// # Errors
/// The text is no such report, or one of another format version.
pub fn read_report(text: &str) -> Result<Report, ReportError> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| ReportError::NotJson(error.to_string()))?;
    let said = |key: &str| {
        value
            .get(key)
            .map_or("missing".to_owned(), ToString::to_string)
    };
    if value.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
        return Err(ReportError::NoReport(said("format")));
    }
    if value.get("format_version") != Some(&FORMAT_VERSION.into()) {
        return Err(ReportError::OtherVersion(said("format_version")));
    }
    let report: Report =
        Report::deserialize(value).map_err(|error| ReportError::Damaged(error.to_string()))?;
    match impossible(&report) {
        Some(what) => Err(ReportError::Damaged(format!("{what} is out of range"))),
        None => Ok(report),
    }
}

/// What no measurement can have had; whoever compares with a report measures by its sizes.
fn impossible(report: &Report) -> Option<&'static str> {
    let cohorts = || report.steps.iter();
    let mut densities = cohorts().flat_map(|cohort| &cohort.densities);
    let found = [
        (report.batch == 0 || report.batch > 1 << 20, "its batch"),
        (
            !(0.01..=3600.0).contains(&report.seconds),
            "its length in seconds",
        ),
        (
            cohorts().any(|cohort| !(1..=65_535).contains(&cohort.replicas)),
            "the number of replicas of a cohort",
        ),
        (
            densities.any(|row| !(row.density > 0.0 && row.density <= 1.0)),
            "the density of a step",
        ),
        (report.ceilings.copy_bytes < 16, "the size of its copy"),
        (
            report
                .product
                .iter()
                .any(|row| row.size == 0 || row.size % 4 != 0 || row.size > 1 << 15),
            "the size of its matrix product",
        ),
        (
            report.selection.iter().any(|row| row.keys == 0),
            "the number of keys of its top-k",
        ),
    ];
    found
        .into_iter()
        .find_map(|(wrong, what)| wrong.then_some(what))
}
