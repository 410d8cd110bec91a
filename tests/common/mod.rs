//! What the end-to-end tests share: the device, the binary, a small dataset, tables, and folders compared byte for byte.

#![allow(dead_code)] // every test binary uses a part of it

use image::{ImageFormat, Rgb, RgbImage};
use secateur::data::{Dataset, Split};
use secateur::gpu::{Gpu, GpuOptions};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Whether tests that need an adapter are to be skipped. Nothing else skips them: a test that did not run must not look
/// like one that passed.
pub fn no_gpu() -> bool {
    let off = std::env::var("SECATEUR_NO_GPU").is_ok_and(|v| v == "1");
    if off {
        println!("skipped: SECATEUR_NO_GPU=1");
    }
    off
}

/// The device, or `None` where `SECATEUR_NO_GPU=1`. `SECATEUR_ADAPTER` chooses another than the best.
///
/// # Panics
/// There is no adapter.
pub fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| (!no_gpu()).then(own_gpu)).as_ref()
}

/// A device of one's own, for tests that count its bytes: others allocate on the shared one meanwhile.
///
/// # Panics
/// There is no adapter.
pub fn own_gpu() -> Gpu {
    let options = GpuOptions {
        adapter: std::env::var("SECATEUR_ADAPTER").ok(),
        ..GpuOptions::default()
    };
    Gpu::open(&options)
        .unwrap_or_else(|e| panic!("{e}\nSECATEUR_NO_GPU=1 skips the tests that need an adapter."))
}

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

    /// Everything in a run folder that must not depend on how often it was interrupted.
    pub fn contents(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = tree(&self.path(out));
        all.remove(Path::new("times.csv"));
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

/// Reproducible dice (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// In [-1, 1).
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Samples of the stand-in for MNIST.
pub const TRAIN: usize = 480;
/// See [`TRAIN`].
pub const TEST: usize = 96;

/// Square images whose class is where the bright spot lies, under noise: sample i has label i % 10.
pub fn spots(count: usize, side: usize, seed: u64) -> Split {
    let mut dice = Dice(seed);
    let mut images = Vec::with_capacity(count * side * side);
    let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    let step = side / 5;
    for &label in &labels {
        let (top, left) = (
            usize::from(label) / 5 * (side / 2),
            usize::from(label) % 5 * step,
        );
        for y in 0..side {
            for x in 0..side {
                let bright = (top..top + side / 2).contains(&y) && (left..left + step).contains(&x);
                let noise = dice.below(120) as u8;
                images.push(if bright { 120 + noise } else { noise });
            }
        }
    }
    Split { images, labels }
}

/// The same as a dataset in memory.
pub fn dataset(train: usize, test: usize, side: usize) -> Dataset {
    Dataset {
        name: "spots".to_owned(),
        class_names: (0..10).map(|c| c.to_string()).collect(),
        channels: 1,
        height: side,
        width: side,
        train: spots(train, side, 1),
        test: spots(test, side, 2),
        digest: "0123456789abcdef".to_owned(),
        source: "the tests".to_owned(),
        warnings: Vec::new(),
        skipped: Vec::new(),
    }
}

/// As `gzip` packs it.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// An IDX file of images.
pub fn idx_images(count: usize, side: usize, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for size in [count, side, side] {
        bytes.extend((size as u32).to_be_bytes());
    }
    bytes.extend(pixels);
    bytes
}

/// An IDX file of labels.
pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

/// The four files of MNIST, in the order images, labels; training, test.
pub const MNIST_FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Writes sound files that are not MNIST's.
pub fn write_mnist(folder: &Path, train: usize, test: usize) {
    fs::create_dir_all(folder).expect("a folder");
    for (split, names) in [
        (spots(train, 28, 1), &MNIST_FILES[..2]),
        (spots(test, 28, 2), &MNIST_FILES[2..]),
    ] {
        let images = idx_images(split.len(), 28, &split.images);
        fs::write(folder.join(names[0]), images).expect("a file");
        fs::write(folder.join(names[1]), idx_labels(&split.labels)).expect("a file");
    }
}

/// An image: red says the place, green the class, blue the number.
pub fn picture(width: u32, height: u32, class: u8, number: u8) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(16 * y + x) as u8, 100 * class, 40 * number])
    })
}

/// Writes an image, and the folders it lies in.
pub fn save_image(path: &Path, image: &RgbImage, format: ImageFormat) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save_with_format(path, format).unwrap();
}
