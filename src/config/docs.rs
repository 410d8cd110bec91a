//! Tables of the documentation.

use super::explain::KeyEntry;

/// The keys of the table at `path`, one a row, as a table of Markdown: of its kind `kind` alone where that is given. Empty if there
/// are none.
pub fn keys_table(entries: &[KeyEntry], path: &str, kind: Option<&str>) -> String {
    let below = |entry: &&KeyEntry| {
        let rest = match path {
            "" => Some(entry.path.as_str()),
            path => {
                let rest = entry.path.strip_prefix(path);
                rest.and_then(|rest| rest.strip_prefix('.'))
            }
        };
        rest.is_some_and(|rest| !rest.contains('.'))
    };
    let of_kind = |entry: &&KeyEntry| {
        entry.kinds.is_empty() || kind.is_none_or(|kind| entry.kinds.contains(&kind))
    };
    let keys: Vec<&KeyEntry> = entries.iter().filter(below).filter(of_kind).collect();
    if keys.is_empty() {
        return String::new();
    }
    let kinds = kind.is_none() && keys.iter().any(|key| !key.kinds.is_empty());
    let defaults = keys.iter().any(|key| !default(key).is_empty());
    let mut head = vec!["key", "means", "value"];
    if kinds {
        head.insert(1, "of");
    }
    if defaults {
        head.push("default");
    }
    let mut out = row(&head) + &row(&vec!["---"; head.len()]);
    for key in keys {
        let name = format!("`{}`", key.path.rsplit('.').next().unwrap_or_default());
        let kind = key.kinds.iter().map(|kind| format!("`{kind}`"));
        let (kind, doc) = (kind.collect::<Vec<_>>().join(", "), escaped(&key.doc));
        let (value, default) = (value(key), default(key));
        let mut cells = vec![name.as_str(), &doc, &value];
        if kinds {
            cells.insert(1, &kind);
        }
        if defaults {
            cells.push(&default);
        }
        out += &row(&cells);
    }
    out
}

/// The words that the key at `path` may be, one a row, as a table of Markdown. Empty if it is none. Of several keys of that path, which
/// are of different kinds of a table, `kind` says which.
pub fn words_table(entries: &[KeyEntry], path: &str, kind: Option<&str>) -> String {
    let mut of_path = entries.iter().filter(|entry| entry.path == path);
    let own = of_path.find(|entry| kind.is_none_or(|kind| entry.kinds.contains(&kind)));
    let Some(words) = own.map(|key| &key.words).filter(|words| !words.is_empty()) else {
        return String::new();
    };
    let mut out = row(&["word", "means"]) + &row(&["---", "---"]);
    for (word, doc) in words {
        out += &row(&[&format!("`{word:?}`"), &escaped(doc)]);
    }
    out
}

/// Words above so many have a table of their own.
const FEW: usize = 3;

fn value(key: &KeyEntry) -> String {
    if key.words.is_empty() || key.words.len() > FEW {
        return escaped(&key.value);
    }
    let words = key.words.iter();
    let each: Vec<String> = words
        .map(|(word, doc)| format!("`{word:?}`: {}", escaped(doc)))
        .collect();
    each.join("; ")
}

fn default(key: &KeyEntry) -> String {
    let verbatim = |usual: &str| {
        let bare = usual.parse::<f64>().is_ok() || usual.parse::<bool>().is_ok();
        bare || usual.starts_with(['"', '[', '{'])
    };
    match key.usual.as_deref() {
        None if key.one_of => "one of these".to_string(),
        None => "needed".to_string(),
        Some(usual) if verbatim(usual) => format!("`{usual}`"),
        Some(usual) => usual.to_string(),
    }
}

fn row(cells: &[&str]) -> String {
    match cells[0] {
        "---" => format!("|{}|\n", cells.join("|")),
        _ => format!("| {} |\n", cells.join(" | ")),
    }
}

/// A bar would end a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
