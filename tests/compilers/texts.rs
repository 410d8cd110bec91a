//! Metal's and Direct3D's text of every kernel that hardware runs, with the checks of a release, which are none: no index is
//! clamped, no loop is bounded by a counter of its own, and no inner loop looks whether a divisor is 0.

use super::spirv::{UNCHECKED, module};
use naga::back::{hlsl, msl};
use secateur::gpu::assemble;
use secateur::ops::hardware_kernels;

/// `checked` is what a test run asks for.
fn metal(text: &str, checked: bool) -> String {
    let mut options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    if !checked {
        options.bounds_check_policies = UNCHECKED;
        options.emit_int_div_checks = false;
    } else {
        options.bounds_check_policies.index = naga::proc::BoundsCheckPolicy::Restrict;
        options.bounds_check_policies.buffer = naga::proc::BoundsCheckPolicy::Restrict;
    }
    let (module, info) = module(text);
    let (text, _) = msl::write_string(&module, &info, &options, &Default::default()).unwrap();
    text
}

/// Likewise; divisors are always looked at.
fn direct3d(text: &str, checked: bool) -> String {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        zero_initialize_workgroup_memory: false,
        restrict_indexing: checked,
        force_loop_bounding: false,
        ..Default::default()
    };
    let (module, info) = module(text);
    let mut out = String::new();
    hlsl::Writer::new(&mut out, &options, &Default::default())
        .write(&module, &info, None)
        .unwrap();
    out
}

/// What a clamped index and a loop that is bounded look like.
const CHECKS: [&str; 3] = ["min(unsigned(", "min(uint(", "loop_bound"];
/// What a division looks like whose divisor is looked at.
const DIVISIONS: [&str; 2] = ["naga_div(", "naga_mod("];

/// Kernels whose inner loops divide by a number that they read, such as a stride: naga has Direct3D look at it each time.
const DIVIDING: [&str; 6] = [
    "batch_gather",
    "batch_gather_augmented",
    "conv_backward_data",
    "conv_backward_data_sparse",
    "select_rows_write",
    "unit_sums",
];

/// The bodies of loops that hold no other loop.
fn inner_loops(text: &str) -> Vec<&str> {
    const LOOP: &str = "while(true) {";
    let begins = text.match_indices(LOOP).map(|(at, _)| at + LOOP.len());
    let bodies = begins.map(|begin| {
        let mut depth = 1_u32;
        let ends = |letter: char| {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        };
        let end = text[begin..].find(ends).expect("a closed loop");
        &text[begin..begin + end]
    });
    bodies.filter(|body| !body.contains(LOOP)).collect()
}

/// Divisions of a text whose divisor is no constant. Direct3D's compiler sees that a constant is not 0.
fn divisions(text: &str) -> Vec<&str> {
    let begins = DIVISIONS.iter().flat_map(|word| text.match_indices(word));
    let whole = begins.map(|(at, word)| {
        let mut depth = 0_u32;
        let ends = |letter: char| {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        };
        let from = at + word.len() - 1;
        let end = text[from..].find(ends).expect("a closed bracket");
        &text[at..=from + end]
    });
    let constant = |division: &&str| {
        let divisor = division.trim_end_matches(')').rsplit(", ").next();
        divisor.is_some_and(|d| {
            let is_number = d
                .strip_suffix('u')
                .is_some_and(|n| n.parse::<u32>().is_ok());
            is_number || d.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        })
    };
    whole.filter(|division| !constant(division)).collect()
}

/// What of these a text holds.
fn found<'a>(text: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let mut wanted = wanted.to_vec();
    wanted.retain(|word| text.contains(word));
    wanted
}

#[test]
fn release_texts_check_nothing_in_inner_loops() {
    let mut wrong = Vec::new();
    let mut loops = 0;
    for kernel in hardware_kernels() {
        let text = assemble(kernel.source, &kernel.constants).unwrap();
        let metal = metal(&text, false);
        let direct3d = direct3d(&text, false);
        let whole = found(&metal, &[&CHECKS[..], &DIVISIONS].concat());
        wrong.extend(whole.iter().map(|word| format!("{kernel}, MSL: {word}")));
        let whole = found(&direct3d, &CHECKS);
        wrong.extend(whole.iter().map(|word| format!("{kernel}, HLSL: {word}")));
        let bodies = inner_loops(&direct3d);
        loops += bodies.len();
        let inner: Vec<&str> = bodies.iter().flat_map(|body| divisions(body)).collect();
        let (kernel, name) = (kernel.to_string(), kernel.source.name);
        match (DIVIDING.contains(&name), inner.first()) {
            (false, Some(division)) => {
                wrong.push(format!("{kernel}, HLSL, in an inner loop: {division}"));
            }
            (true, None) => wrong.push(format!("{kernel} divides no more: take it off the list")),
            _ => {}
        }
    }
    assert!(loops > 100, "only {loops} loops");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// So that the words above are those that naga writes.
#[test]
fn checked_texts_hold_what_is_looked_for() {
    let text = "\
var<workgroup> held: array<f32, 64>;
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(64)
fn copies(@builtin(global_invocation_id) at: vec3<u32>) {
    for (var k = 0u; k < at.y; k++) {
        for (var j = 0u; j < at.z; j++) { values[k] = held[at.x / j] + held[at.x % 4u]; }
        values[at.x % 3u] = held[k];
    }
}
";
    let checked = metal(text, true);
    let words = ["min(unsigned(", "naga_div(", "naga_mod("];
    assert_eq!(found(&checked, &words), words, "{checked}");
    let checked = direct3d(text, true);
    let words = ["min(uint(", "naga_div(", "naga_mod("];
    assert_eq!(found(&checked, &words), words, "{checked}");
    let inner = inner_loops(&checked);
    assert_eq!(inner.len(), 1, "{checked}");
    let divided = divisions(inner[0]);
    assert_eq!(divided.len(), 1, "{checked}");
    assert!(divided[0].starts_with("naga_div("), "{checked}");
}
