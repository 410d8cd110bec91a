//! Tables of the documentation.

use super::explain::Entry;

/// The keys of the table at `path`, one a row, or the words that the key at `path` may be: a table of Markdown. Empty if there are
/// none.
pub fn markdown(entries: &[Entry], path: &str) -> String {
    let below = |entry: &&Entry| {
        let rest = match path {
            "" => Some(entry.path.as_str()),
            path => entry
                .path
                .strip_prefix(path)
                .and_then(|rest| rest.strip_prefix('.')),
        };
        rest.is_some_and(|rest| !rest.contains('.'))
    };
    let keys: Vec<&Entry> = entries.iter().filter(below).collect();
    if keys.is_empty() {
        let own = entries.iter().find(|entry| entry.path == path);
        return own.map(words).unwrap_or_default();
    }
    let kinds = keys.iter().any(|key| !key.kinds.is_empty());
    let mut out = if kinds {
        "| key | of | means | value | default |\n|---|---|---|---|---|\n".to_string()
    } else {
        "| key | means | value | default |\n|---|---|---|---|\n".to_string()
    };
    for key in keys {
        let name = key.path.rsplit('.').next().unwrap_or_default();
        let mut cells = vec![format!("`{name}`")];
        if kinds {
            cells.push(list(key.kinds.iter().copied()));
        }
        cells.extend([escaped(&key.doc), value(key), default(key)]);
        out += &format!("| {} |\n", cells.join(" | "));
    }
    out
}

/// Words above so many have a table of their own.
const FEW: usize = 3;

fn value(key: &Entry) -> String {
    if key.words.is_empty() || key.words.len() > FEW {
        return escaped(&key.value);
    }
    let words = key.words.iter();
    let each: Vec<String> = words
        .map(|(word, doc)| format!("`{word:?}`: {}", escaped(doc)))
        .collect();
    each.join("; ")
}

fn default(key: &Entry) -> String {
    match key.usual.as_deref() {
        None => "needed".to_string(),
        Some(usual)
            if usual.starts_with(['"', '[', '{'])
                || usual.parse::<f64>().is_ok()
                || usual == "false" =>
        {
            format!("`{usual}`")
        }
        Some(usual) => usual.to_string(),
    }
}

fn words(key: &Entry) -> String {
    let mut out = String::new();
    if !key.words.is_empty() {
        out += "| word | means |\n|---|---|\n";
    }
    for (word, doc) in &key.words {
        out += &format!("| `{word:?}` | {} |\n", escaped(doc));
    }
    out
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// A bar would end a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
