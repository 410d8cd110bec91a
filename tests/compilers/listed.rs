//! That no variant is forgotten: the list of what hardware runs is whole.

use secateur::gpu::{KERNELS, choices};
use secateur::ops::{DATA_CANDIDATES, WEIGHT_CANDIDATES, hardware_kernels};
use std::collections::BTreeSet;
use std::path::Path;

/// Constants that say how large a tile is; the library's tables of variants have their values.
const SIZES: [&str; 4] = ["ROWS", "COLS", "DEPTH", "WIDTH"];

#[test]
fn every_kernel_but_those_for_subgroups_is_listed() {
    let listed: BTreeSet<&str> = hardware_kernels().iter().map(|k| k.source.name).collect();
    for kernel in KERNELS {
        let uses_subgroups = kernel.source.contains("subgroup");
        let is_listed = listed.contains(kernel.name);
        assert_ne!(uses_subgroups, is_listed, "{}", kernel.name);
    }
}

#[test]
fn every_candidate_is_listed() {
    let all: Vec<String> = hardware_kernels().iter().map(ToString::to_string).collect();
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "listed twice");
    let count = |kernel: &str| {
        // Of sums that are made in parts too there are as many.
        let own = |label: &&String| {
            label.starts_with(&format!("{kernel} ")) && !label.contains("IN_PARTS=1")
        };
        all.iter().filter(own).count()
    };
    for kernel in ["dense_forward", "conv_backward_data"] {
        // Register tiles are wide or narrow.
        let tiles = count(kernel) / 2 + count(&format!("{kernel}_workgroup"));
        // All but the parts, which long sums have.
        assert_eq!(tiles, DATA_CANDIDATES.len() - 1, "{kernel}");
    }
    // So many invocations for a part.
    assert_eq!(count("dense_forward_parts"), 3);
    // The first micro-batch, and a later one.
    let tiles = count("dense_backward_weight") + count("dense_backward_weight_workgroup");
    assert_eq!(tiles, 2 * WEIGHT_CANDIDATES.len());
}

/// The texts of `src/`.
fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_constant_that_the_program_sets_has_its_values_listed() {
    let mut texts = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut texts,
    );
    let hardware: BTreeSet<&str> = hardware_kernels().iter().map(|k| k.source.name).collect();
    let mut set = 0;
    for kernel in KERNELS {
        if !hardware.contains(kernel.name) {
            continue;
        }
        let declared = kernel.source.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("const ")?.split_once(": u32 = ")?;
            Some(name)
        });
        let listed = choices(kernel);
        for name in declared.filter(|name| !SIZES.contains(name)) {
            let quoted = format!("(\"{name}\", ");
            if !texts.iter().any(|text| text.contains(&quoted)) {
                continue;
            }
            set += 1;
            assert!(
                listed.iter().any(|(other, _)| *other == name),
                "{}: the program sets {name}, and the line that declares it lists no values, as in `// 1: what it means`",
                kernel.name
            );
        }
    }
    assert!(set > 15, "only {set} constants");
}

#[test]
fn sizes_are_set_for_every_kernel_that_has_them() {
    for kernel in hardware_kernels() {
        for name in ["ROWS", "COLS"] {
            let declares = kernel
                .source
                .source
                .contains(&format!("\nconst {name}: u32 ="));
            let sets = kernel.constants.iter().any(|(other, _)| *other == name);
            assert_eq!(declares, sets, "{kernel}: {name}");
        }
    }
}
