//! The run folder: round trips, refusals, and that a failed write leaves the old bytes.

use secateur::base::sha256;
use secateur::model::{Mask, Tensor};
use secateur::ops::InitialValues;
use secateur::store::{
    By, Cells, Contents, CurveRow, MaskError, MaskOrigin, OverlapRow, Owner, RoundRow, Row,
    RunFolder, RunKey, RunRow, SpeedRow, StageState, StoreError, TimeRow, from_csv,
    load_known_mask, load_mask, mask_digest, run_names, save_mask, slug, to_csv, weights_digest,
    write_atomic, write_once,
};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn tensor(name: &str, shape: &[usize], offset: usize, prunable: bool) -> Tensor {
    Tensor {
        name: name.into(),
        layer: name.split('.').next().unwrap().into(),
        shape: shape.to_vec(),
        offset,
        count: shape.iter().product(),
        prunable,
        learned: true,
        start: InitialValues::Drawn,
        fan_in: 1,
        fan_out: 1,
    }
}

/// Two prunable tensors with padding between and after them, and a bias.
fn tensors() -> Vec<Tensor> {
    vec![
        tensor("fc1.weight", &[3, 5], 0, true),
        tensor("fc1.bias", &[3], 16, false),
        tensor("fc2.weight", &[2, 3, 4], 20, true),
    ]
}

/// Flat length 48 (the tensors end at 44), every fourth weight pruned.
fn state() -> StageState {
    let tensors = tensors();
    let mut weights = vec![0.0; 48];
    let mut mask = Mask::full(64);
    for tensor in &tensors {
        for (index, weight) in weights[tensor.range()].iter_mut().enumerate() {
            let flat = tensor.offset + index;
            *weight = (flat as f32 - 7.5) / 3.0;
            if tensor.prunable && index % 4 == 1 {
                *weight = 0.0;
                mask.remove(flat);
            }
        }
    }
    weights[2] = f32::from_bits(0x8000_0000);
    weights[3] = f32::from_bits(1);
    let meta = BTreeMap::from([
        ("curve".to_owned(), "[{\"epoch\":1}]".to_owned()),
        ("loss".to_owned(), "0.25".to_owned()),
    ]);
    StageState {
        weights,
        mask,
        meta,
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn open(dir: &Path, digest: &str) -> Result<RunFolder, StoreError> {
    open_as(dir, "Does it help?", digest, "secateur = 1\n")
}

fn open_as(dir: &Path, name: &str, digest: &str, text: &str) -> Result<RunFolder, StoreError> {
    let owner = Owner {
        experiment: name.into(),
        experiment_digest: digest.into(),
        ..Owner::default()
    };
    let contents = Contents {
        text,
        resolved: "{}\n",
        data: &[],
        runs: &[],
    };
    RunFolder::open(dir, dir, &owner, &contents)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn rows() -> Vec<RunRow> {
    let mut first = RunRow {
        arm: "mask from \"MNIST\", shuffled\nwithin layers".into(),
        seed: 3,
        point: pairs(&[("sparsity", "0.9"), ("arm", "x"), ("density_of_ink", "2")]),
        settings: pairs(&[("dataset", "fashion-mnist"), ("seed", "odd, \"name\"")]),
        target_density: Some(0.1),
        density: 0.1 + 0.2,
        layer_density: vec![("conv1.weight".into(), 1.0 / 3.0)],
        selected_epoch: Some(7),
        train_loss: Some(f64::MIN_POSITIVE),
        validation_loss: None,
        validation_accuracy: Some(91.5),
        test_loss: 1e300,
        test_accuracy: 92.48,
        mask_violations: 0,
        weights_digest: "0123456789abcdef".into(),
        adapter: "llvmpipe (LLVM 15.0.6, 256 bits)".into(),
        driver: "Mesa 22.3.6".into(),
        version: "0.1.0".into(),
        ..RunRow::default()
    };
    let dense = RunRow {
        arm: "dense".into(),
        density: 1.0,
        test_accuracy: 93.0,
        test_loss: 0.2,
        ..RunRow::default()
    };
    first.mask_digest = "fedcba9876543210".into();
    vec![first, dense]
}

#[test]
fn results_survive_a_round_trip_with_quotes_and_awkward_names() {
    let axes: Vec<String> = ["sparsity", "arm", "density_of_ink"]
        .map(str::to_owned)
        .into();
    let bytes = to_csv(&rows());
    assert_eq!(from_csv::<RunRow>(&bytes, &axes).unwrap(), rows());

    let text = String::from_utf8(bytes.clone()).unwrap();
    let header = text.lines().next().unwrap();
    assert!(
        header.starts_with(
            "run,arm,seed,sparsity,axis_arm,axis_density_of_ink,dataset,setting_seed,failure,target_density,density,density_conv1.weight,selected_epoch,train_loss,"
        ),
        "{header}"
    );
    // Floats are as short as they can be and still read back; absent ones are empty, not zero.
    assert!(text.contains(
        ",0.1,0.30000000000000004,0.3333333333333333,7,2.2250738585072014e-308,,91.5,1e300,92.48,0,"
    ));
    assert!(text.contains("dense,0,,,,,,,,1,,,,,,0.2,93,0,"), "{text}");
    assert_eq!(bytes, to_csv(&rows()), "the same rows are the same bytes");
}

/// A run that failed has what it is in its row, and no measurement.
#[test]
fn a_failed_run_has_empty_cells() {
    let failed = RunRow {
        run: "pruned-seed1".into(),
        arm: "pruned".into(),
        seed: 1,
        failure: "step 0 (train): diverged".into(),
        target_density: Some(0.5),
        test_accuracy: f64::NAN,
        adapter: "llvmpipe".into(),
        ..RunRow::default()
    };
    let bytes = to_csv(&[failed]);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        text.contains("\npruned-seed1,pruned,1,step 0 (train): diverged,0.5,,,,,,,,"),
        "{text}"
    );
    let back = from_csv::<RunRow>(&bytes, &[]).unwrap().remove(0);
    assert!(back.failed() && back.test_accuracy.is_nan() && back.density.is_nan());
    assert_eq!(
        (back.run.as_str(), back.target_density),
        ("pruned-seed1", Some(0.5))
    );
}

/// Columns that have another name by now are read from files that have the old one.
#[test]
fn tables_of_earlier_versions_are_read() {
    let axes: Vec<String> = ["sparsity", "arm", "density_of_ink"]
        .map(str::to_owned)
        .into();
    let text = String::from_utf8(to_csv(&rows())).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let old = header
        .replace("target_density", "asked_density")
        .replace("selected_epoch", "kept_epoch");
    assert_ne!(old, header);
    let old = format!("{old}\n{body}");
    assert_eq!(from_csv::<RunRow>(old.as_bytes(), &axes).unwrap(), rows());
}

#[test]
fn damaged_tables_are_explained() {
    let axes = [];
    let error = from_csv::<RunRow>(b"arm,seed\nx,1\n", &axes).unwrap_err();
    assert!(error.contains("no column `run`"), "{error}");
    let bytes = String::from_utf8(to_csv(&rows()[1..])).unwrap();
    let error = from_csv::<RunRow>(bytes.replace(",93,", ",many,").as_bytes(), &axes).unwrap_err();
    assert!(
        error.contains("line 2") && error.contains("`many`"),
        "{error}"
    );
    let cut = &bytes.as_bytes()[..bytes.len() - 4];
    assert!(
        from_csv::<RunRow>(cut, &axes).is_err(),
        "a truncated last line is no row"
    );
    assert!(from_csv::<RunRow>(b"", &axes).is_err());
}

#[test]
fn curves_and_times_survive_a_round_trip() {
    let curve = CurveRow {
        arm: "a,b".into(),
        seed: 7,
        point: pairs(&[("epoch", "x")]),
        train_step: 1,
        dataset: "mnist".into(),
        epoch: 2,
        step: 938,
        learning_rate: 1e-7,
        density: 0.025,
        train_loss: f64::INFINITY,
        train_accuracy: 10.0,
        validation_loss: Some(0.5),
        validation_accuracy: None,
    };
    let rows = vec![curve];
    assert_eq!(from_csv::<CurveRow>(&to_csv(&rows), &[]).unwrap(), rows);

    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    folder.write_rows(&rows).unwrap();
    assert_eq!(folder.read_rows::<CurveRow>(&[]).unwrap(), rows);
    let time = TimeRow {
        stage: "abc".into(),
        work: "train on mnist, 2 epochs".into(),
        seconds: 0.5,
        ..TimeRow::default()
    };
    folder.append_rows(std::slice::from_ref(&time)).unwrap();
    folder.append_rows(&[time.clone(), time]).unwrap();
    let text = fs::read_to_string(dir.path().join("times.csv")).unwrap();
    assert_eq!(
        text.lines().count(),
        4,
        "one header, and earlier sessions stay"
    );
    fs::write(dir.path().join("times.csv"), "something else\n").unwrap();
    assert!(matches!(
        folder.append_rows::<TimeRow>(&[]),
        Err(StoreError::Damaged { .. })
    ));
}

/// The section of docs/columns.md on one table.
fn columns_in_words<R: Row>() -> String {
    let mut text = format!("\n## {}\n{}\n\n", R::FILE, R::ABOUT.trim());
    text += "| column | holds | unit | means |\n|---|---|---|---|\n";
    for column in R::COLUMNS {
        let name = match column.cells {
            Cells::One { .. } => format!("`{}`", column.name),
            Cells::Named { by: By::Axis, .. } => "axes".into(),
            Cells::Named {
                by: By::Setting, ..
            } => "settings".into(),
            Cells::Named { by: By::Layer, .. } => "`density_<layer>`".into(),
        };
        let (kind, unit, about) = (column.kind, column.unit, column.about.trim());
        text += &format!("| {name} | {kind} | {unit} | {about} |\n");
    }
    text
}

#[test]
fn the_docs_have_all_columns() {
    let text = [
        "# Columns\nWhat the tables of a run folder hold. Made from the source by `SECATEUR_WRITE_DOCS=1 cargo test --test results columns`.\n".into(),
        columns_in_words::<RunRow>(),
        columns_in_words::<CurveRow>(),
        columns_in_words::<RoundRow>(),
        columns_in_words::<OverlapRow>(),
        columns_in_words::<TimeRow>(),
        columns_in_words::<SpeedRow>(),
    ]
    .concat();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/columns.md");
    if std::env::var_os("SECATEUR_WRITE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let docs = fs::read_to_string(path).unwrap();
    for (line, expected) in docs.lines().zip(text.lines()) {
        assert_eq!(line, expected, "docs/columns.md is out of date");
    }
    assert_eq!(docs.lines().count(), text.lines().count());
}

#[test]
fn a_failing_write_leaves_the_old_bytes_and_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.csv");
    write_atomic(&path, |file| file.write_all(b"old")).unwrap();
    let error = write_atomic(&path, |file| {
        // More than any buffer, so that some of it reaches the disk.
        file.write_all(&[b'x'; 100_000])?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    })
    .unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let text = error.to_string();
    assert!(
        text.contains("results.csv") && text.contains("free some space"),
        "{text}"
    );

    write_once(&path, b"old").unwrap();
    assert!(matches!(
        write_once(&path, b"new"),
        Err(StoreError::Exists { .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_failing_rename_leaves_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    // A file cannot replace a folder that is not empty.
    let path = dir.path().join("results.csv");
    fs::create_dir_all(path.join("x")).unwrap();
    assert!(write_atomic(&path, |file| file.write_all(b"new")).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn files_are_as_readable_as_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (ours, plain) = (dir.path().join("a"), dir.path().join("b"));
    write_atomic(&ours, |file| file.write_all(b"x")).unwrap();
    fs::write(&plain, b"x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn an_impossible_folder_is_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    let text = open(&file.join("runs"), "d1").unwrap_err().to_string();
    assert!(
        text.contains("file") && text.contains("--out DIR"),
        "{text}"
    );
    let text = open(&file, "d1").unwrap_err().to_string();
    assert!(text.contains("--out DIR"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_where_nothing_can_be_made_is_found_at_once() {
    // Nobody, root included, can make files there.
    let text = open(Path::new("/proc/secateur"), "d1")
        .unwrap_err()
        .to_string();
    assert!(text.contains("/proc/secateur"), "{text}");
}

#[test]
fn the_same_experiment_continues_and_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    let folder = open(&out, "d1").unwrap();
    assert!(!folder.resumed());
    folder.write_rows(&rows()).unwrap();
    drop(folder);
    fs::write(out.join(".secateur-tmp-left"), b"half").unwrap();
    let left = fs::File::options()
        .write(true)
        .open(out.join(".secateur-tmp-left"));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    left.unwrap().set_modified(long_ago).unwrap();
    let before = fs::read(out.join("results.csv")).unwrap();

    let other = open_as(&out, "Other", "d2", "secateur = 2\n").unwrap_err();
    let text = other.to_string();
    for part in ["Does it help?", "d1", "Other", "d2", "--out DIR"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(
        fs::read_to_string(out.join("experiment.toml")).unwrap(),
        "secateur = 1\n"
    );
    assert!(
        out.join(".secateur-tmp-left").exists(),
        "a refused folder is not touched"
    );

    let folder = open(&out, "d1").unwrap();
    assert!(folder.resumed());
    assert!(!out.join(".secateur-tmp-left").exists());
    assert_eq!(fs::read(out.join("results.csv")).unwrap(), before);
    let axes: Vec<String> = ["sparsity", "arm", "density_of_ink"]
        .map(str::to_owned)
        .into();
    assert_eq!(folder.read_rows::<RunRow>(&axes).unwrap(), rows());
    drop(folder);

    // An experiment that has changed goes on, and its old tables are put aside.
    let folder = open_as(&out, "Does it help?", "d2", "seeds = 5\n").unwrap();
    assert!(folder.resumed());
    assert!(!out.join("results.csv").exists());
    let history: Vec<_> = fs::read_dir(out.join("history")).unwrap().collect();
    let aside = history[0].as_ref().unwrap().path();
    assert_eq!(history.len(), 1);
    assert_eq!(fs::read(aside.join("results.csv")).unwrap(), before);
    assert_eq!(
        fs::read(aside.join("experiment.toml")).unwrap(),
        b"secateur = 1\n"
    );
    assert_eq!(
        fs::read(out.join("experiment.toml")).unwrap(),
        b"seeds = 5\n"
    );
}

/// What tells that an experiment has changed is put aside last, so that what was interrupted is finished the next time, in one place.
#[test]
fn putting_old_tables_aside_can_be_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path();
    let folder = open(out, "d1").unwrap();
    folder.write_rows(&rows()).unwrap();
    folder.write_rows(&[TimeRow::default()]).unwrap();
    let history = || -> Vec<PathBuf> {
        let entries = fs::read_dir(out.join("history")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let tables = fs::read(out.join("results.csv")).unwrap();
    drop(folder);
    // Learn the place, and put everything back.
    drop(open_as(out, "Does it help?", "d2", "seeds = 5\n").unwrap());
    let aside = history().remove(0);
    for name in [
        "experiment.toml",
        "resolved.json",
        "data.json",
        "results.csv",
    ] {
        fs::rename(aside.join(name), out.join(name)).unwrap();
    }
    // Something is in the way of a table.
    fs::create_dir_all(aside.join("results.csv/full")).unwrap();
    assert!(open_as(out, "Does it help?", "d2", "seeds = 5\n").is_err());
    for name in ["experiment.toml", "data.json", "results.csv"] {
        assert!(out.join(name).exists(), "{name}");
    }
    fs::remove_dir_all(aside.join("results.csv")).unwrap();
    drop(open_as(out, "Does it help?", "d2", "seeds = 5\n").unwrap());
    assert_eq!(history(), std::slice::from_ref(&aside));
    assert_eq!(fs::read(aside.join("results.csv")).unwrap(), tables);
    assert!(out.join("times.csv").exists());
}

#[test]
fn a_folder_in_other_use_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("experiment.toml"), b"mine").unwrap();
    let text = open(dir.path(), "d1").unwrap_err().to_string();
    assert!(
        text.contains("experiment.toml") && text.contains("--out DIR"),
        "{text}"
    );
    assert_eq!(
        fs::read(dir.path().join("experiment.toml")).unwrap(),
        b"mine"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    // Other files do not matter.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), b"mine").unwrap();
    open(dir.path(), "d1").unwrap();
}

#[test]
fn a_damaged_identity_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), "d1").unwrap());
    fs::write(dir.path().join("folder.json"), b"{").unwrap();
    assert!(matches!(
        open(dir.path(), "d1"),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn processes_share_a_folder_while_the_experiment_stays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), "d1").unwrap();
    let second = open(dir.path(), "d1").unwrap();
    let other = || open_as(dir.path(), "Does it help?", "d2", "another text");
    let error = other().unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    drop((first, second));
    other().unwrap();
}

#[test]
fn stages_survive_a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    assert!(!folder.stages().has("s1"));
    assert_eq!(folder.stages().load("s1", &tensors()).unwrap(), None);
    folder.stages().save("s1", &tensors(), &state()).unwrap();
    let loaded = folder.stages().load("s1", &tensors()).unwrap().unwrap();
    assert_eq!(bits(&loaded.weights), bits(&state().weights));
    assert_eq!(loaded, state());

    // The bytes depend on the state alone, and the same state may be saved again.
    let bytes = fs::read(folder.stages().path("s1")).unwrap();
    for _ in 0..8 {
        fs::remove_file(folder.stages().path("s1")).unwrap();
        folder.stages().save("s1", &tensors(), &state()).unwrap();
        assert_eq!(fs::read(folder.stages().path("s1")).unwrap(), bytes);
    }
    folder.stages().save("s1", &tensors(), &state()).unwrap();
    let mut other = state();
    other.weights[0] += 1.0;
    assert!(matches!(
        folder.stages().save("s1", &tensors(), &other),
        Err(StoreError::Exists { .. })
    ));

    // Other programs find plain tensors.
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "fc1.bias",
            "fc1.weight",
            "fc1.weight.mask",
            "fc2.weight",
            "fc2.weight.mask"
        ]
    );
    assert_eq!(file.tensor("fc2.weight").unwrap().shape(), [2, 3, 4]);
    // Eight weights to a byte, the first in its lowest bit.
    let mask = file.tensor("fc2.weight.mask").unwrap();
    assert_eq!(
        (mask.dtype(), mask.shape()),
        (safetensors::Dtype::U8, &[3][..])
    );
    let tensor = &tensors()[2];
    let bit = |i: usize| mask.data()[i / 8] >> (i % 8) & 1 == 1;
    for (i, at) in tensor.range().enumerate() {
        assert_eq!(bit(i), state().mask.keeps(at), "weight {i}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    let mut short = state();
    short.weights.truncate(43);
    assert!(matches!(
        folder.stages().save("s1", &tensors(), &short),
        Err(StoreError::Layout { .. })
    ));
    let mut short = state();
    short.mask = Mask::full(32);
    assert!(folder.stages().save("s1", &tensors(), &short).is_err());
    assert!(!folder.stages().has("s1"));
}

#[test]
fn every_truncation_and_every_flipped_byte_of_a_stage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    folder.stages().save("s1", &tensors(), &state()).unwrap();
    let path = folder.stages().path("s1");
    let good = fs::read(&path).unwrap();
    let damaged = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        match folder.stages().load("s1", &tensors()) {
            Err(StoreError::Damaged { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "a damaged file is left as it is"
        );
    };
    for length in 0..good.len() {
        damaged(&good[..length], &format!("cut to {length} bytes"));
    }
    damaged(&[good.as_slice(), b"x"].concat(), "one byte too many");
    for index in 0..good.len() {
        let mut bytes = good.clone();
        bytes[index] ^= 0x04;
        fs::write(&path, &bytes).unwrap();
        // Whitespace and the spelling of numbers in the header may change without changing what it says.
        if let Ok(Some(read)) = folder.stages().load("s1", &tensors()) {
            assert_eq!(read, state(), "byte {index} flipped");
        }
    }
    fs::write(&path, &good).unwrap();
    let text = folder
        .stages()
        .load("s1", &tensors()[..2])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("s1.safetensors") && text.contains("remove this file"),
        "{text}"
    );
    let mut reshaped = tensors();
    reshaped[0].shape = vec![5, 3];
    assert!(folder.stages().load("s1", &reshaped).is_err());
    fs::rename(&path, folder.stages().path("s2")).unwrap();
    let text = folder
        .stages()
        .load("s2", &tensors())
        .unwrap_err()
        .to_string();
    assert!(text.contains("holds stage s1"), "{text}");
}

#[test]
fn weights_get_a_readable_name() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    folder.stages().save("s1", &tensors(), &state()).unwrap();
    for _ in 0..2 {
        let path = folder.link_weights("dense-seed0", "s1").unwrap();
        assert!(path.ends_with("weights/dense-seed0.safetensors"));
        assert_eq!(
            fs::read(path).unwrap(),
            fs::read(folder.stages().path("s1")).unwrap()
        );
    }
    let mut other = state();
    other.weights[0] = 9.0;
    folder.stages().save("s2", &tensors(), &other).unwrap();
    // The name goes to another run, and the stage of the first keeps its weights.
    let path = folder.link_weights("dense-seed0", "s2").unwrap();
    assert_eq!(
        fs::read(path).unwrap(),
        fs::read(folder.stages().path("s2")).unwrap()
    );
    assert_eq!(
        folder.stages().load("s1", &tensors()).unwrap(),
        Some(state())
    );
    assert!(folder.link_weights("other", "missing").is_err());
}

#[test]
fn names_are_readable_and_unique() {
    assert_eq!(
        slug("the same, shuffled within each layer"),
        "the-same-shuffled-within-each-layer"
    );
    assert_eq!(slug("../../etc"), "etc");
    assert_eq!(slug("…"), "x");
    assert!(slug(&"long ".repeat(100)).len() <= 60);
    let point = pairs(&[("sparsity", "0.9"), ("data/set", "a b")]);
    let key = |arm, seed| RunKey {
        arm,
        point: &point,
        seed,
    };
    let names = run_names(&[key("Mask A", 0), key("Mask A", 1), key("mask-a", 1)]);
    assert_eq!(names[0], "mask-a-sparsity=0.9-data-set=a-b-seed0");
    assert_ne!(names[1], names[2]);
    assert!(names[1].ends_with("-seed1") && names[2].ends_with("-seed1"));
}

#[test]
fn digests_see_values_but_not_padding() {
    let (tensors, state) = (tensors(), state());
    let weights = weights_digest(&tensors, &state.weights);
    let mask = mask_digest(&tensors, &state.mask);
    assert_eq!((weights.len(), mask.len()), (16, 16));
    let mut changed = state;
    changed.weights[15] = 1.0; // padding
    changed.mask.remove(17); // a bias
    assert_eq!(weights_digest(&tensors, &changed.weights), weights);
    assert_eq!(mask_digest(&tensors, &changed.mask), mask);
    changed.weights[16] += 1.0;
    changed.mask.remove(0);
    assert_ne!(weights_digest(&tensors, &changed.weights), weights);
    assert_ne!(mask_digest(&tensors, &changed.mask), mask);
    // sha256sum of the same bytes, written by hand.
    let one = [tensor("w", &[2], 1, true)];
    assert_eq!(weights_digest(&one, &[9.0, 1.0, -2.0]), "ee4ac73c2bd27756");
    assert_eq!(
        mask_digest(&one, &Mask::from_words(vec![0b010])),
        "47dc540c94ceb704"
    );
}

fn origin() -> MaskOrigin {
    MaskOrigin {
        experiment: "Does it help?".into(),
        arm: "mask from MNIST".into(),
        seed: 3,
        dataset: "mnist".into(),
        criterion: "magnitude, global, density 0.75".into(),
        ..MaskOrigin::default()
    }
}

#[test]
fn masks_survive_a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    let mut dirty = state().mask;
    dirty.remove(15); // padding, and a bias: both are 1 in a mask
    dirty.remove(16);
    let path = folder
        .save_run_mask("a-seed3", &tensors(), &dirty, &origin())
        .unwrap();
    folder
        .save_run_mask("a-seed3", &tensors(), &dirty, &origin())
        .unwrap();
    assert_eq!(load_mask(&path, &tensors()).unwrap(), state().mask);
    let bytes = fs::read(&path).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let header = &metadata.metadata().as_ref().unwrap()["secateur"];
    for part in [
        "secateur-mask",
        "\"density\":0.74",
        "mask from MNIST",
        "fc2.weight",
    ] {
        assert!(header.contains(part), "{header}");
    }
    let mut other = state().mask;
    other.remove(0);
    let path = folder.save_run_mask("a-seed3", &tensors(), &other, &origin());
    assert_eq!(load_mask(&path.unwrap(), &tensors()).unwrap(), other);
    assert!(
        folder
            .save_run_mask("b", &tensors(), &Mask::full(32), &origin())
            .is_err()
    );
}

#[test]
fn a_mask_that_changed_since_it_was_looked_at_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mask.safetensors");
    save_mask(&path, &tensors(), &state().mask, &origin()).unwrap();
    let known = sha256(&fs::read(&path).unwrap());
    let mask = load_known_mask(&path, &known, &tensors()).unwrap();
    assert_eq!(mask, state().mask);
    fs::remove_file(&path).unwrap();
    save_mask(&path, &tensors(), &Mask::full(64), &origin()).unwrap();
    load_mask(&path, &tensors()).unwrap();
    let error = load_known_mask(&path, &known, &tensors()).unwrap_err();
    assert!(matches!(error, MaskError::Changed { .. }), "{error}");
    let text = error.to_string();
    for word in ["mask.safetensors", known.as_str(), "--out"] {
        assert!(text.contains(word), "{text}");
    }
}

/// A mask as another program would write it.
fn foreign(path: &Path, entries: &[(&str, safetensors::Dtype, &[usize], Vec<u8>)]) {
    let views: Vec<_> = entries
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let view = safetensors::tensor::TensorView::new(*dtype, shape.to_vec(), bytes);
            (*name, view.unwrap())
        })
        .collect();
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn masks_of_other_programs_are_accepted() {
    use safetensors::Dtype::{BOOL, F32, I64, U8};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mask.safetensors");
    let ones = |n: usize| vec![1u8; n];
    let mut first = ones(15);
    first[14] = 0;
    let floats = |values: &[f32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let mut second = vec![1.0f32; 24];
    second[0] = 0.0;
    foreign(
        &path,
        &[
            ("fc1.weight", U8, &[3, 5], first.clone()),
            ("fc2.weight", F32, &[2, 3, 4], floats(&second)),
        ],
    );
    let mask = load_mask(&path, &tensors()).unwrap();
    assert_eq!(mask.words(), [!(1 << 14 | 1 << 20), u32::MAX]);

    first[3] = 2;
    foreign(
        &path,
        &[
            ("fc1.weight", BOOL, &[3, 5], ones(15)),
            ("fc2.weight", U8, &[2, 3, 4], ones(24)),
        ],
    );
    assert_eq!(load_mask(&path, &tensors()).unwrap(), Mask::full(64));
    let refusal = |entries: &[(&str, safetensors::Dtype, &[usize], Vec<u8>)]| {
        foreign(&path, entries);
        load_mask(&path, &tensors()).unwrap_err()
    };
    let error = refusal(&[
        ("fc1.weight", U8, &[3, 5], first),
        ("fc2.weight", U8, &[2, 3, 4], ones(24)),
    ]);
    assert!(
        matches!(&error, MaskError::Value { index: 3, value, .. } if value == "2"),
        "{error}"
    );
    second[5] = 0.5;
    let error = refusal(&[
        ("fc1.weight", U8, &[3, 5], ones(15)),
        ("fc2.weight", F32, &[2, 3, 4], floats(&second)),
    ]);
    assert!(
        matches!(error, MaskError::Value { index: 5, .. }),
        "{error}"
    );
    let error = refusal(&[("fc1.weight", U8, &[3, 5], ones(15))]);
    assert!(matches!(&error, MaskError::MissingTensor { tensor, .. } if tensor == "fc2.weight"));
    let error = refusal(&[
        ("fc1.weight", U8, &[3, 5], ones(15)),
        ("fc2.weight", U8, &[2, 3, 4], ones(24)),
        ("fc3.weight", U8, &[1], ones(1)),
    ]);
    assert!(matches!(&error, MaskError::UnexpectedTensor { tensor, .. } if tensor == "fc3.weight"));
    let error = refusal(&[
        ("fc1.weight", U8, &[5, 3], ones(15)),
        ("fc2.weight", U8, &[2, 3, 4], ones(24)),
    ]);
    let text = error.to_string();
    assert!(text.contains("[5, 3]") && text.contains("[3, 5]"), "{text}");
    let error = refusal(&[
        ("fc1.weight", I64, &[3, 5], ones(120)),
        ("fc2.weight", U8, &[2, 3, 4], ones(24)),
    ]);
    assert!(matches!(error, MaskError::Type { .. }), "{error}");
}

#[test]
fn what_is_no_mask_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    let path = dir.path().join("mask.safetensors");
    assert!(matches!(
        load_mask(&path, &tensors()),
        Err(MaskError::Store(_))
    ));
    fs::write(&path, b"PK\x03\x04 a zip file of some kind").unwrap();
    assert!(matches!(
        load_mask(&path, &tensors()),
        Err(MaskError::NotSafetensors { .. })
    ));
    folder.stages().save("s1", &tensors(), &state()).unwrap();
    let error = load_mask(&folder.stages().path("s1"), &tensors()).unwrap_err();
    assert!(matches!(error, MaskError::NotAMask { .. }), "{error}");

    save_mask(
        &path.with_extension("new"),
        &tensors(),
        &state().mask,
        &origin(),
    )
    .unwrap();
    let good = fs::read(path.with_extension("new")).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(
            load_mask(&path, &tensors()).is_err(),
            "cut to {length} bytes"
        );
    }
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&path, flipped).unwrap();
    assert!(matches!(
        load_mask(&path, &tensors()),
        Err(MaskError::Digest { .. })
    ));
    let text = String::from_utf8_lossy(&good).into_owned();
    assert!(
        text.contains(r#"\"version\":1"#),
        "the header is one JSON text"
    );
    let newer: Vec<u8> = {
        let from = br#"\"version\":1"#;
        let at = good
            .windows(from.len())
            .position(|part| part == from)
            .unwrap();
        let mut bytes = good;
        bytes[at + from.len() - 1] = b'9';
        bytes
    };
    fs::write(&path, newer).unwrap();
    assert!(matches!(
        load_mask(&path, &tensors()),
        Err(MaskError::Version {
            found: 9,
            known: 1,
            ..
        })
    ));
}

#[test]
fn plots_replace_older_drawings() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path(), "d1").unwrap();
    folder.save_plot("accuracy.svg", b"<svg>").unwrap();
    let path = folder.save_plot("accuracy.svg", b"<svg/>").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"<svg/>");
}
