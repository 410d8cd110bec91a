//! The house has floors: imports point one way, and no two files need each other.

#[path = "imports/graph.rs"]
mod graph;

use graph::{circles, graph, upward};
use std::collections::BTreeMap;
use std::path::Path;

/// The rooms of `src/`, from the ground up: each may import those before it. `docs/architecture.md` says what they do.
const ROOMS: [&str; 14] = [
    "config",
    "spec",
    "gpu",
    "ops",
    "model",
    "data",
    "train",
    "prune",
    "experiment",
    "store",
    "report",
    "bench",
    "run",
    "cli",
];

/// One object in three files: a device compiles kernels and runs programs of them.
const DEVICE: [&str; 3] = ["gpu/device.rs", "gpu/kernel.rs", "gpu/program.rs"];

fn read(folder: &Path, within: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else if name.ends_with(".rs") {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn sources() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        "",
        &mut files,
    );
    files
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    let mut found = circles(&graph(&sources()));
    found.retain(|circle| *circle != DEVICE);
    let list: Vec<String> = found.iter().map(|circle| circle.join(" ")).collect();
    assert!(found.is_empty(), "circles:\n{}", list.join("\n"));
}

#[test]
fn imports_point_down() {
    let found = upward(&graph(&sources()), &ROOMS);
    let list: Vec<String> = found
        .iter()
        .map(|(from, to)| format!("{from} imports {to}"))
        .collect();
    assert!(found.is_empty(), "upward:\n{}", list.join("\n"));
}
