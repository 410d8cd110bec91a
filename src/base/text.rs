//! Text in lines.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Lines of at most `width` columns, broken at spaces alone, so that names keep their hyphens. For [`textwrap::wrap`] and
/// [`textwrap::fill`]; by default they cut words longer than a line.
pub fn at_spaces(width: usize) -> Options<'static> {
    Options::new(width)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
}
