//! File names of runs: readable, unique, safe on every file system.

use crate::base::sha256;
use std::collections::HashMap;

/// Long names are cut here (characters of the arm or of one axis value), so that a file name stays under 255 bytes.
const LONGEST: usize = 60;

/// A name as part of a file name: ASCII letters in lower case, digits, `.`, `_`, `+`; every other stretch becomes one `-`.
///
/// Never empty, never starting or ending with `-` or `.`, at most 60 characters.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+') {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(LONGEST);
    let out = out.trim_matches(['-', '.']);
    if out.is_empty() {
        "x".into()
    } else {
        out.into()
    }
}

/// What tells a run from the others of its experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunKey<'a> {
    /// The arm's name.
    pub arm: &'a str,
    /// Sweep axes the arm depends on, with their values.
    pub point: &'a [(String, String)],
    /// The seed.
    pub seed: u32,
}

/// One file name (without extension) per run, in the order given: `<arm>[-axis=value...]-seed<n>`.
///
/// Where two runs would share a name ("A b" and "a-b"), both get eight
/// hexadecimal characters of a digest of their exact text; so pass all runs of the experiment, and names do not depend on
/// which of them are finished.
pub fn run_names(runs: &[RunKey<'_>]) -> Vec<String> {
    let plain: Vec<String> = runs
        .iter()
        .map(|run| format!("{}-seed{}", stem(run), run.seed))
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for name in &plain {
        *seen.entry(name).or_default() += 1;
    }
    runs.iter()
        .zip(&plain)
        .map(|(run, name)| {
            if seen[name.as_str()] == 1 {
                name.clone()
            } else {
                let exact = sha256(format!("{:?} {:?}", run.arm, run.point).as_bytes());
                format!("{}-{}-seed{}", stem(run), &exact[..8], run.seed)
            }
        })
        .collect()
}

fn stem(run: &RunKey<'_>) -> String {
    let mut name = slug(run.arm);
    for (axis, value) in run.point {
        // Many long axes would overflow the file name; the digest then tells runs apart.
        let part = format!("-{}={}", slug(axis), slug(value));
        if name.len() + part.len() <= 200 {
            name.push_str(&part);
        }
    }
    name
}
