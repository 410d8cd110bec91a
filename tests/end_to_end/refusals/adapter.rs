//! Adapters that are not there.

use super::EXPERIMENT;
use crate::common::{Done, Lab, command, no_gpu, secateur};
use std::path::Path;

#[test]
fn an_adapter_that_is_not_there_is_answered_with_those_that_are() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let list = secateur(["adapters"]).ok();
    let first = list.stdout.lines().next().expect("an adapter").to_owned();
    let name = first.split(['(', ':']).nth(1).expect("a name").trim();
    for asked in ["nonsense", "99", "-1"] {
        let asked = format!("--adapter={asked}");
        let done = lab.run("e.toml", "out", &[&asked]);
        done.fails(3, &[name, "--adapter", "SECATEUR_ADAPTER"]);
        assert!(!lab.path("out").exists());
    }
    let output = lab
        .command("e.toml", "out", &[])
        .env("SECATEUR_ADAPTER", "nonsense")
        .output();
    Done::of(output.expect("it starts")).fails(3, &["\"nonsense\"", name]);
    let json = secateur(["adapters", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json[0]["index"], 0);
    assert!(json[0]["name"].as_str().is_some_and(|n| first.contains(n)));
}

/// Where the Vulkan loader finds no driver. Needs no adapter, and proves that none is needed for the other commands.
#[cfg(target_os = "linux")]
#[test]
fn without_any_adapter_the_way_to_one_is_said() {
    let blind = |args: &[&Path]| {
        let output = command(args)
            .env("VK_DRIVER_FILES", "/nonexistent")
            .env("VK_ICD_FILENAMES", "/nonexistent")
            .env_remove("SECATEUR_ADAPTER")
            .output();
        Done::of(output.expect("it starts"))
    };
    let lab = Lab::with(EXPERIMENT);
    let (file, out) = (lab.path("e.toml"), lab.path("out"));
    let hint = [
        "no usable GPU adapter",
        "mesa-vulkan-drivers",
        "apt-get install",
    ];
    blind(&["run".as_ref(), &file, "--out".as_ref(), &out]).fails(3, &hint);
    assert!(!out.exists());
    blind(&["adapters".as_ref()]).fails(3, &hint);
    let json = blind(&["adapters".as_ref(), "--json".as_ref()]).fails(3, &hint);
    assert_eq!(json.stdout.trim(), "[]");
    blind(&["check".as_ref(), &file]).ok();
    let plan = blind(&["plan".as_ref(), &file]).ok();
    assert!(plan.stdout.contains("no adapter here"), "{}", plan.stdout);
}
