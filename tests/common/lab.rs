//! The binary, run folders, and what they hold.

use super::{TEST, TRAIN, write_mnist};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A finished process.
#[derive(Debug)]
pub struct Done {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Whatever the outcome, a panic is a bug.
    pub fn of(output: Output) -> Self {
        let done = Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        done
    }

    /// Asserts success.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts this exit code and that stderr says each of `words`.
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(
                self.stderr.contains(word),
                "stderr lacks {word:?}:\n{}",
                self.stderr
            );
        }
        self
    }
}

/// The binary with these arguments; data and cache of the user's are not looked at unless an argument says so.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command
        .args(args)
        .env("NO_COLOR", "1")
        .env_remove("SECATEUR_DATA")
        // The user's cache is none of a test's business.
        .env("SECATEUR_TUNE", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the binary to its end.
pub fn secateur<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Done {
    Done::of(command(args).output().expect("the binary starts"))
}

/// A temporary folder with an experiment in it, a small stand-in for MNIST, and run folders.
pub struct Lab {
    dir: TempDir,
}

impl Lab {
    /// An empty lab with data.
    pub fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        write_mnist(&lab.path("data/mnist"), TRAIN, TEST);
        lab
    }

    /// A lab with one experiment in `e.toml`.
    pub fn with(experiment: &str) -> Self {
        let lab = Self::new();
        lab.write("e.toml", experiment);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(&path, text).expect("a file");
        path
    }

    /// `secateur run FILE --out OUT` with more arguments, not yet started. A plain name is a file of the lab.
    pub fn command(&self, file: &str, out: &str, more: &[&str]) -> Command {
        let mut command = command::<&str>([]);
        command
            .arg("run")
            .arg(self.path(file))
            .arg("--out")
            .arg(self.path(out))
            .arg("--data")
            .arg(self.path("data"))
            .args(more);
        command
    }

    /// The same, run to its end, whatever that is.
    pub fn run(&self, file: &str, out: &str, more: &[&str]) -> Done {
        let output = self.command(file, out, more).output();
        Done::of(output.expect("the binary starts"))
    }

    /// One of a run folder's files.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// `results.csv` of a run folder.
    pub fn results(&self, out: &str) -> Vec<Row> {
        table(&self.path(out).join("results.csv"))
    }

    /// Everything in a run folder that must not depend on how often it was interrupted, or on what the experiment was before.
    pub fn contents(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = tree(&self.path(out));
        all.remove(Path::new("times.csv"));
        all.remove(Path::new("events.jsonl"));
        all.retain(|path, _| !path.starts_with("history"));
        all
    }
}

/// One row of a table, by column.
pub type Row = BTreeMap<String, String>;

/// A CSV file with a header.
pub fn table(path: &Path) -> Vec<Row> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    reader
        .deserialize()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The only row of an arm with a seed.
pub fn row<'a>(rows: &'a [Row], arm: &str, seed: u32) -> &'a Row {
    let seed = seed.to_string();
    let mut found = rows.iter().filter(|r| r["arm"] == arm && r["seed"] == seed);
    let row = found.next().unwrap_or_else(|| panic!("no row of {arm}"));
    assert!(found.next().is_none(), "several rows of {arm}");
    row
}

/// A number of a row.
pub fn number(row: &Row, column: &str) -> f64 {
    let text = row
        .get(column)
        .unwrap_or_else(|| panic!("no column {column} in {row:?}"));
    text.parse()
        .unwrap_or_else(|_| panic!("{column} is {text:?}"))
}

/// How many of `all` a density says; panics unless it says a whole number.
pub fn count(row: &Row, column: &str, all: u64) -> u64 {
    let kept = number(row, column) * all as f64;
    assert!((kept - kept.round()).abs() < 1e-6, "{column} of {row:?}");
    kept.round() as u64
}

/// Every file under a folder, by its path in it.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("a path within").to_path_buf();
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// Asserts that two folders hold the same files with the same bytes, naming those that differ.
pub fn assert_same(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let all: std::collections::BTreeSet<&PathBuf> = a.keys().chain(b.keys()).collect();
    let differing: Vec<String> = all
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| {
            let size = |files: &BTreeMap<PathBuf, Vec<u8>>| {
                files
                    .get(name)
                    .map_or("missing".to_owned(), |f| format!("{} bytes", f.len()))
            };
            format!("{} ({}, {})", name.display(), size(a), size(b))
        })
        .collect();
    assert!(differing.is_empty(), "{what}: {}", differing.join(", "));
}
