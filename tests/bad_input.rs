//! Wrong files, wrong experiments, wrong folders and missing devices: the exit code, the thing at fault and the way out are
//! said, nothing is half done, and nothing panics.

mod common;

use common::{
    Done, Lab, MNIST_FILES, TEST, TRAIN, assert_same, command, idx_images, idx_labels, no_gpu,
    secateur, spots, table, tree,
};
use std::fs;
use std::io::Write;
use std::path::Path;

const EXPERIMENT: &str = r#"
secateur = 1
seeds = 2
[model]
layers = ["flatten", { linear = 12 }, "relu", { linear = 10 }]
[train]
dataset = "mnist"
batch = 30
length = "4st"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 64
[[arm]]
name = "pruned"
steps = [{ train = {} }, { prune = { sparsity = 0.8 } }, { restart = "fresh" }, { train = {} }]
[[arm]]
name = "dense"
steps = [{ train = {} }]
"#;

// ------------------------------------------------------------------------------------------------------------------- data

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Reads the lab's data without an adapter.
fn preview(lab: &Lab) -> Done {
    secateur([
        "data".as_ref(),
        "preview".as_ref(),
        "mnist".as_ref(),
        "--data".as_ref(),
        lab.path("data").as_os_str(),
        "--out".as_ref(),
        lab.path("sheet.png").as_os_str(),
    ])
}

#[test]
fn damaged_data_names_the_file_and_the_damage() {
    let train = spots(TRAIN, 28, 1);
    let images = idx_images(TRAIN, 28, &train.images);
    let labels = idx_labels(&train.labels);
    let with = |at: usize, byte: u8, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let packed = gzip(&images);
    let middle = packed.len() / 2;
    let fewer = idx_labels(&train.labels[..TRAIN - 10]);
    let small = idx_images(TRAIN, 20, &train.images[..TRAIN * 400]);
    let empty = idx_images(0, 28, &[]);
    let huge = with(4, 0xff, &images);
    let longer = [&images[..], &[0; 5]].concat();
    // (which of the four files, its new contents, what must be said)
    let cases: Vec<(usize, Vec<u8>, &[&str])> = vec![
        (0, images[..images.len() - 1].to_vec(), &["truncated"]),
        (0, images[..900].to_vec(), &["truncated"]),
        (0, images[..7].to_vec(), &["truncated"]),
        (0, Vec::new(), &["truncated"]),
        (0, with(3, 1, &images), &["begins with"]),
        (0, b"<!DOCTYPE html><html>".to_vec(), &["begins with"]),
        (0, small, &["20x20", "28x28"]),
        (0, empty, &["no samples"]),
        (0, huge, &["truncated"]),
        (0, longer, &["5 bytes follow"]),
        (0, packed[..middle].to_vec(), &["gzip", "truncated"]),
        (0, packed[..packed.len() - 3].to_vec(), &["gzip"]),
        (0, with(middle, packed[middle] ^ 0x55, &packed), &["gzip"]),
        (1, with(8 + 17, 10, &labels), &["label 17 is 10", "0 to 9"]),
        (1, with(8, 255, &labels), &["label 0 is 255"]),
        (1, fewer, &["480 images", "470 labels"]),
        (3, idx_labels(&[0; TEST + 1]), &["96 images", "97 labels"]),
        (2, labels.clone(), &["begins with"]),
    ];
    for (file, bytes, words) in cases {
        let lab = Lab::new();
        let name = MNIST_FILES[file];
        println!("{name}: {words:?}");
        let path = lab.write(&format!("data/mnist/{name}"), &bytes);
        let done = preview(&lab).fails(4, words);
        let shown = path.display().to_string();
        assert!(
            done.stderr.contains(&shown),
            "the file is not named: {}",
            done.stderr
        );
        assert!(done.stderr.contains("data fetch mnist"), "{}", done.stderr);
        assert!(!lab.path("sheet.png").exists());
    }
    // The same lab, sound.
    preview(&Lab::new()).ok();
}

#[test]
fn a_run_stops_at_damaged_data_before_it_makes_a_folder() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let path = lab.write(
        "data/mnist/t10k-labels-idx1-ubyte",
        idx_labels(&[3; TEST - 1]),
    );
    let shown = path.display().to_string();
    lab.run("e.toml", "out", &[])
        .fails(4, &[&shown, "95 labels"]);
    assert!(!lab.path("out").exists());
}

/// On Windows nothing leads away from the data that this user may have fetched.
#[cfg(not(windows))]
#[test]
fn missing_data_says_where_it_looked_and_how_to_fetch_it() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let empty = lab.path("nothing");
    fs::create_dir(&empty).expect("a folder");
    let output = command::<&str>([])
        .arg("run")
        .arg(lab.path("e.toml"))
        .arg("--out")
        .arg(lab.path("out"))
        .arg("--data")
        .arg(lab.path("no such folder"))
        .env("SECATEUR_DATA", &empty)
        .env("XDG_DATA_HOME", lab.path("home"))
        .env("HOME", lab.path("home"))
        .output();
    let looked = [lab.path("no such folder"), empty];
    let looked = looked.map(|p| p.display().to_string());
    let words = [
        "`mnist`",
        "secateur data fetch mnist",
        "--data",
        &looked[0],
        &looked[1],
    ];
    Done::of(output.expect("it starts")).fails(4, &words);
    assert!(!lab.path("out").exists());
}

// ------------------------------------------------------------------------------------------------------------- experiment

fn check(text: &str, more: &[&str]) -> Done {
    let lab = Lab::new();
    let path = lab.write("e.toml", text);
    let args = [Path::new("check"), &path];
    Done::of(command(args).args(more).output().expect("it starts"))
}

/// The line of `EXPERIMENT` that holds this text, from 1.
fn line_of(text: &str, part: &str) -> usize {
    let before = &text[..text.find(part).expect("part of the text")];
    before.matches('\n').count() + 1
}

#[test]
fn all_mistakes_are_named_at_once_with_their_lines() {
    let text = EXPERIMENT
        .replace("batch = 30", "batch = 0")
        .replace("sparsity = 0.8", "sparsity = 1.5")
        .replace("lr = 0.1", "rate = 0.1");
    let lines = ["batch = 0", "sparsity = 1.5", "rate = 0.1"].map(|part| {
        let line = line_of(&text, part);
        format!("e.toml:{line}:")
    });
    let words = [
        &lines[0][..],
        &lines[1],
        &lines[2],
        "in [0, 1]",
        "mistakes in",
    ];
    check(&text, &[]).fails(2, &words);
    let one = check(&EXPERIMENT.replace("sparsity = 0.8", "sparsity = 1.5"), &[]);
    let one = one.fails(2, &["1.5", "1 mistake in"]);
    assert!(
        one.stderr.contains("arm[0].steps[1].prune.sparsity"),
        "{}",
        one.stderr
    );
    check(EXPERIMENT, &[]).ok();
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_right_word() {
    for (wrong, right) in [
        (("dataset = \"mnist\"", "dataset = \"minst\""), "mnist"),
        (("[train]", "[trian]"), "train"),
        (
            ("{ train = {} }, { prune", "{ trian = {} }, { prune"),
            "train",
        ),
        (("kind = \"sgd\"", "kind = \"sdg\""), "sgd"),
        (("restart = \"fresh\"", "restart = \"frehs\""), "fresh"),
        (("length = \"4st\"", "length = \"4 steps\""), "st"),
        (
            ("batch = 30", "micro_batch = 31\nbatch = 30"),
            "the batch of 30",
        ),
        (
            ("batch = 30", "micro_batch = 33\nbatch = 99"),
            "the next is 64",
        ),
    ] {
        let text = EXPERIMENT.replace(wrong.0, wrong.1);
        let done = check(&text, &[]);
        let line = format!("e.toml:{}:", line_of(&text, wrong.1));
        done.fails(2, &[&line, right]);
    }
}

#[test]
fn overrides_are_checked_like_the_file() {
    check(EXPERIMENT, &["--set", "train.btach=32"]).fails(2, &["btach", "batch"]);
    check(EXPERIMENT, &["--set", "train.batch=0"]).fails(2, &["batch"]);
    check(EXPERIMENT, &["--set", "arm[7].name=x"]).fails(2, &["arm"]);
    check(EXPERIMENT, &["--set", "arm[\"dens\"].name=x"]).fails(2, &["dense"]);
    check(EXPERIMENT, &["--set", "train.batch"]).fails(2, &["train.batch"]);
    check(EXPERIMENT, &["--set", ""]).fails(2, &[]);
    check(EXPERIMENT, &["--set", "=3"]).fails(2, &[]);
    check(EXPERIMENT, &["--set", "seeds=[1,"]).fails(2, &["seeds"]);
    check(EXPERIMENT, &["--set", "train.batch=32"]).ok();
}

#[test]
fn shapes_that_do_not_fit_are_refused_before_anything_runs() {
    let layers = |list: &str| {
        let old = r#"["flatten", { linear = 12 }, "relu", { linear = 10 }]"#;
        assert!(EXPERIMENT.contains(old));
        check(&EXPERIMENT.replace(old, list), &[])
    };
    layers(r#"[{ conv2d = 4, kernel = 29 }, { linear = 10 }]"#).fails(2, &["conv1", "29", "28"]);
    layers(r#"[{ conv2d = 4, kernel = 5, padding = 5 }, { linear = 10 }]"#)
        .fails(2, &["conv1", "padding 5"]);
    layers(r#"[{ max_pool = 30 }, { linear = 10 }]"#).fails(2, &["maxpool1", "30", "28"]);
    layers(r#"[{ max_pool = 14 }, { conv2d = 4, kernel = 3 }, { linear = 10 }]"#)
        .fails(2, &["conv1", "window of 3", "input of 2"]);
    layers(r#"[{ linear = 12 }, "relu"]"#).fails(2, &["12", "10 classes", "{ linear = 10 }"]);
    layers(r#"[{ linear = 12 }, { max_pool = 1 }]"#).fails(2, &["maxpool1", "12", "10 classes"]);
    layers(r#"["flatten"]"#).fails(2, &["no layer with weights"]);
    layers(r#"[]"#).fails(2, &["layers"]);
    layers(r#"[{ conv2d = 10, kernel = 3 }, { avg_pool = "global" }]"#).ok();
    // Every arm and point that is wrong is named.
    let text = EXPERIMENT.replace("sparsity = 0.8", "keep = 1000000");
    let done = check(&text, &[]).fails(2, &["pruned", "1000000", "9528"]);
    assert!(!done.stderr.contains("arm \"dense\""), "{}", done.stderr);
    let text = EXPERIMENT.replace("sparsity = 0.8", "sparsity = 0.8, layers = [\"fc3\"]");
    check(&text, &[]).fails(2, &["fc3", "fc1"]);
}

#[test]
fn more_samples_than_there_are_is_refused_with_the_numbers() {
    if no_gpu() {
        return;
    }
    for set in [
        "train.validation=480",
        "train.validation=5000",
        "train.samples=417",
    ] {
        let lab = Lab::with(EXPERIMENT);
        let done = lab.run("e.toml", "out", &["--set", set]);
        done.fails(
            2,
            &["480 training samples", "train.validation", "train.samples"],
        );
        assert!(!lab.path("out").exists());
    }
    let lab = Lab::with(EXPERIMENT);
    lab.run("e.toml", "out", &["--set", "train.samples=416"])
        .ok();
}

#[test]
fn files_that_are_no_experiments_are_refused() {
    for text in [
        "",
        "\u{feff}",
        "secateur = 2\n",
        "secateur = 1\n",
        "not toml at all",
        "secateur = 1\nsecateur = 1\n",
        "[[[",
        "a = \"\u{0}\"",
    ] {
        let done = check(text, &[]);
        assert_eq!(done.code, Some(2), "{text:?}: {}", done.stderr);
    }
    let lab = Lab::new();
    for path in [lab.path("none.toml"), lab.path("data")] {
        let shown = path.display().to_string();
        let args = [Path::new("check"), &path];
        Done::of(command(args).output().expect("it starts")).fails(2, &[&shown]);
    }
    let bytes = lab.write("bytes.toml", [0xff, 0xfe, 0x00, 0x80]);
    let args = [Path::new("check"), &bytes];
    Done::of(command(args).output().expect("it starts")).fails(2, &["bytes.toml"]);
}

#[test]
fn the_command_line_is_checked() {
    let lab = Lab::with(EXPERIMENT);
    for more in [
        &["--replicas", "0"][..],
        &["--replicas", "many"],
        &["--memory", "0"],
        &["--memory", "99999999999999999"],
        &["--tiles", "0x1,1x1"],
        &["--tiles", "8x2"],
        &["--no-such-flag"],
        &["another file"],
    ] {
        let done = lab.run("e.toml", "out", more);
        assert_eq!(done.code, Some(2), "{more:?}: {}", done.stderr);
        assert!(!lab.path("out").exists(), "{more:?}");
    }
    lab.run("e.toml", "out", &["--reference", "dens"])
        .fails(2, &["dens", "pruned", "dense"]);
    secateur(["model", "summary", "lenet"]).fails(2, &["lenet-300-100"]);
    secateur(["frobnicate"]).fails(2, &["frobnicate"]);
    secateur::<&str>([]).fails(2, &["Usage"]);
}

// ----------------------------------------------------------------------------------------------------------------- folder

#[test]
fn a_folder_that_cannot_be_is_refused() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    lab.write("file", "I am a file");
    for out in ["file", "file/below", "file/far/below"] {
        let shown = lab.path(out).display().to_string();
        let done = lab.run("e.toml", out, &[]);
        done.fails(5, &[&shown, "--out"]);
    }
    assert_eq!(lab.read("file"), b"I am a file");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_refused_before_anything_is_computed() {
    use std::os::unix::fs::PermissionsExt;
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let closed = lab.path("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).expect("a mode");
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
        fs::remove_file(closed.join("probe")).expect("a file");
        return;
    }
    for out in ["closed", "closed/out"] {
        let done = lab.run("e.toml", out, &[]).fails(5, &["closed", "--out"]);
        assert!(!done.stderr.contains("training"), "{}", done.stderr);
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).expect("a mode");
    assert!(tree(&closed).is_empty());
}

#[test]
fn the_folder_of_another_experiment_is_left_alone() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let before = tree(&lab.path("out"));
    for set in ["train.batch=31", "seeds=[0]", "arm[1].name=other"] {
        let done = lab.run("e.toml", "out", &["--set", set]);
        done.fails(5, &["another experiment", "nothing was changed", "--out"]);
        assert_same(&tree(&lab.path("out")), &before, set);
    }
    // What is only said differently is the same experiment.
    let text = EXPERIMENT
        .replace("batch = 30", "batch = 30 # thirty")
        .replace("lr = 0.1", "lr = 1e-1");
    lab.write("e.toml", text);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    assert_same(&tree(&lab.path("out")), &before, "a comment");
    // A folder that is no run folder at all.
    lab.write("mine/results.csv", "my own results");
    lab.run("e.toml", "mine", &[])
        .fails(5, &["results.csv", "nothing was changed", "--out"]);
    assert_eq!(tree(&lab.path("mine")).len(), 1);
    assert_eq!(lab.read("mine/results.csv"), b"my own results");
}

#[test]
fn tables_that_were_altered_are_not_trusted() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let before = lab.read("out/results.csv");
    lab.write("out/results.csv", b"arm,seed\ndense,x\n");
    let shown = lab.path("out/results.csv").display().to_string();
    lab.run("e.toml", "out", &[]).fails(5, &[&shown, "damaged"]);
    fs::remove_file(lab.path("out/results.csv")).expect("a file");
    lab.run("e.toml", "out", &["--quiet"]).ok();
    assert_eq!(lab.read("out/results.csv"), before);

    let identity = lab.read("out/folder.json");
    lab.write("out/folder.json", &identity[..identity.len() / 2]);
    let shown = lab.path("out/folder.json").display().to_string();
    lab.run("e.toml", "out", &[])
        .fails(5, &[&shown, "damaged", "--out"]);
}

/// Results of another adapter or driver are not mixed with this one's.
#[test]
fn results_of_another_adapter_are_not_mixed() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let rows = table(&lab.path("out/results.csv"));
    let ours = &rows[0]["adapter"];
    let text = String::from_utf8(lab.read("out/results.csv")).expect("text");
    lab.write(
        "out/results.csv",
        text.replace(ours.as_str(), "Another GPU (Vulkan)"),
    );
    lab.run("e.toml", "out", &[])
        .fails(2, &["Another GPU", ours, "--out", "--adapter"]);
}

/// A tmpfs for one test, unmounted at its end.
#[cfg(target_os = "linux")]
struct SmallDisk(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// `None`, with the reason printed, where this user may not mount.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let options = format!("size={size}");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_path_buf())),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                println!("skipped: no small disk can be mounted: {why}");
                None
            }
            Err(error) => {
                println!("skipped: no small disk can be mounted: {error}");
                None
            }
        }
    }

    /// Mounts it anew with other options, its files kept.
    fn change(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = std::process::Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .status();
        assert!(status.expect("mount runs").success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

/// A disk that fills up ends the run with the reason; once there is room, the same command goes on to the same bytes.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let Some(disk) = SmallDisk::mount(&lab.path("disk"), "32k") else {
        return;
    };
    // Not even the probe fits.
    let done = lab.run("e.toml", "disk/out", &[]);
    let done = done.fails(5, &["disk/out", "No space left", "free some space"]);
    assert!(!done.stderr.contains("training"), "{}", done.stderr);
    // Room for the first stages (50 kB each), and not for all.
    disk.change("size=180k");
    let done = lab.run("e.toml", "disk/out", &["--replicas", "1"]);
    done.fails(5, &["disk/out", "No space left", "free some space"]);
    for (name, bytes) in tree(&lab.path("disk/out/stages")) {
        let whole = safetensors::SafeTensors::deserialize(&bytes).is_ok();
        assert!(whole, "{} was half written", name.display());
    }
    disk.change("size=64m");
    lab.run("e.toml", "disk/out", &["--quiet"]).ok();
    lab.run("e.toml", "whole", &["--quiet"]).ok();
    assert_same(
        &lab.contents("disk/out"),
        &lab.contents("whole"),
        "after the disk grew",
    );
}

/// Mounted read-only, it is refused at once; a disk that becomes writable again goes on.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_is_refused_before_anything_is_computed() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(EXPERIMENT);
    let Some(disk) = SmallDisk::mount(&lab.path("disk"), "64m") else {
        return;
    };
    lab.run("e.toml", "disk/out", &["--quiet"]).ok();
    let before = tree(&lab.path("disk/out"));
    disk.change("ro");
    for out in ["disk/out", "disk/new"] {
        let done = lab.run("e.toml", out, &[]);
        let done = done.fails(5, &["disk", "Read-only file system", "--out"]);
        assert!(!done.stderr.contains("training"), "{}", done.stderr);
    }
    disk.change("rw");
    lab.run("e.toml", "disk/out", &["--quiet"]).ok();
    assert_same(&tree(&lab.path("disk/out")), &before, "writable again");
}

// ----------------------------------------------------------------------------------------------------------------- output

/// `secateur data list`, with stdout going there.
#[cfg(target_os = "linux")]
fn listed(stdout: impl Into<std::process::Stdio>) -> std::process::Command {
    let mut command = command(["data", "list"]);
    command.stdout(stdout);
    command
}

/// Results that are lost are not a success, even where the reason cannot be said either.
#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full");
    if let Err(error) = full() {
        println!("skipped: /dev/full cannot be opened: {error}");
        return;
    }
    let output = listed(full().expect("a device")).output();
    let words = ["cannot write to standard output", "No space left", "free"];
    Done::of(output.expect("it starts")).fails(5, &words);
    let mut mute = listed(full().expect("a device"));
    mute.stderr(full().expect("a device"));
    Done::of(mute.output().expect("it starts")).fails(5, &[]);
}

/// As in `secateur data list | head -0`.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let done = Done::of(listed(writer).output().expect("it starts")).ok();
    assert_eq!(done.stderr, "");
}

// ---------------------------------------------------------------------------------------------------------------- adapter

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
