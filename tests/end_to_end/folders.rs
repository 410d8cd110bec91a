//! What a run folder says without a run, and what can go from it.

use super::setup::{
    ARMS, MLP, arm, assert_same_folders, cut_when, finished_stages, lab, stage_files, two_rates,
};
use crate::common::{Done, Lab, assert_same, command, no_gpu, secateur, table};
use secateur::experiment::Experiment;
use secateur::model::Model;
use secateur::spec::Shape;
use secateur::store::StageStore;
use serde_json::{Value, json};

fn swept() -> Lab {
    two_rates("0.1", "0.05")
}

fn look(lab: &Lab, words: &[&str]) -> Done {
    let words: Vec<String> = words
        .iter()
        .map(|word| match word.strip_prefix('@') {
            Some(name) => lab.path(name).display().to_string(),
            None => (*word).to_owned(),
        })
        .collect();
    secateur(words)
}

fn trainings(lab: &Lab, out: &str) -> u32 {
    let path = lab.path(out).join("times.csv");
    let rows = if path.exists() {
        table(&path)
    } else {
        Vec::new()
    };
    let rows = rows
        .iter()
        .filter(|row| row["work"].starts_with("training"));
    rows.map(|row| row["replicas"].parse::<u32>().unwrap())
        .sum()
}

#[test]
fn a_table_is_that_of_the_run_also_while_it_goes_on() {
    if no_gpu() {
        return;
    }
    let lab = swept();
    let set = ["--replicas", "1", "--set", "train.length=300st"];
    let ready = || lab.path("out/results.csv").exists();
    let mut early = None;
    let done = cut_when(&lab, "out", &set, ready, |child| {
        early = Some(look(&lab, &["table", "@out"]));
        child.kill().expect("it can be killed");
    });
    if let Some(early) = early.filter(|_| done.code.is_none()) {
        let early = early.ok().stdout;
        assert!(early.contains(" of 8 runs, provisional"), "{early}");
    }
    let run = lab.run("e.toml", "out", &set).ok().stdout;
    assert_eq!(look(&lab, &["table", "@out"]).ok().stdout, run);
    let against = look(&lab, &["table", "@out", "--reference", "pruned"]).ok();
    assert!(
        against.stdout.contains("minus \"pruned\""),
        "{}",
        against.stdout
    );
    look(&lab, &["table", "@out", "--reference", "x"]).fails(2, &["no arm", "pruned"]);
    look(&lab, &["table", "@data"]).fails(5, &["data"]);
    let json = look(&lab, &["table", "@out", "--json"]).ok().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["runs_done"], &json["runs_planned"]),
        (&8.into(), &8.into())
    );
}

#[test]
fn one_run_is_shown_and_recomputed_alone() {
    if no_gpu() {
        return;
    }
    let lab = swept();
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let run = lab.results("out").pop().expect("a row");
    let at = format!("lr={}", run["lr"]);
    let shown = look(
        &lab,
        &["show", "@out", "pruned", "--seed", "1", "--point", &at],
    )
    .ok();
    for word in [
        &run["run"],
        &run["test_accuracy"],
        &run["driver"],
        "steps.1.prune.amount.sparsity = 0.5",
        "SHA-256",
        "--only",
    ] {
        assert!(shown.stdout.contains(word), "{word}: {}", shown.stdout);
    }
    look(&lab, &["show", "@out", "pruned", "--seed", "1"]).fails(2, &["2 runs", &run["run"]]);
    look(&lab, &["show", "@out", "prund"]).fails(2, &["no arm", "pruned"]);
    lab.run("e.toml", "alone", &["--quiet", "--only", &run["run"]])
        .ok();
    assert_eq!(lab.results("alone"), std::slice::from_ref(&run));
    let weights = |out: &str| lab.read(&format!("{out}/weights/{}.safetensors", run["run"]));
    assert!(weights("out") == weights("alone"));
    assert_eq!(trainings(&lab, "alone"), 2);
    // Among the results of others it would take their tables away.
    lab.run("e.toml", "out", &["--only", &run["run"]])
        .fails(2, &["--only", "--out"]);
    lab.run("e.toml", "x", &["--only", "prned"])
        .fails(2, &["no run"]);
}

#[test]
fn a_plan_says_what_is_there_and_why_the_rest_is_not() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let stages = finished_stages(&lab, "out");
    let plan = |more: &[&str]| {
        let mut plan = command(["plan"]);
        plan.arg(lab.path("e.toml"))
            .arg("--out")
            .arg(lab.path("out"));
        plan.arg("--data").arg(lab.path("data")).args(more);
        Done::of(plan.output().expect("the binary starts"))
            .ok()
            .stdout
    };
    let before = lab.contents("out");
    let said = plan(&["--why"]);
    let here = format!("{stages} stages with a file, {stages} are here");
    assert!(
        said.contains(&here) && said.contains("nothing is new"),
        "{said}"
    );
    for (set, why) in [
        ("train.optimizer.lr=0.05", "train.optimizer.lr 0.1 -> 0.05"),
        ("seeds=3", "seed 1 -> 2"),
        ("train.batch=40", "train.batch 30 -> 40"),
        ("model.init=\"kaiming-normal\"", "model.init"),
    ] {
        let said = plan(&["--why", "--set", set]);
        assert!(said.contains(why), "{set}: {said}");
        assert!(said.contains("time: about"), "{said}");
    }
    assert_same(&lab.contents("out"), &before, "looked at");
}

#[test]
fn garbage_can_go_and_no_row_needs_it() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let more = arm("other", &["{ train = { batch = 40 } }"]);
    lab.write("more.toml", format!("{MLP}{ARMS}{more}"));
    // The folder belongs to one name.
    std::fs::rename(lab.path("e.toml"), lab.path("short.toml")).unwrap();
    std::fs::rename(lab.path("more.toml"), lab.path("e.toml")).unwrap();
    lab.run("e.toml", "out", &["--quiet"]).ok();
    std::fs::rename(lab.path("short.toml"), lab.path("e.toml")).unwrap();
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let (before, trained) = (lab.contents("out"), trainings(&lab, "out"));
    let said = look(&lab, &["gc", "@out"]).ok().stdout;
    for word in [
        "nothing was deleted",
        "no run asks for",
        "weights of stages within runs",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_same(&lab.contents("out"), &before, "judged");
    let tables = |lab: &Lab| {
        let mut all = lab.contents("out");
        all.retain(|path, _| !path.starts_with("stages"));
        all.retain(|path, _| !path.to_string_lossy().contains("other"));
        all
    };
    let wanted = tables(&lab);
    let stages = finished_stages(&lab, "out");
    look(&lab, &["gc", "@out", "--yes"]).ok();
    assert!(finished_stages(&lab, "out") < stages);
    let done = lab.run("e.toml", "out", &[]).ok();
    assert_eq!(trainings(&lab, "out"), trained, "{}", done.stderr);
    assert_same(&tables(&lab), &wanted, "after gc");
    let again = look(&lab, &["gc", "@out"]).ok().stdout;
    assert!(again.contains("can go\n  nothing"), "{again}");
    // A new arm that starts where weights were freed trains them again, and the folder ends as a fresh one.
    let branch = arm(
        "branch",
        &[
            "{ train = {} }",
            "{ prune = { keep = 500 } }",
            "{ train = {} }",
        ],
    );
    lab.write("e.toml", format!("{MLP}{ARMS}{branch}"));
    lab.run("e.toml", "out", &["--quiet"]).ok();
    assert_eq!(trainings(&lab, "out"), trained + 4);
    lab.run("e.toml", "fresh", &["--quiet"]).ok();
    assert_same_folders(&lab, "out", "fresh");
}

#[test]
fn garbage_of_a_store_is_what_no_folder_asks_for() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    let store = lab.path("store").display().to_string();
    lab.write(
        "other.toml",
        format!("{MLP}{}", arm("other", &["{ train = { batch = 40 } }"])),
    );
    let shared = ["--quiet", "--store", &store];
    lab.run("e.toml", "one", &shared).ok();
    lab.run("other.toml", "two", &shared).ok();
    look(&lab, &["gc", "@store", "--yes"]).ok();
    let (one, two) = (trainings(&lab, "one"), trainings(&lab, "two"));
    lab.run("e.toml", "one", &shared).ok();
    lab.run("other.toml", "two", &shared).ok();
    assert_eq!((trainings(&lab, "one"), trainings(&lab, "two")), (one, two));
    std::fs::remove_dir_all(lab.path("two")).unwrap();
    let said = look(&lab, &["gc", "@store"]).ok().stdout;
    assert!(
        said.contains("is gone") && said.contains("no run asks for"),
        "{said}"
    );
    let before = stage_files(&lab, "store", ".safetensors");
    look(&lab, &["gc", "@store", "--yes"]).ok();
    assert_eq!(stage_files(&lab, "store", ".safetensors"), before - 2);
}

/// Every line of the log is whole, also of a process that was killed, and says what docs/events.md says.
#[test]
fn events_are_logged_and_watched() {
    if no_gpu() {
        return;
    }
    let lab = swept();
    let set = ["--quiet", "--set", "train.length=40ep"];
    let ready = || {
        let log = std::fs::read_to_string(lab.path("out/events.jsonl"));
        log.is_ok_and(|log| log.matches("\"epoch\"").count() > 5)
    };
    cut_when(&lab, "out", &set, ready, |child| {
        let watched = look(&lab, &["watch", "@out", "--once"]).ok().stdout;
        assert!(
            watched.contains("of 8 runs") && watched.contains("training"),
            "{watched}"
        );
        child.kill().expect("it can be killed");
    });
    let watched = look(&lab, &["watch", "@out"]).ok().stdout;
    assert!(watched.contains("; killed"), "{watched}");
    lab.run("e.toml", "out", &set).ok();
    let watched = look(&lab, &["watch", "@out"]).ok().stdout;
    assert!(watched.contains("8 of 8 runs; done"), "{watched}");
    assert!(
        watched.contains("lr = 0.05") && watched.contains("2/2"),
        "{watched}"
    );
    let log = String::from_utf8(lab.read("out/events.jsonl")).unwrap();
    let docs = include_str!("../../docs/events.md");
    let mut seen = std::collections::BTreeSet::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        for (field, _) in line.as_object().unwrap() {
            assert!(docs.contains(&format!("`{field}`")), "{field}");
        }
        let event = line["event"].as_str().unwrap().to_owned();
        assert!(docs.contains(&format!("| `{event}` |")), "{event}");
        seen.insert(event);
    }
    for event in ["start", "cohort", "epoch", "stage", "run", "end"] {
        assert!(seen.contains(event), "{event} of {seen:?}");
    }
}

/// Stages that come out the same let a folder go on under another driver; one that does not is named.
#[test]
fn stages_are_computed_again_and_compared() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let verify = || {
        let mut verify = command(["verify"]);
        verify
            .arg(lab.path("e.toml"))
            .arg("--out")
            .arg(lab.path("out"));
        verify
            .arg("--data")
            .arg(lab.path("data"))
            .args(["--sample", "4"]);
        Done::of(verify.output().expect("the binary starts"))
    };
    let before = lab.contents("out");
    let said = verify().ok().stdout;
    assert!(
        said.contains("4 of 4 stages are the same to the bit"),
        "{said}"
    );
    assert_same(&lab.contents("out"), &before, "verified");

    // A stage whose weights are others than come out here, under a checksum that holds.
    let text = String::from_utf8(lab.read("e.toml")).unwrap();
    let experiment = Experiment::parse("e.toml", &text, &lab.path(""), &[]).unwrap();
    let spec = &experiment.arms[0].variants[0].model;
    let tensors = Model::new(spec, Shape::new(1, 28, 28), 10).unwrap().tensors;
    let store = StageStore::at(&lab.path("out"));
    let mut altered = Vec::new();
    for digest in store.digests() {
        let mut state = store.load(&digest, &tensors).unwrap().expect("a stage");
        altered.push((
            store.path(&digest),
            std::fs::read(store.path(&digest)).unwrap(),
        ));
        std::fs::remove_file(store.path(&digest)).unwrap();
        state.weights[3] += 1.0;
        store.save(&digest, &tensors, &state).unwrap();
    }
    let said = verify().fails(1, &["of 4 stages", "otherwise here"]).stdout;
    assert!(
        said.contains("DIFFERS: ") && said.contains("the first at 3"),
        "{said}"
    );
    for (path, bytes) in altered {
        std::fs::write(path, bytes).unwrap();
    }
    verify().ok();
}

/// Under another driver stages have other names. Where some of them come out the same, the folder goes on.
#[test]
fn a_folder_goes_on_under_a_driver_that_computes_the_same() {
    if no_gpu() {
        return;
    }
    let lab = lab(MLP, ARMS);
    lab.run("e.toml", "out", &["--quiet"]).ok();
    let owner: Value = serde_json::from_slice(&lab.read("out/folder.json")).unwrap();
    let of = |driver: &str| json!({ "adapter": owner["adapter"], "driver": driver });
    let here = of(owner["driver"].as_str().unwrap());
    let same = json!([{ "tried": here, "computed_under": of("an old driver"), "stages": 1 }]);
    // Under another version of the numbers all is computed anew, and said so.
    let text = String::from_utf8(lab.read("out/folder.json")).unwrap();
    let earlier = text.replace("\"numerical_version\": ", "\"numerical_version\": 9000");
    lab.write("out/folder.json", earlier);
    let said = lab.run("e.toml", "out", &[]).ok().stderr;
    let version = format!("version 9000{} of the numbers", owner["numerical_version"]);
    assert!(said.contains(&version), "{said}");
    assert!(
        !lab.run("e.toml", "out", &[])
            .ok()
            .stderr
            .contains("of the numbers")
    );
    // A folder that an old driver computed.
    lab.write("old/drivers.json", same.to_string());
    lab.run("e.toml", "old", &["--quiet"]).ok();
    assert_eq!(lab.results("old")[0]["driver"], "an old driver");
    std::fs::remove_file(lab.path("old/drivers.json")).unwrap();
    let refused = ["an old driver", "secateur verify"];
    lab.run("e.toml", "old", &["--quiet"]).fails(2, &refused);
    let mut verify = command(["verify", "--sample", "2"]);
    verify
        .arg(lab.path("e.toml"))
        .arg("--out")
        .arg(lab.path("old"));
    verify.arg("--data").arg(lab.path("data"));
    let said = Done::of(verify.output().expect("the binary starts"))
        .ok()
        .stdout;
    assert!(
        said.contains("goes on under") && said.contains("an old driver"),
        "{said}"
    );
    let trained = trainings(&lab, "old");
    lab.run("e.toml", "old", &["--quiet", "--set", "seeds=3"])
        .ok();
    assert_eq!(trainings(&lab, "old"), trained + trained / 2);
}
