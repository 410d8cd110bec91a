//! What a shell and a manual reader get: completions and pages that know every command.

use crate::common::{Lab, secateur};
use std::fs;

/// Every command, from what `secateur help` lists.
fn commands() -> Vec<String> {
    let help = secateur(["help"]).ok().stdout;
    let listed = help
        .split("Commands:\n")
        .nth(1)
        .expect("a list of commands");
    let lines = listed.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn completions_know_every_command() {
    let commands = commands();
    assert!(commands.contains(&"run".to_owned()), "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = secateur(["completions", shell]).ok().stdout;
        for word in commands.iter().map(String::as_str).chain(["reference"]) {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    secateur(["completions", "cmd"]).fails(2, &["cmd", "fish"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let page = secateur(["man"]).ok().stdout;
    assert!(
        page.starts_with(".ie") && page.contains(".TH secateur 1"),
        "{page}"
    );
    let lab = Lab::new();
    let dir = lab.path("share/man1");
    secateur(["man".as_ref(), dir.as_os_str()]).ok();
    for command in commands() {
        let file = dir.join(format!("secateur-{command}.1"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(
            text.contains(&format!(".TH secateur-{command} 1")),
            "{text}"
        );
    }
    let whole = fs::read_to_string(dir.join("secateur.1")).expect("the first page");
    assert_eq!(whole.trim_end(), page.trim_end());

    let occupied = lab.write("occupied", "");
    let done = secateur(["man".as_ref(), occupied.as_os_str()]);
    done.fails(5, &["occupied", "cannot write"]);
}
