//! Which file of a crate imports which, by their text alone.
//!
//! A path (`use super::Trainer;`, `mask::kept(..)`, in a macro or not) is followed to the file that defines what it names:
//! through the modules on its way, and through what their `pub use` hands on. A method call names no file and counts as no
//! import; nor does what a `mod.rs` hands on from its own folder.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::FromStr;

/// A file imports these.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// A module's path from the root, which is empty.
type Module = Vec<String>;

/// What a file says of others.
#[derive(Default)]
struct Source {
    /// `use`: the name it has here, the path, and whether it is handed on.
    uses: Vec<(String, Vec<String>, bool)>,
    /// Every other path.
    paths: Vec<Vec<String>>,
}

/// Reads a crate: paths below `src/`, with `/`, and their texts. The binary's modules lie beside the library's.
///
/// # Panics
/// A text is no Rust.
pub fn graph(files: &BTreeMap<String, String>) -> Graph {
    let read = |text: &String| {
        let tokens = TokenStream::from_str(text).expect("a file of Rust");
        let mut source = Source::default();
        source.read(tokens, 0);
        source
    };
    let sources: BTreeMap<Module, (&String, Source)> = files
        .iter()
        .map(|(file, text)| (module(file), (file, read(text))))
        .collect();
    let mut graph: Graph = files.keys().map(|f| (f.clone(), BTreeSet::new())).collect();
    for (module, (file, source)) in &sources {
        let uses = source.uses.iter().map(|(_, path, public)| (path, *public));
        for (path, public) in uses.chain(source.paths.iter().map(|path| (path, false))) {
            let Some(target) = definition(&sources, module, path, 0) else {
                continue;
            };
            let own = public && file.ends_with("/mod.rs") && target.starts_with(module.as_slice());
            let (to, _) = sources[&target];
            if !own && to != *file {
                graph.entry((*file).clone()).or_default().insert(to.clone());
            }
        }
    }
    graph
}

/// Where a file stands in the tree of modules.
fn module(file: &str) -> Module {
    let stem = file.trim_end_matches(".rs");
    let parts = stem
        .split('/')
        .filter(|&part| !matches!(part, "mod" | "lib"));
    parts.map(str::to_owned).collect()
}

/// The module that a path names, or that defines what it names, seen from `module`; `None` of what is not this crate's.
fn definition(
    sources: &BTreeMap<Module, (&String, Source)>,
    module: &[String],
    path: &[String],
    depth: usize,
) -> Option<Module> {
    assert!(depth < 100, "{path:?} in {module:?} goes round in circles");
    let (first, rest) = path.split_first()?;
    let within = |module: &[String], rest: &[String]| {
        if rest.is_empty() || rest == ["*"] {
            Some(module.to_vec())
        } else {
            inside(sources, module, rest, depth)
        }
    };
    match first.as_str() {
        "crate" | "secateur" => within(&[], rest),
        "self" => within(module, rest),
        "super" => within(&module[..module.len().checked_sub(1)?], rest),
        _ if is_known(sources, module, first) => inside(sources, module, path, depth),
        _ => None,
    }
}

/// Whether a name is one of the modules or imports of a module.
fn is_known(sources: &BTreeMap<Module, (&String, Source)>, module: &[String], name: &str) -> bool {
    let child = [module, &[name.to_owned()]].concat();
    let used = |(_, source): &(&String, Source)| source.uses.iter().any(|(here, ..)| here == name);
    sources.contains_key(&child) || sources.get(module).is_some_and(used)
}

/// The same for a path that begins with a name of `module`.
fn inside(
    sources: &BTreeMap<Module, (&String, Source)>,
    module: &[String],
    path: &[String],
    depth: usize,
) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    if matches!(first.as_str(), "self" | "super") {
        return definition(sources, module, path, depth + 1);
    }
    let child = [module, std::slice::from_ref(first)].concat();
    if sources.contains_key(&child) {
        let whole = [vec!["self".to_owned()], rest.to_vec()].concat();
        return definition(sources, &child, &whole, depth + 1);
    }
    let (_, source) = sources.get(module)?;
    let of_name = |(here, ..): &&(String, Vec<String>, bool)| here == first;
    if let Some((_, from, _)) = source.uses.iter().find(of_name) {
        let whole = [from.as_slice(), rest].concat();
        return definition(sources, module, &whole, depth + 1);
    }
    Some(module.to_vec())
}

impl Source {
    /// Reads tokens that lie in `inner` modules of the file, from each of which `super` leads out.
    fn read(&mut self, tokens: TokenStream, inner: usize) {
        let mut tokens = tokens.into_iter().peekable();
        let mut public = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "pub" => {
                    public = true;
                    // `pub(crate)` and the like.
                    let _ = tokens.next_if(|t| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis));
                    continue;
                }
                TokenTree::Ident(word) if word == "use" => {
                    let tree: Vec<TokenTree> =
                        tokens.by_ref().take_while(|t| !is(t, ';')).collect();
                    let mut tree = tree.into_iter().peekable();
                    self.read_use(&mut tree, &[], public, inner);
                }
                TokenTree::Ident(word) if word == "mod" => {
                    tokens.next();
                    if let Some(TokenTree::Group(group)) = tokens.next() {
                        self.read(group.stream(), inner + 1);
                    }
                }
                TokenTree::Ident(word) => {
                    let mut path = vec![word.to_string()];
                    while let Some(next) = next_of_path(&mut tokens) {
                        path.push(next);
                    }
                    if let Some(path) = (path.len() > 1).then(|| outside(path, inner)).flatten() {
                        self.paths.push(path);
                    }
                }
                TokenTree::Group(group) => self.read(group.stream(), inner),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            public = false;
        }
    }

    /// A tree of names behind `use` and `before`.
    fn read_use(
        &mut self,
        tokens: &mut Peekable<impl Iterator<Item = TokenTree>>,
        before: &[String],
        public: bool,
        inner: usize,
    ) {
        let mut path = before.to_vec();
        let mut name = None;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tokens.next().map(|t| t.to_string());
                }
                TokenTree::Ident(word) if word == "self" && !before.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let mut within = group.stream().into_iter().peekable();
                    while within.peek().is_some() {
                        self.read_use(&mut within, &path, public, inner);
                    }
                    return;
                }
                token if is(&token, '*') => path.push("*".to_owned()),
                token if is(&token, ',') => break,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        let name = name.or_else(|| path.last().cloned());
        if let (Some(name), Some(path)) = (name, outside(path, inner)) {
            // A macro that the file makes visible, or a name of it that an inner module takes, stays what it is.
            let own = [name.as_str()];
            if path != own
                && path
                    .strip_prefix(&["self".to_owned()])
                    .is_none_or(|rest| rest != own)
            {
                self.uses.push((name, path, public));
            }
        }
    }
}

/// A path as the file itself would say it; `None` if it does not lead out of the file's inner modules.
fn outside(path: Vec<String>, inner: usize) -> Option<Vec<String>> {
    let up = path.iter().take_while(|&word| word == "super").count();
    match (up, inner) {
        (_, 0) | (0, _) => Some(path),
        _ if up < inner => None,
        _ if up == inner => Some([vec!["self".to_owned()], path[up..].to_vec()].concat()),
        _ => Some(path[inner..].to_vec()),
    }
}

/// The next word, if `::` stands before it.
fn next_of_path(tokens: &mut Peekable<proc_macro2::token_stream::IntoIter>) -> Option<String> {
    let mut ahead = tokens.clone();
    let is_path =
        ahead.next().is_some_and(|t| is(&t, ':')) && ahead.next().is_some_and(|t| is(&t, ':'));
    match ahead.next() {
        Some(TokenTree::Ident(word)) if is_path => {
            *tokens = ahead;
            Some(word.to_string())
        }
        _ => None,
    }
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// All circles: sets of files each of which imports, by way of others, itself.
pub fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|file| (file, reachable(graph, file)))
        .collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, from) in &reach {
        let both = from.iter().filter(|to| reach[**to].contains(file));
        let circle: Vec<String> = both.map(|to| (*to).clone()).collect();
        if !circle.is_empty() {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reachable<'g>(graph: &'g Graph, from: &str) -> BTreeSet<&'g String> {
    let mut seen = BTreeSet::new();
    let mut ahead: Vec<&String> = graph[from].iter().collect();
    while let Some(file) = ahead.pop() {
        if seen.insert(file) {
            ahead.extend(&graph[file]);
        }
    }
    seen
}

/// Imports from a module of one that stands above it in `modules`, which lists them from the ground up. The files of the root,
/// which name the modules, stand above all.
///
/// # Panics
/// A folder is no module.
pub fn upward(graph: &Graph, modules: &[&str]) -> Vec<(String, String)> {
    let floor = |file: &str| match file.split_once('/') {
        None => modules.len(),
        Some((module, _)) => {
            let found = modules.iter().position(|&r| r == module);
            found.unwrap_or_else(|| panic!("the folder of {file} is not in the list of modules"))
        }
    };
    let floors: BTreeMap<&String, usize> = graph.keys().map(|file| (file, floor(file))).collect();
    let all = graph
        .iter()
        .flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let up = all.filter(|(from, to)| floors[to] > floors[from]);
    up.map(|(from, to)| (from.clone(), to.clone())).collect()
}
