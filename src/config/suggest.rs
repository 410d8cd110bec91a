//! "Did you mean".

/// The option most like `word`, if any is close enough to be what was meant.
pub fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    options
        .into_iter()
        .filter_map(|option| {
            let lower = option.to_lowercase();
            let distance = strsim::damerau_levenshtein(&word, &lower);
            // A third of the letters may be wrong; or the word was left unfinished.
            let close = distance <= (letters / 3).max(1) && distance < letters;
            let unfinished = letters >= 3 && (lower.starts_with(&word) || word.starts_with(&lower));
            (close || unfinished).then_some((!unfinished, distance, option))
        })
        .min_by_key(|(other, distance, _)| (*other, *distance))
        .map(|(_, _, option)| option)
}

/// The help line of a word that is none of `options`: the nearest one, then all of them.
pub fn help(word: &str, options: &[&str]) -> String {
    let all = list(options);
    match nearest(word, options.iter().copied()) {
        Some(option) if options.len() == 1 => format!("did you mean `{option}`?"),
        Some(option) => format!("did you mean `{option}`? Possible here: {all}"),
        None => format!("possible here: {all}"),
    }
}

/// `a`, `b`, `c`.
pub fn list(options: &[&str]) -> String {
    let quoted: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
    quoted.join(", ")
}
