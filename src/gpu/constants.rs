//! The constants of a kernel that choose what it computes, and the values that its text allows them.
//!
//! A line `const KIND: u32 = 0u; // 1: squares, 2: products` allows 0, which stands there, 1 and 2. Constants without such a list
//! are sizes, of tiles above all.

use super::KernelSource;

/// The constants of a kernel whose values its text lists, each with all of them.
pub fn choices(source: &KernelSource) -> Vec<(&'static str, Vec<u32>)> {
    source.source.lines().filter_map(choice).collect()
}

fn choice(line: &str) -> Option<(&str, Vec<u32>)> {
    let (name, rest) = line.strip_prefix("const ")?.split_once(": u32 = ")?;
    let (usual, comment) = rest.split_once("u; // ")?;
    let mut values = vec![usual.parse().ok()?];
    for item in comment.split([',', ';']) {
        let number = item.split(':').next().unwrap_or(item);
        values.extend(number.trim().parse::<u32>());
    }
    (values.len() > 1).then_some((name, values))
}

/// The values that a line which declares a constant allows; `None` where it lists none.
pub(super) fn allowed(line: &str) -> Option<Vec<u32>> {
    choice(line).map(|(_, values)| values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_values_are_choices_and_sizes_are_none() {
        let kind = "const KIND: u32 = 0u; // 1: squares, 2: products; not more";
        assert_eq!(choice(kind), Some(("KIND", vec![0, 1, 2])));
        let chains = "const CHAINS: u32 = 8u; // 2, 4: fewer";
        assert_eq!(choice(chains), Some(("CHAINS", vec![8, 2, 4])));
        for size in [
            "const ROWS: u32 = 8u;",
            "const ROWS: u32 = 16u; // or 8",
            "const DEPTH: u32 = 4u; // vec4s of samples, 16 bytes each",
            "let x = 0u; // 1: one",
        ] {
            assert_eq!(choice(size), None, "{size}");
        }
    }
}
