//! The numbers themselves: digests of small runs, for the drivers that are named. Where one changes, `NUMERICAL_VERSION` in
//! src/run/numerical_version.rs is raised, and the file is written anew by `SECATEUR_WRITE_GOLDEN=1 cargo test --test end_to_end golden`.

use crate::common::{Lab, no_gpu, skip, table};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const HEAD: &str = r#"secateur = 1
seeds = 1
[train]
dataset = "drawn-digits"
batch = 32
length = "12st"
samples = 600
validation = 100
optimizer = { kind = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 0.001 }
"#;

const LAYERS: [(&str, &str); 3] = [
    (
        "mlp",
        "layers = [\"flatten\", { linear = 24 }, \"relu\", { linear = 10 }]",
    ),
    (
        "cnn",
        "layers = [{ conv2d = 4, kernel = 5, stride = 2 }, \"relu\", { max_pool = 2 }, { dropout = 0.25, channels = true }, \
         { conv2d = 6, kernel = 3, padding = 1 }, \"gelu\", { avg_pool = 3 }, \"flatten\", { dropout = 0.5 }, { linear = 10 }]",
    ),
    (
        "residual",
        "layers = [{ conv2d = 6, kernel = 3, stride = 2, padding = 1, bias = false }, \"batch_norm\", { layer = \"relu\", name = \"a\" }, \
         { conv2d = 6, kernel = 3, padding = 1, bias = false }, \"batch_norm\", { add = \"a\" }, \"relu\", \
         { avg_pool = \"global\" }, { linear = 10 }]",
    ),
];

const ARMS: &str = r#"
[[arm]]
name = "magnitude, fresh"
steps = [{ train = {} }, { prune = { sparsity = 0.8 } }, { restart = "fresh" }, { train = { optimizer = { kind = "adam" } } }]
[[arm]]
name = "rewound"
steps = [{ train = {} }, { prune = { scope = "layer", sparsity = 0.5 } }, { restart = { rewind = "4st" } }, { train = { optimizer = { kind = "adadelta" } } }]
[[arm]]
name = "shuffled"
control = { of = "magnitude, fresh", mask = "shuffle" }
[[arm]]
name = "gradual"
steps = [{ train = { prune = { sparsity = 0.9, every = "3st" }, augment = { shift = 2, rotate = 10 } } }]
[[arm]]
name = "RigL"
steps = [{ prune = { criterion = "random", scope = "erk", sparsity = 0.8 } }, { train = { rewire = { grow = "gradient", every = "3st" } } }]
[[arm]]
name = "SNIP"
steps = [{ prune = { criterion = "snip", batches = 2, sparsity = 0.8 } }, { train = { optimizer = { kind = "adamw" }, schedule = { kind = "cosine", warmup = "3st" } } }]
[[arm]]
name = "units"
steps = [{ train = { group_lasso = 0.01 } }, { prune = { structure = "units", sparsity = 0.5 } }, { compact = {} }, { train = {} }]
"#;

/// Digests of weights and masks, by driver, network and arm.
type Golden = BTreeMap<String, BTreeMap<String, String>>;

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/golden.json")
}

#[test]
fn golden_digests_stand() {
    if no_gpu() {
        return;
    }
    let mut found = BTreeMap::new();
    let mut driver = String::new();
    for (network, layers) in LAYERS {
        let lab = Lab::with(&format!("{HEAD}[model]\n{layers}\n{ARMS}"));
        lab.run("e.toml", "out", &["--quiet"]).ok();
        for row in table(&lab.path("out/results.csv")) {
            let digests = format!("{} {}", row["weights_digest"], row["mask_digest"]);
            found.insert(format!("{network}: {}", row["arm"]), digests);
            driver.clone_from(&row["driver"]);
        }
    }
    assert_eq!(found.len(), 21);
    let text = fs::read_to_string(path()).unwrap_or_else(|_| "{}".to_owned());
    let mut golden: Golden = serde_json::from_str(&text).expect("a table of digests");
    if std::env::var_os("SECATEUR_WRITE_GOLDEN").is_some() {
        golden.insert(driver, found);
        let text = serde_json::to_string_pretty(&golden).expect("text") + "\n";
        fs::write(path(), text).expect("a file");
        return;
    }
    match golden.get(&driver) {
        Some(known) => assert_eq!(
            &found, known,
            "numbers have changed: raise NUMERICAL_VERSION, and write the digests anew"
        ),
        None => skip(&format!("no golden digests of {driver}")),
    }
}
