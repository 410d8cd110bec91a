//! How statistics are written in a table.

use super::stats::Summary;

/// `98.10 ± 0.12`: mean and sample standard deviation, which one value has not.
pub(super) fn mean_and_sd(summary: Summary) -> String {
    match summary.sd {
        Some(sd) => format!("{:.2} ± {sd:.2}", summary.mean),
        None => format!("{:.2}", summary.mean),
    }
}

/// `-0.40 [-0.90, +0.10]`: the mean of paired differences and its 95 % interval, which one value has not.
pub(super) fn difference_and_interval(points: Summary) -> String {
    let mean = signed(points.mean);
    match points.interval_95() {
        Some((low, high)) => format!("{mean} [{}, {}]", signed(low), signed(high)),
        None => format!("{mean} (n = 1)"),
    }
}

/// Two decimals with a sign, and no minus in front of a zero.
fn signed(value: f64) -> String {
    let text = format!("{value:+.2}");
    if text == "-0.00" {
        "+0.00".into()
    } else {
        text
    }
}
