//! Experiments on a folder of images.

use crate::common::{Done, Lab, assert_same, no_gpu, picture, save_image, secateur};
use image::ImageFormat;

const EXPERIMENT: &str = r#"
secateur = 1
seeds = 2
[model]
layers = ["flatten", { linear = 6 }, "relu", { linear = 2 }]
[datasets.insects]
folder = "pictures"
size = [6, 8]
resize = "crop"
[train]
dataset = "insects"
batch = 4
length = "3ep"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 4
balanced = true
augment = { shift = 1, flip = true, rotate = 10 }
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

/// A lab with the experiment, and with images of mixed sizes in pictures/.
fn lab() -> Lab {
    let lab = Lab::with(EXPERIMENT);
    for (class, name) in ["ant", "bee"].into_iter().enumerate() {
        for (split, count) in [("train", 9), ("test", 3)] {
            for number in 0..count {
                let path = lab.path(&format!("pictures/{split}/{name}/{number}.jpg"));
                let image = picture(8 + u32::from(number), 12, class as u8, number);
                save_image(&path, &image, ImageFormat::Jpeg);
            }
        }
    }
    lab
}

/// Runs with a cache of its own.
fn run(lab: &Lab, out: &str, more: &[&str]) -> Done {
    let mut command = lab.command("e.toml", out, more);
    command.env("XDG_CACHE_HOME", lab.path("cache"));
    Done::of(command.output().unwrap())
}

#[test]
fn an_experiment_trains_on_a_folder_and_gives_the_same_from_the_cache() {
    if no_gpu() {
        return;
    }
    let lab = lab();
    run(&lab, "cold", &[]).ok();
    // One after another instead of together, too.
    run(&lab, "cached", &["--replicas", "1"]).ok();
    assert_same(&lab.contents("cold"), &lab.contents("cached"), "the cache");
    let record: serde_json::Value = serde_json::from_slice(&lab.read("cold/data.json")).unwrap();
    let data = &record[0];
    assert_eq!(data["name"], "insects");
    assert_eq!((&data["train"], &data["test"]), (&18.into(), &6.into()));
    assert_eq!(data["shape"], serde_json::json!([3, 6, 8]));
    assert_eq!(data["classes"], serde_json::json!(["ant", "bee"]));
    assert_eq!(data["mean"].as_array().unwrap().len(), 3);
    assert!(data["std"][0].as_f64().unwrap() > 0.0);
}

#[test]
fn a_corrupt_file_among_mixed_sizes_stops_a_run_or_is_counted_in_its_results() {
    if no_gpu() {
        return;
    }
    let lab = lab();
    let bad = lab.write("pictures/train/bee/3.jpg", "not an image");
    let shown = bad.display().to_string();
    run(&lab, "strict", &[]).fails(4, &[&shown, "on_bad_image = \"skip\""]);
    assert!(!lab.path("strict").exists());

    let skip = ["--set", "datasets.insects.on_bad_image=skip"];
    let done = run(&lab, "lenient", &skip).ok();
    assert!(done.stderr.contains("train/bee/3.jpg"), "{}", done.stderr);
    assert!(
        done.stdout.contains("insects: 1 image left out"),
        "{}",
        done.stdout
    );
    let record: serde_json::Value = serde_json::from_slice(&lab.read("lenient/data.json")).unwrap();
    assert_eq!(
        record[0]["skipped_images"],
        serde_json::json!(["train/bee/3.jpg"])
    );
    assert_eq!(record[0]["train"], 17);
    let done = run(&lab, "json", &[&skip[..], &["--json"]].concat()).ok();
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["skipped_images"]["insects"], 1);
}

#[test]
fn check_knows_shape_and_classes_without_decoding() {
    let lab = lab();
    for name in ["ant", "bee"] {
        lab.write(&format!("pictures/train/{name}/0.jpg"), "not an image");
    }
    let check = |set: &str| {
        let file = lab.path("e.toml").display().to_string();
        secateur(["check", file.as_str(), "--set", set])
    };
    check("seeds=1").ok();
    // One output too many: known from the names of the folders alone.
    check("model.layers[3].linear=3").fails(2, &["insects"]);
}
