//! Numbers as the tables of a benchmark write them.

/// Three significant digits; whole numbers from 100 on.
pub(super) fn three(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// A share in percent, without the sign.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0}", 100.0 * share)
}

/// A density with four digits at most.
pub(super) fn density(value: f64) -> String {
    ((value * 1e4).round() / 1e4).to_string()
}

/// `1 replica`, `8 replicas`.
pub(super) fn replicas(count: u32) -> String {
    format!("{count} replica{}", if count == 1 { "" } else { "s" })
}

/// Seconds in milliseconds, to the microsecond.
pub(super) fn milliseconds(seconds: f64) -> String {
    format!("{:.3}", 1e3 * seconds)
}
