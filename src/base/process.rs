//! Which process is meant, and whether it has ended, where the system can tell.

use super::digest::sha256;
use std::fs;
use std::sync::OnceLock;

/// A name for this process, told from all others of this machine, earlier ones with its number among them:
/// `<start of the machine>-<number>-<when it began>`. [`is_dead`] reads it.
pub(crate) fn process_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let pid = std::process::id();
        format!("{}-{pid}-{}", machine(), begun(pid).unwrap_or(0))
    })
}

/// Whether a process is known to have ended, by a text that begins with its name; false wherever that cannot be known, as of another
/// machine's.
pub(crate) fn is_dead(name: &str) -> bool {
    let mut words = name.split('-');
    let (there, pid, then) = (words.next(), words.next(), words.next());
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
    let (Some(pid), Some(then)) = (number(pid), number(then)) else {
        return false;
    };
    // Without its own beginning this process cannot see those of others either.
    let sees = begun(std::process::id()).is_some();
    sees && there == Some(machine()) && begun(pid as u32) != Some(then)
}

/// One start of one machine, and of a container on it.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let numbering = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let text = format!("{boot:?} {}", numbering.display());
        sha256(text.as_bytes())[..12].to_owned()
    })
}

/// When a process began, in ticks since the machine did, if it lives and has not ended yet (a zombie has). Linux only (proc(5), fields 3
/// and 22 of `stat`).
fn begun(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = *fields.first()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_that_is_known_counts() {
        assert!(!is_dead(process_name()));
        assert!(!is_dead(&format!("{}-and-more", process_name())));
        assert!(!is_dead("") && !is_dead("elsewhere-1-2") && !is_dead("a b c"));
        if begun(std::process::id()).is_some() {
            let later = format!("{}-{}-1", machine(), std::process::id());
            assert!(is_dead(&later), "its number is another's now");
        }
    }
}
