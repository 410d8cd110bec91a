//! What readers share: the mistakes so far, and what the text may refer to beyond itself.

use super::node::Node;
use super::problem::Problems;
use super::suggest;
use super::synonym::{Synonym, help_with};
use std::path::PathBuf;

/// What a text may refer to beyond itself.
pub trait Context {
    /// The names that there are of a kind of thing, such as `dataset`; `None` where they are not known, so that no name is judged.
    fn names(&self, kind: &str) -> Option<Vec<&str>>;

    /// Words of other programs, for those who write them here.
    fn synonyms(&self) -> &[Synonym] {
        &[]
    }

    /// Training samples of a dataset, where its name alone tells.
    fn training_samples(&self, _dataset: &str) -> Option<u32> {
        None
    }

    /// Where the file lies that the text names, or `None` after a mistake.
    fn file(&self, name: &Node, problems: &mut Problems) -> Option<PathBuf>;
}

/// Nothing.
impl Context for () {
    fn names(&self, _: &str) -> Option<Vec<&str>> {
        None
    }
    fn file(&self, _: &Node, _: &mut Problems) -> Option<PathBuf> {
        None
    }
}

/// What every value is read with.
pub struct Reader<'a> {
    pub problems: &'a mut Problems,
    pub context: &'a dyn Context,
}

impl Reader<'_> {
    /// The same for a while.
    pub fn again(&mut self) -> Reader<'_> {
        Reader {
            problems: self.problems,
            context: self.context,
        }
    }

    /// Reports a mistake in the value `node`.
    pub fn at(&mut self, node: &Node, message: impl Into<String>, help: impl Into<String>) {
        self.problems.at(node, message, help);
    }

    /// Reports that `word`, the text of `node`, is none of the words that `key` may be.
    pub fn unknown_word(&mut self, node: &Node, key: &str, word: &str, words: &[&str]) {
        let message = format!("unknown {key} {word:?}");
        let help = self.help(word, None, words);
        self.at(node, message, help);
    }

    /// The help line of a word that is none of `options`, or of a key, which has a value.
    pub fn help(&self, word: &str, value: Option<&Node>, options: &[&str]) -> String {
        let meant = help_with(word, value, options, self.context.synonyms());
        meant.unwrap_or_else(|| suggest::help(word, options))
    }

    /// Reports a value of the wrong type. One that was reported before is passed over.
    pub fn wrong_type(&mut self, node: &Node, key: &str, expected: &str) {
        self.problems.wrong_type(node, key, expected);
    }
}
