//! Checks the shaders as a GPU's driver would, so that a broken one fails `cargo build`, and writes the table of kernels that
//! `src/gpu/kernels.rs` takes in.

mod reflect;
mod wgsl;

use reflect::{Fields, Kernel};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=shaders");
    let own = files("shaders")?;
    let imports = files("shaders/shared")?;
    let shared = imports
        .iter()
        .map(|(name, (file, text))| (name.as_str(), (file.as_str(), text.as_str())));
    let shared = shared.collect();
    let mut kernels = Vec::new();
    // What is wrong in a shared file is wrong in every kernel that imports it.
    let mut mistakes = BTreeSet::new();
    for (name, (file, text)) in &own {
        match reflect::read(name, (file, text), &shared) {
            Ok(kernel) => kernels.push((name.as_str(), kernel)),
            Err(mistake) => {
                mistakes.insert(mistake.to_string());
            }
        }
    }
    if !mistakes.is_empty() {
        for mistake in mistakes {
            eprintln!("error: {mistake}\n");
        }
        std::process::exit(1);
    }
    let to = Path::new(&env::var("OUT_DIR")?).join("kernels.rs");
    fs::write(to, table(&kernels)?)?;
    Ok(())
}

/// The `.wgsl` files of a folder by name: (path, text).
fn files(folder: &str) -> Result<BTreeMap<String, (String, String)>, Box<dyn Error>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .and_then(|s| s.to_str())
            .unwrap_or_default();
        if path.extension().is_some_and(|e| e == "wgsl") {
            let file = format!("{folder}/{name}.wgsl");
            files.insert(name.to_owned(), (file, fs::read_to_string(&path)?));
        }
    }
    Ok(files)
}

/// The kernels, and every struct in their buffers, as Rust.
fn table(kernels: &[(&str, Kernel)]) -> Result<String, Box<dyn Error>> {
    let mut out =
        "/// Every kernel in `shaders/`, by name.\npub static KERNELS: &[KernelSource] = &[\n"
            .to_owned();
    let mut structs: BTreeMap<&str, &Fields> = BTreeMap::new();
    for (name, kernel) in kernels {
        let Kernel {
            text,
            bindings,
            workgroup,
            uniform,
            ..
        } = kernel;
        let bindings = bindings.join(", Access::");
        writeln!(
            out,
            "KernelSource {{ name: {name:?}, source: {text:?}, bindings: &[Access::{bindings}], workgroup: {workgroup}, uniform: {uniform:?} }},"
        )?;
        for (name, fields) in &kernel.structs {
            if structs
                .insert(name, fields)
                .is_some_and(|other| other != fields)
            {
                return Err(format!("two shaders declare two different structs {name}").into());
            }
        }
    }
    writeln!(
        out,
        "];\n\n/// Every struct that kernels share with the host, by name: (name, type) of its fields."
    )?;
    writeln!(
        out,
        "pub(super) const STRUCTS: &[(&str, &[(&str, &str)])] = &["
    )?;
    for (name, fields) in structs {
        writeln!(out, "    ({name:?}, &{fields:?}),")?;
    }
    writeln!(out, "];")?;
    Ok(out)
}
