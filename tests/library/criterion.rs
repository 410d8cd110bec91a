//! A criterion of the program's own.

use crate::common::{Lab, gpu, secateur};
use crate::{engine, experiment, read};
use secateur::{LayerWeights, RunRow};
use std::collections::BTreeSet;

const ARMS: &str = r#"
[[arm]]
name = "magnitude"
steps = [{ train = {} }, { prune = { criterion = "magnitude", sparsity = 0.9 } }, { train = {} }]
[[arm]]
name = "custom"
steps = [{ train = {} }, { prune = { criterion = "custom", sparsity = 0.9 } }, { train = {} }]
"#;

fn rows(lab: &Lab, out: &str, scores: impl Fn(&LayerWeights<'_>) -> Vec<f32>) -> Vec<RunRow> {
    let gpu = gpu().unwrap();
    let mut engine = engine(lab, gpu, out).criterion(out, scores);
    engine.execute(&read(lab)).unwrap().rows
}

fn masks(rows: &[RunRow], arm: &str) -> Vec<String> {
    let of_arm = rows.iter().filter(|row| row.arm == arm);
    of_arm.map(|row| row.mask_digest.clone()).collect()
}

#[test]
fn the_largest_scores_stay_and_exactly_as_many_as_asked() {
    if gpu().is_none() {
        return;
    }
    let lab = Lab::with(&experiment(ARMS));
    let size = |layer: &LayerWeights<'_>| layer.weights.iter().map(|w| w.abs()).collect();
    let by_size = rows(&lab, "by size", size);
    assert_eq!(masks(&by_size, "custom"), masks(&by_size, "magnitude"));

    // The same order among negative numbers.
    let below_0 = |w: &f32| f32::from_bits(f32::MIN.to_bits() - w.abs().to_bits());
    let minus = |layer: &LayerWeights<'_>| layer.weights.iter().map(below_0).collect();
    let by_size = rows(&lab, "negative", minus);
    assert_eq!(masks(&by_size, "custom"), masks(&by_size, "magnitude"));

    // Of equal scores the lower index stays, so all seeds keep the same weights: none of the last layer.
    let equal = |layer: &LayerWeights<'_>| {
        assert_eq!(layer.shape.iter().product::<usize>(), layer.weights.len());
        vec![0.0; layer.weights.len()]
    };
    let ties = rows(&lab, "ties", equal);
    assert_eq!(
        masks(&ties, "custom").iter().collect::<BTreeSet<_>>().len(),
        1
    );
    for row in ties.iter().filter(|row| row.arm == "custom") {
        let all = f64::from(784 * 24 + 24 * 10);
        assert_eq!(row.density, (all - (0.9 * all).round()) / all);
        assert_eq!(row.layer_density[1].1, 0.0);
        assert_eq!(row.mask_violations, 0);
    }
}

#[test]
fn what_cannot_be_scored_is_refused_with_the_reason() {
    let Some(gpu) = gpu() else { return };
    let lab = Lab::with(&experiment(ARMS));
    let experiment = read(&lab);
    let none = engine(&lab, gpu, "none").execute(&experiment).unwrap_err();
    assert!(none.to_string().contains("brings none"), "{none}");
    assert!(
        !lab.path("none").exists(),
        "refused before anything is written"
    );
    let fails = |scores: fn(&LayerWeights<'_>) -> Vec<f32>| {
        let mut engine = engine(&lab, gpu, "failed").criterion("it", scores);
        let rows = engine
            .execute(&experiment)
            .expect("the other arm is sound")
            .rows;
        let failed = rows.iter().filter(|row| row.failed());
        let failed: Vec<String> = failed.map(|row| row.failure.clone()).collect();
        assert_eq!((rows.len(), failed.len()), (4, 2));
        failed[0].clone()
    };
    let short = fails(|_| vec![1.0]);
    assert!(
        short.contains("1 scores for the 18816 weights of layer"),
        "{short}"
    );
    let nan = fails(|layer| vec![f32::NAN; layer.weights.len()]);
    assert!(nan.contains("are NaN"), "{nan}");
    // Stages of one criterion are not taken for those of another.
    let mut other =
        engine(&lab, gpu, "failed").criterion("another", |layer| layer.weights.to_vec());
    let rows = other.execute(&experiment).expect("it scores").rows;
    assert!(rows.iter().all(|row| !row.failed()));
}

#[test]
fn the_command_has_no_criterion_of_its_own() {
    let lab = Lab::with(&experiment(ARMS));
    for command in ["check", "plan", "run"] {
        let file = lab.path("e.toml");
        let words = ["criterion = \"custom\"", "Engine::criterion"];
        secateur([command.as_ref(), file.as_os_str()]).fails(2, &words);
    }
    let gradual = r#"
[[arm]]
name = "a"
steps = [{ train = { prune = { criterion = "custom", sparsity = 0.9 } } }]
"#;
    lab.write("e.toml", experiment(gradual));
    let file = lab.path("e.toml");
    secateur(["check".as_ref(), file.as_os_str()]).fails(2, &["scores are of weights alone"]);
}
