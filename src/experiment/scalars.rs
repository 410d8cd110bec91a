//! Reading single values: type, range, choice. Each returns `None` after reporting what is wrong.

use crate::config::suggest;
use crate::config::{Node, Value};
use crate::config::{Problem, Problems};
use crate::spec::Length;

/// A range of real numbers, and how a message says it.
pub(super) struct Interval {
    pub(super) words: &'static str,
    pub(super) holds: fn(f64) -> bool,
}

/// Fractions.
pub(super) const UNIT: Interval = Interval {
    words: "in [0, 1]",
    holds: |x| (0.0..=1.0).contains(&x),
};
/// Fractions below one.
pub(super) const BELOW_ONE: Interval = Interval {
    words: "in [0, 1): at least 0, less than 1",
    holds: |x| (0.0..1.0).contains(&x),
};
/// Rates, factors, norms.
pub(super) const POSITIVE: Interval = Interval {
    words: "finite and greater than 0",
    holds: |x| x.is_finite() && x > 0.0,
};
/// Penalties.
pub(super) const NOT_NEGATIVE: Interval = Interval {
    words: "finite and at least 0",
    holds: |x| x.is_finite() && x >= 0.0,
};
/// Any number.
pub(super) const FINITE: Interval = Interval {
    words: "finite",
    holds: f64::is_finite,
};

/// A real number; integers count.
pub(super) fn number(
    node: &Node,
    key: &str,
    interval: &Interval,
    problems: &mut Problems,
) -> Option<f64> {
    let number = match node.value {
        Value::Float(number) => number,
        Value::Integer(number) => number as f64,
        _ => {
            let expected = format!("a number that is {}", interval.words);
            return wrong_type(node, key, &expected, problems);
        }
    };
    if !(interval.holds)(number) {
        let message = format!("`{key}` is {number}: out of range");
        problems.at(node, message, format!("`{key}` must be {}", interval.words));
        return None;
    }
    // -0.0 means 0.0 and must have its digest.
    Some(number + 0.0)
}

/// A real number that the device computes with: one that is not 0 must not become 0 or infinite in 32 bits, nor leave the
/// interval.
pub(super) fn number32(
    node: &Node,
    key: &str,
    interval: &Interval,
    problems: &mut Problems,
) -> Option<f64> {
    let number = number(node, key, interval, problems)?;
    let narrow = f64::from(number as f32);
    if (narrow == 0.0) == (number == 0.0) && (interval.holds)(narrow) {
        return Some(number);
    }
    let message = format!("`{key}` is {number:e}, which becomes {narrow} as a 32-bit number");
    let help =
        "the GPU computes with about 7 digits, from 1e-38 to 3e38: write a number within these";
    problems.at(node, message, help);
    None
}

/// A whole number in `least..=most`.
pub(super) fn integer(
    node: &Node,
    key: &str,
    least: u64,
    most: u64,
    problems: &mut Problems,
) -> Option<u64> {
    let Value::Integer(number) = node.value else {
        let expected = format!("a whole number from {least} to {most}");
        return wrong_type(node, key, &expected, problems);
    };
    match u64::try_from(number) {
        Ok(number) if (least..=most).contains(&number) => Some(number),
        _ => {
            let message = format!("`{key}` is {number}: out of range");
            let help = format!("`{key}` must be a whole number from {least} to {most}");
            problems.at(node, message, help);
            None
        }
    }
}

/// A whole number that fits 32 bits.
pub(super) fn integer32(
    node: &Node,
    key: &str,
    least: u32,
    problems: &mut Problems,
) -> Option<u32> {
    let number = integer(node, key, u64::from(least), u64::from(u32::MAX), problems)?;
    u32::try_from(number).ok()
}

pub(super) fn boolean(node: &Node, key: &str, problems: &mut Problems) -> Option<bool> {
    match node.value {
        Value::Boolean(flag) => Some(flag),
        _ => wrong_type(node, key, "true or false", problems),
    }
}

/// A string of at least one visible character and no line breaks.
pub(super) fn line<'n>(node: &'n Node, key: &str, problems: &mut Problems) -> Option<&'n str> {
    let text = string(node, key, problems)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        let help = "it stands in tables and file names: one line of visible text";
        problems.at(node, format!("`{key}` is not one line of text"), help);
        return None;
    }
    Some(text)
}

pub(super) fn string<'n>(node: &'n Node, key: &str, problems: &mut Problems) -> Option<&'n str> {
    match &node.value {
        Value::String(text) => Some(text),
        _ => wrong_type(node, key, "a string", problems),
    }
}

/// One of a few words.
pub(super) fn choice<T: Clone>(
    node: &Node,
    key: &str,
    options: &[(&str, T)],
    problems: &mut Problems,
) -> Option<T> {
    let words: Vec<&str> = options.iter().map(|(word, _)| *word).collect();
    let Value::String(text) = &node.value else {
        let expected = format!("one of {}", suggest::list(&words));
        return wrong_type(node, key, &expected, problems);
    };
    let found = options.iter().find(|(word, _)| word == text);
    if found.is_none() {
        let help = suggest::help(text, &words);
        problems.at(node, format!("unknown {key} {text:?}"), help);
    }
    found.map(|(_, value)| value.clone())
}

/// Reports a value of the wrong type; always `None`.
pub(super) fn wrong_type<T>(
    node: &Node,
    key: &str,
    expected: &str,
    problems: &mut Problems,
) -> Option<T> {
    let help = match &node.value {
        Value::Unknown => return None,
        Value::String(text) if text.parse::<f64>().is_ok() && expected.contains("number") => {
            Some(format!("without the quotes: {text}"))
        }
        Value::Float(number) if number.fract() == 0.0 && expected.starts_with("a whole") => {
            Some(format!("without the point: {number}"))
        }
        Value::Integer(number) if expected.starts_with("a length") => {
            Some(format!("for epochs: \"{number}ep\""))
        }
        // The message says it all.
        _ => None,
    };
    problems.add(Problem {
        message: format!("`{key}` must be {expected}, not {}", node.describe()),
        place: node.place.clone(),
        path: node.path.clone(),
        used_at: node.used_at.clone(),
        help,
    });
    None
}

/// `"14ep"` or `"5000st"`.
pub(super) fn length(node: &Node, key: &str, problems: &mut Problems) -> Option<Length> {
    let expected = "a length such as \"14ep\" (epochs) or \"5000st\" (steps)";
    if !matches!(node.value, Value::String(_)) {
        return wrong_type(node, key, expected, problems);
    }
    let text = string(node, key, problems)?;
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = &text[digits.len()..];
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = digits.parse::<u32>().ok().filter(|count| *count > 0);
    match (unit, count) {
        ("ep", Some(count)) => Some(Length::Epochs(count)),
        ("st", Some(count)) => Some(Length::Steps(count)),
        ("ep" | "st", None) if whole => {
            let help = format!("`{key}` must be from 1 to {} {unit}", u32::MAX);
            problems.at(node, format!("`{key}` is {text:?}: out of range"), help);
            None
        }
        _ => {
            let help = "a whole number, then `ep` for epochs or `st` for optimizer steps";
            let message = format!("`{key}` must be {expected}, not {text:?}");
            problems.at(node, message, help);
            None
        }
    }
}
