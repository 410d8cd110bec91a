//! The house has floors: imports point one way, and no two files need each other.

mod graph;
mod names;

use graph::{circles, graph, upward};
use names::types;
use std::collections::BTreeMap;
use std::path::Path;

/// The modules of `src/`, from the ground up: each may import those before it. `docs/architecture.md` lists them in the same order and
/// says what they do.
const MODULES: [&str; 15] = [
    "base",
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
    let found = upward(&graph(&sources()), &MODULES);
    let list: Vec<String> = found
        .iter()
        .map(|(from, to)| format!("{from} imports {to}"))
        .collect();
    assert!(found.is_empty(), "upward:\n{}", list.join("\n"));
}

#[test]
fn a_type_name_means_one_thing() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources() {
        for name in types(&text) {
            found.entry(name).or_default().push(file.clone());
        }
    }
    assert!(found.len() > 300, "{} types", found.len());
    found.retain(|_, files| files.len() > 1);
    let list: Vec<String> = found
        .iter()
        .map(|(name, files)| format!("{name}: {}", files.join(" ")))
        .collect();
    assert!(found.is_empty(), "declared twice:\n{}", list.join("\n"));
}

#[test]
fn the_documentation_lists_the_rooms_in_their_order() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: Vec<&str> = rows
        .filter_map(|row| row.split_once("/` |"))
        .map(|(module, _)| module)
        .collect();
    assert_eq!(listed, MODULES);
}

/// A crate of these files.
fn made_up(files: &[(&str, &str)]) -> graph::Graph {
    let owned = files
        .iter()
        .map(|(file, text)| (file.to_string(), text.to_string()));
    graph(&owned.collect())
}

/// What a file of a made-up crate imports.
fn imports<'g>(graph: &'g graph::Graph, file: &str) -> Vec<&'g str> {
    graph[file].iter().map(String::as_str).collect()
}

#[test]
fn names_are_followed_to_the_files_that_define_them() {
    let found = made_up(&[
        ("lib.rs", "pub mod ground; pub mod upper;"),
        // A facade; and a macro that it hands on.
        (
            "ground/mod.rs",
            "mod tool; mod twin; pub use tool::{Tool, other as renamed}; pub use twin::*; pub struct Own;",
        ),
        (
            "ground/tool.rs",
            "pub struct Tool; pub fn other() {} macro_rules! make { () => {} } pub(crate) use make;",
        ),
        (
            "ground/twin.rs",
            "use super::tool::Tool; pub fn twin(_: Tool) {}",
        ),
        ("upper/mod.rs", "mod user; mod caller; mod quiet;"),
        (
            "upper/user.rs",
            "use crate::ground::{self, Tool as T, renamed}; fn f() { ground::Own; }",
        ),
        (
            "upper/caller.rs",
            "fn f() { assert!(crate::ground::Tool::new().call(super::user::g())); }",
        ),
        // Neither comments and strings, nor other crates, nor an inner module's own file count.
        (
            "upper/quiet.rs",
            r#"//! See [`crate::upper::user`].
            use std::fmt; const T: &str = "super::user::g()"; fn help() {}
            mod tests { use super::*; use super::help; fn t() { super::help(); fmt::Debug; } }"#,
        ),
    ]);
    assert_eq!(imports(&found, "ground/mod.rs"), [""; 0]);
    assert_eq!(imports(&found, "ground/twin.rs"), ["ground/tool.rs"]);
    assert_eq!(
        imports(&found, "upper/user.rs"),
        ["ground/mod.rs", "ground/tool.rs"]
    );
    assert_eq!(
        imports(&found, "upper/caller.rs"),
        ["ground/tool.rs", "upper/user.rs"]
    );
    assert_eq!(imports(&found, "upper/quiet.rs"), [""; 0]);
    assert!(circles(&found).is_empty());
    assert!(upward(&found, &["ground", "upper"]).is_empty());
}

#[test]
fn a_circle_and_an_import_that_climbs_are_found() {
    let found = made_up(&[
        ("lib.rs", "mod ground; mod upper;"),
        // What the module hands on hides neither.
        (
            "ground/mod.rs",
            "mod a; mod b; mod c; pub use a::A; pub use b::B; pub use c::C;",
        ),
        ("ground/a.rs", "use super::B; pub struct A(B);"),
        ("ground/b.rs", "pub struct B; fn f() { super::C::new(); }"),
        (
            "ground/c.rs",
            "mod tests { use crate::ground::a::A; } pub struct C;",
        ),
        ("ground/d.rs", "use crate::upper::Roof; use super::A;"),
        ("upper/mod.rs", "mod roof; pub use roof::Roof;"),
        ("upper/roof.rs", "use crate::ground::A; pub struct Roof(A);"),
    ]);
    assert_eq!(
        circles(&found),
        [["ground/a.rs", "ground/b.rs", "ground/c.rs"]]
    );
    let climbs = [("ground/d.rs".to_owned(), "upper/roof.rs".to_owned())];
    assert_eq!(upward(&found, &["ground", "upper"]), climbs);
    assert_eq!(
        upward(&found, &["upper", "ground"]).len(),
        1,
        "and the other way round"
    );
}

#[test]
#[should_panic(expected = "the folder of cellar/a.rs is not in the list of modules")]
fn a_folder_that_is_no_room_is_found() {
    upward(&made_up(&[("cellar/a.rs", "")]), &["ground"]);
}

#[test]
fn files_that_the_documentation_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for page in [
        "docs/architecture.md",
        "CONTRIBUTING.md",
        "docs/determinism.md",
        "docs/performance.md",
    ] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let is_path = word.contains('/') && (word.ends_with(".rs") || word.ends_with(".wgsl"));
            if !is_path
                || word.contains(['*', ' ', '{'])
                || word.contains("NAME")
                || word.contains("KIND")
            {
                continue;
            }
            let folders = ["", "src", "shaders"];
            let found = folders
                .iter()
                .any(|folder| root.join(folder).join(word).exists());
            assert!(found, "{page} names {word}, and there is no such file");
            named += 1;
        }
    }
    assert!(named > 40, "{named} files");
}
