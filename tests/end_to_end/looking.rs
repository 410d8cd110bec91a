//! Commands around a run: experiments to begin with, and looking at run folders.

use crate::common::{Done, Lab, command, secateur};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// `secateur` with these arguments in a lab's folder.
fn secateur_in(lab: &Lab, args: &[&str]) -> Done {
    let output = command(args).current_dir(lab.path("")).output();
    Done::of(output.expect("the binary starts"))
}

/// Names and texts of the files of `experiments/`.
fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let entries = fs::read_dir(folder).expect("experiments/");
    let each = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_str();
        let text = fs::read_to_string(&path).expect("a text");
        (stem.expect("Unicode").to_owned(), text)
    });
    each.collect()
}

#[test]
fn all_shipped_experiments_are_listed_and_written() {
    let list = secateur(["init"]).ok().stdout;
    let listed: BTreeSet<&str> = list
        .lines()
        .filter(|line| !line.starts_with('`'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let shipped = shipped();
    assert_eq!(listed, shipped.iter().map(|(name, _)| &**name).collect());
    let lab = Lab::new();
    for (name, text) in &shipped {
        let done = secateur_in(&lab, &["init", name]).ok();
        let file = format!("{name}.toml");
        assert_eq!(lab.read(&file), text.as_bytes(), "{name}");
        assert!(done.stdout.contains(&format!("secateur run {file}")));
        let title = text.lines().find_map(|l| l.strip_prefix("title = \""));
        let title = title.and_then(|t| t.split('"').next()).expect("a title");
        assert!(list.contains(title) && done.stdout.contains(title));
    }
}

#[test]
fn a_shipped_experiment_is_checked_where_it_was_written() {
    let lab = Lab::new();
    let done = secateur_in(&lab, &["init", "cifar_conv_2", "my own.toml"]).ok();
    // Commands to type, in their order; the file's name is one word of a shell.
    let order = ["data fetch cifar-10", "plan", "run"].map(|word| done.stdout.find(word));
    assert!(order.iter().all(Option::is_some) && order.is_sorted());
    assert!(!done.stdout.contains("run my own.toml"), "{}", done.stdout);
    secateur_in(&lab, &["check", "my own.toml"]).ok();
    // Nothing to fetch for what is drawn.
    let done = secateur_in(&lab, &["init", "quickstart"]).ok();
    assert!(!done.stdout.contains("fetch"), "{}", done.stdout);
}

#[test]
fn init_replaces_no_file_and_names_near_ones() {
    let lab = Lab::new();
    lab.write("quickstart.toml", "mine");
    let done = secateur_in(&lab, &["init", "quickstart"]);
    done.fails(5, &["quickstart.toml is there already", "init NAME FILE"]);
    assert_eq!(lab.read("quickstart.toml"), b"mine");
    let done = secateur_in(&lab, &["init", "quickstart", "no/such/folder.toml"]);
    done.fails(5, &["no/such/folder.toml", "init NAME FILE"]);
    let done = secateur_in(&lab, &["init", "lotery_ticket"]);
    done.fails(2, &["lotery_ticket", "did you mean `lottery_ticket`"]);
    secateur_in(&lab, &["init", "xyz"]).fails(2, &["`quickstart`", "`mask_transfer`"]);
}
