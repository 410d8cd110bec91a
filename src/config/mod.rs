//! The language of tables: TOML whose values know their places, tables and words that are declared once (`table!`), mistakes that
//! are collected and shown with their place, and `--set`. It knows nothing of what the tables are about.

mod choice;
mod description;
mod docs;
mod document;
mod errors;
mod explain;
mod fields;
mod form;
mod interval;
mod macros;
mod node;
mod problem;
mod reader;
mod scalars;
mod schema;
mod set;
mod set_path;
pub mod suggest;
mod synonym;
mod table;

pub use choice::Choice;
pub use description::{Alternative, Description, Field, Key, Kind, ValueShape};
pub use docs::{keys_table, words_table};
pub use document::{parse, sources};
pub use errors::{Errors, Mistake, SourceText};
pub use explain::{entries, explain as explain_key, tables as list_tables};
pub use fields::Fields;
pub use form::{
    At, Declared, Fits, Flat, Form, From, FromNode, Later, Maybe, Of, Only, Or, Part, Plain,
    Unwritten, peek, peek_part, settle,
};
pub use interval::{BELOW_ONE, FINITE, Interval, NOT_NEGATIVE, PART, POSITIVE, SHARE, UNIT};
pub(crate) use macros::{choice, described, docs, field, kinds, table, words};
pub use node::{Base, Entry, Node, Value, is_bare};
pub use problem::{Problem, Problems};
pub use reader::{Context, Reader};
pub use scalars::{AnyText, Line, Name, Real, Single, Whole, at_least, one_of};
pub use schema::schema;
pub use synonym::Synonym;
pub use table::{ByKind, Kinds, Table, read as read_table};
