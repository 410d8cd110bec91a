//! Run folders that cannot be written, or are not this experiment's.

use super::EXPERIMENT;
use crate::common::{Lab, assert_same, no_gpu, skip, table, tree};
use std::fs;
use std::path::Path;

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
        skip("this user may write everywhere");
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
    // Another name, and another text.
    lab.write("other.toml", EXPERIMENT.replace("batch = 30", "batch = 31"));
    let done = lab.run("other.toml", "out", &[]);
    done.fails(5, &["another experiment", "nothing was changed", "--out"]);
    assert_same(&tree(&lab.path("out")), &before, "another experiment");
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
    // Tables are made of what lies in the stages, and are written anew.
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
    let text = String::from_utf8(lab.read("out/folder.json")).expect("text");
    lab.write(
        "out/folder.json",
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
    /// `None`, and said, where this user may not mount.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let options = format!("size={size}");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Some(Self(at.to_path_buf())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        skip(&format!("no small disk can be mounted: {why}"));
        None
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
        let whole = match name.extension().is_some_and(|end| end == "json") {
            true => serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
            false => safetensors::SafeTensors::deserialize(&bytes).is_ok(),
        };
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
    let before = lab.contents("disk/out");
    disk.change("ro");
    for out in ["disk/out", "disk/new"] {
        let done = lab.run("e.toml", out, &[]);
        let done = done.fails(5, &["disk", "Read-only file system", "--out"]);
        assert!(!done.stderr.contains("training"), "{}", done.stderr);
    }
    disk.change("rw");
    lab.run("e.toml", "disk/out", &["--quiet"]).ok();
    assert_same(&lab.contents("disk/out"), &before, "writable again");
}
