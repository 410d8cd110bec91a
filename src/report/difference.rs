//! Each arm against the arm it should be compared with.

use super::groups::{ArmInfo, RowGroup, compatible, value_of};
use super::stats::{Summary, paired_difference};
use crate::store::DATASET;

/// What arms are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// Controls with the arm they control, every other arm with the first one.
    #[default]
    Own,
    /// Every arm with this one.
    Arm(String),
}

/// The comparison of one group with its reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The group is the reference, or there is no arm to compare with.
    None,
    /// The reference has no single counterpart at this sweep point and on this dataset, or shares no seed with it.
    NotPaired {
        /// Name of the reference arm.
        reference: String,
    },
    /// Test accuracy minus that of the reference, in percentage points, over shared seeds.
    Paired {
        /// Name of the reference arm.
        reference: String,
        /// Mean difference and its uncertainty.
        points: Summary,
    },
}

/// Compares `group` with its counterpart among `groups`: the reference arm's group whose axes agree wherever both have them.
pub(super) fn difference(
    group: &RowGroup<'_>,
    groups: &[RowGroup<'_>],
    arms: &[ArmInfo],
    reference: &Reference,
) -> Difference {
    let name = match reference {
        Reference::Arm(name) => Some(name.as_str()),
        Reference::Own => arms
            .iter()
            .find(|arm| arm.name == group.arm)
            .and_then(|arm| arm.control_of.as_deref())
            .or(arms.first().map(|arm| arm.name.as_str())),
    };
    let Some(name) = name.filter(|name| *name != group.arm) else {
        return Difference::None;
    };
    let mut candidates: Vec<&RowGroup<'_>> = groups
        .iter()
        .filter(|other| other.arm == name && compatible(group.point, other.point))
        .filter(|other| same_test_set(group, other))
        .collect();
    // Settings such as the length may differ on purpose; they only decide between several candidates.
    if candidates.len() > 1 {
        candidates.retain(|other| compatible(group.settings, other.settings));
    }
    let paired = match candidates.as_slice() {
        [other] => paired_difference(&group.accuracy_by_seed(), &other.accuracy_by_seed()),
        _ => None,
    };
    match paired {
        Some(points) => Difference::Paired {
            reference: name.to_owned(),
            points,
        },
        None => Difference::NotPaired {
            reference: name.to_owned(),
        },
    }
}

/// Whether accuracies of both are of one test set. Between two datasets there is no difference to speak of.
fn same_test_set(left: &RowGroup<'_>, right: &RowGroup<'_>) -> bool {
    value_of(left.settings, DATASET) == value_of(right.settings, DATASET)
}
