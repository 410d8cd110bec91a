//! Tests that cannot run here say so: a test that did not run must not look like one that passed.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// Says that the running test does not run, and why. The caller then returns.
pub fn skip(why: &str) {
    tell(why, "");
}

/// Says that a part of the running test does not run, such as one kernel.
pub fn skip_part(part: &str, why: &str) {
    tell(why, part);
}

/// Once for each test and part: a line `test<tab>why<tab>part` of the file that `SECATEUR_SKIPS` names, which `./x test` sums
/// up; without it a line on stderr, past the capture of what passing tests print.
fn tell(why: &str, part: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let thread = std::thread::current();
    let line = format!("{}\t{why}\t{part}\n", thread.name().unwrap_or("a test"));
    if !TOLD.lock().unwrap().insert(line.clone()) {
        return;
    }
    match std::env::var_os("SECATEUR_SKIPS") {
        Some(file) => {
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).open(file);
            let mut file = file.expect("the file that SECATEUR_SKIPS names");
            // One write: other tests and programs add lines meanwhile.
            file.write_all(line.as_bytes()).expect("room for a line");
        }
        None => {
            let _ = write!(std::io::stderr(), "skipped: {}", line.replace('\t', ": "));
        }
    }
}

/// Whether tests that need an adapter are to be skipped, and says so. Nothing else skips them.
pub fn no_gpu() -> bool {
    let off = std::env::var("SECATEUR_NO_GPU").is_ok_and(|v| v == "1");
    if off {
        skip("SECATEUR_NO_GPU=1");
    }
    off
}

/// `SECATEUR_DATA`, where it has a folder of this dataset's published files; else says that the test, or its part of this
/// dataset, is skipped.
pub fn published(dataset: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SECATEUR_DATA").map(PathBuf::from);
    let found = folder.filter(|folder| folder.join(dataset).is_dir());
    if found.is_none() {
        skip(&format!("no {dataset}/ in SECATEUR_DATA"));
    }
    found
}
