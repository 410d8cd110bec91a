//! Runs that differ by their seed alone.

use super::stats::Summary;
use crate::store::RunRow;

/// An arm as the reports need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmInfo {
    /// The arm's name.
    pub name: String,
    /// The arm it was made to be compared with.
    pub control_of: Option<String>,
}

/// One arm at one sweep point: all its seeds.
#[derive(Clone, Debug)]
pub struct RowGroup<'a> {
    /// The arm's name.
    pub arm: &'a str,
    /// Sweep axes the arm depends on, with their values.
    pub point: &'a [(String, String)],
    /// Other settings that vary between runs.
    pub settings: &'a [(String, String)],
    /// Its runs, in the order of the rows.
    pub rows: Vec<&'a RunRow>,
}

impl RowGroup<'_> {
    /// Its runs that have a result.
    pub fn finished(&self) -> impl Iterator<Item = &RunRow> {
        self.rows.iter().copied().filter(|row| !row.failed())
    }

    /// Summary of one quantity over the runs that have it; `None` if none has.
    pub fn summary(&self, quantity: impl Fn(&RunRow) -> Option<f64>) -> Option<Summary> {
        let values: Vec<f64> = self.finished().filter_map(quantity).collect();
        Summary::of(&values)
    }

    /// Test accuracy by seed, in percent.
    pub fn accuracy_by_seed(&self) -> Vec<(u32, f64)> {
        self.finished()
            .map(|row| (row.seed, row.test_accuracy))
            .collect()
    }

    /// Value of a sweep axis, if the arm depends on it.
    pub fn axis(&self, name: &str) -> Option<&str> {
        value_of(self.point, name)
    }
}

/// Groups rows by arm, sweep point and settings. Arms come in the order of `arms` (others follow), points in that of the rows.
pub fn group_runs<'a>(rows: &'a [RunRow], arms: &[ArmInfo]) -> Vec<RowGroup<'a>> {
    let mut groups: Vec<RowGroup<'a>> = Vec::new();
    for row in rows {
        let same = |group: &&mut RowGroup<'a>| {
            group.arm == row.arm && group.point == row.point && group.settings == row.settings
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.rows.push(row),
            None => groups.push(RowGroup {
                arm: &row.arm,
                point: &row.point,
                settings: &row.settings,
                rows: vec![row],
            }),
        }
    }
    groups.sort_by_key(|group| {
        arms.iter()
            .position(|arm| arm.name == group.arm)
            .unwrap_or(arms.len())
    });
    groups
}

/// Value under a name.
pub(super) fn value_of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Whether no name has different values on the two sides.
pub(super) fn compatible(left: &[(String, String)], right: &[(String, String)]) -> bool {
    left.iter()
        .all(|(name, value)| value_of(right, name).is_none_or(|other| other == value))
}

/// Names in order of first appearance.
pub(super) fn names<'a>(lists: impl Iterator<Item = &'a [(String, String)]>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in lists.flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Every combination of the values that these axes take, in order of first appearance; one empty combination of no axes.
pub(super) fn combinations(
    axes: &[&str],
    points: &[&[(String, String)]],
) -> Vec<Vec<(String, String)>> {
    let mut combinations: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for axis in axes {
        let mut values: Vec<&str> = Vec::new();
        for value in points.iter().filter_map(|point| value_of(point, axis)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        combinations = combinations
            .into_iter()
            .flat_map(|combination| {
                values.iter().map(move |value| {
                    let mut combination = combination.clone();
                    combination.push(((*axis).to_owned(), (*value).to_owned()));
                    combination
                })
            })
            .collect();
    }
    combinations
}
