//! Tables and the words in them, declared once: the struct or enum, its reader, and what documentation, the schema and
//! `explain` say of each key.
//!
//! ```text
//! words! {
//!     /// What comes in from outside.
//!     pub enum Fill {
//!         /// byte 0, before normalising
//!         Zero = "zero";
//!         /// the nearest pixel
//!         Edge = "edge";
//!     }
//! }
//! table! {
//!     /// How images are changed.
//!     #[derive(Clone, Debug, PartialEq, Serialize)]
//!     pub struct Augment as "`augment`" {
//!         /// is moved by up to so many whole pixels along each axis
//!         pub shift: u32 = 0 => Whole(0, 4096);
//!         /// what comes in from outside
//!         pub fill: Fill = Fill::Zero;
//!     }
//! }
//! ```
//!
//! A key is `name: Type = DEFAULT => FORM, NOTE "..." ...;`. Without a default it is needed, and its note `like` shows a value.
//! Without a form it is written in the one way of its type ([`FromNode`](super::FromNode)). Notes are fields of [`Key`](super::Key).

/// The text of the doc comments among some attributes.
macro_rules! docs {
    (@ $($line:literal)* ;) => { concat!($($line, "\n"),*) };
    (@ $($line:literal)* ; #[doc = $next:literal] $($rest:tt)*) => { $crate::config::docs!(@ $($line)* $next ; $($rest)*) };
    (@ $($line:literal)* ; #[$($other:tt)*] $($rest:tt)*) => { $crate::config::docs!(@ $($line)* ; $($rest)*) };
    ($($attributes:tt)*) => { $crate::config::docs!(@ ; $($attributes)*) };
}

/// A field as it is declared; its default and its form may be left out.
macro_rules! field {
    (@form) => { $crate::config::Plain };
    (@form $form:expr) => { $form };
    (@usual) => { None };
    (@usual $usual:expr) => { Some($usual) };
    ([$($attr:tt)*] $key:ident : $type:ty [$($usual:expr)?] [$($form:expr)?] $($note:ident $text:literal)*) => {
        $crate::config::Declared::<_, $type> {
            form: $crate::config::field!(@form $($form)?),
            key: $crate::config::Key {
                doc: $crate::config::docs!($($attr)*),
                $($note: $text,)*
                ..$crate::config::Key::named(stringify!($key))
            },
            usual: $crate::config::field!(@usual $($usual)?),
        }
    };
}

/// A description that is made once, when it is asked for.
macro_rules! described {
    ($name:expr, $doc:expr, $describe:expr) => {{
        static ONCE: std::sync::LazyLock<$crate::config::Description> =
            std::sync::LazyLock::new(|| $crate::config::Description::new($name, $doc, $describe));
        &ONCE
    }};
}

/// A table: a struct whose fields are keys.
macro_rules! table {
    ($(#[$($attr:tt)*])* $vis:vis struct $name:ident as $what:literal $(like $like:literal)? {
        $($(#[$($key_attr:tt)*])* $key_vis:vis $key:ident : $type:ty $(= $usual:expr)? $(=> $form:expr)?
            $(, $note:ident $text:literal)* ;)*
    } $(then $settle:expr ;)?) => {
        $(#[$($attr)*])*
        $vis struct $name { $($(#[$($key_attr)*])* $key_vis $key: $type,)* }

        impl $crate::config::Part for $name {
            fn take(table: &mut $crate::config::Fields<'_>, base: Option<&Self>) -> Option<Self> {
                $(let $key = $crate::config::field!([$(#[$($key_attr)*])*] $key : $type [$($usual)?] [$($form)?] $($note $text)*)
                    .take(table, base.map(|base| &base.$key));)*
                let read = Self { $($key: $key?,)* };
                $(let read = $crate::config::settle($settle, read, table)?;)?
                Some(read)
            }
            fn describe(into: &mut $crate::config::Description) {
                $($crate::config::field!([$(#[$($key_attr)*])*] $key : $type [$($usual)?] [$($form)?] $($note $text)*).describe(into);)*
            }
        }

        impl $crate::config::Table for $name {
            const WHAT: &'static str = $what;
            fn description() -> &'static $crate::config::Description {
                $crate::config::described!(stringify!($name), $crate::config::docs!($(#[$($attr)*])*), |into| {
                    into.like = concat!($($like)?);
                    <$name as $crate::config::Part>::describe(into);
                })
            }
        }

        impl $crate::config::FromNode for $name {
            fn shape() -> $crate::config::ValueShape {
                $crate::config::ValueShape::Table(<Self as $crate::config::Table>::description)
            }
            fn read(
                node: &$crate::config::Node,
                key: &str,
                reader: &mut $crate::config::Reader<'_>,
            ) -> Option<Self> {
                $crate::config::read_table(node, key, reader)
            }
        }
    };
}

/// An enum of which a word says what further keys there are, and which has these as fields.
macro_rules! kinds {
    ($(#[$($attr:tt)*])* $vis:vis enum $name:ident {
        $($(#[$($kind_attr:tt)*])* $kind:ident = $word:literal $({
            $($(#[$($key_attr:tt)*])* $key:ident : $type:ty $(= $usual:expr)? $(=> $form:expr)?
                $(, $note:ident $text:literal)* ;)*
        })? $(;)?)*
    }) => {
        $(#[$($attr)*])*
        $vis enum $name {
            $($(#[$($kind_attr)*])* $kind $({ $($(#[$($key_attr)*])* $key: $type,)* })?,)*
        }

        impl $crate::config::Kinds for $name {
            fn kinds() -> &'static [$crate::config::Kind] {
                const ALL: &[$crate::config::Kind] = &[$($crate::config::Kind {
                    word: $word,
                    table: || $crate::config::described!(stringify!($kind), $crate::config::docs!($(#[$($kind_attr)*])*), |_into| {
                        $($($crate::config::field!([$(#[$($key_attr)*])*] $key : $type [$($usual)?] [$($form)?] $($note $text)*).describe(_into);)*)?
                    }),
                },)*];
                ALL
            }
            fn word(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $word,)*
                }
            }
            fn of(word: &str, table: &mut $crate::config::Fields<'_>) -> Option<Self> {
                match word {
                    $($word => {
                        $($(let $key = $crate::config::field!([$(#[$($key_attr)*])*] $key : $type [$($usual)?] [$($form)?] $($note $text)*).take(table, None);)*)?
                        Some(Self::$kind $({ $($key: $key?,)* })?)
                    })*
                    _ => None,
                }
            }
        }
    };
}

/// An enum of which a word, or one key of a table, says which value is meant: `Fresh = "fresh";` is a word, `Rewind(Length) =
/// "rewind", like "..";` a key, `Spread(f64 = 1.0) = "spread";` either. A form of the enum itself reads what has another shape.
macro_rules! choice {
    ($(#[$($attr:tt)*])* $vis:vis enum $name:ident as $what:literal {
        $($(#[$($word_attr:tt)*])* $variant:ident $(($type:ty $(= $alone:expr)?))? $({ $($part:tt)* })? = $word:literal
            $(=> $form:expr)? $(, like $like:literal)? ;)*
    }) => {
        $(#[$($attr)*])*
        $vis enum $name { $($(#[$($word_attr)*])* $variant $(($type))? $({ $($part)* })?,)* }

        impl $crate::config::Choice for $name {
            const WHAT: &'static str = $what;
            fn alternatives() -> &'static [$crate::config::Alternative] {
                const ALL: &[$crate::config::Alternative] = &[$($crate::config::Alternative {
                    word: $word,
                    doc: $crate::config::docs!($(#[$($word_attr)*])*),
                    alone: $crate::config::choice!(@alone $(($type $(= $alone)?))? $(=> $form)?),
                    key: $crate::config::choice!(@shape $name $(($type))? $(=> $form)? ; concat!($($like)?)),
                },)*];
                ALL
            }
            fn word(word: &str) -> Option<Self> {
                match word {
                    $($word => $crate::config::choice!(@word $variant $(($type $(= $alone)?))? $(=> $form)?),)*
                    _ => None,
                }
            }
            fn key(
                key: &str,
                _node: &$crate::config::Node,
                _reader: &mut $crate::config::Reader<'_>,
            ) -> Option<Self> {
                match key {
                    $($word => $crate::config::choice!(@key (_node, key, _reader) $variant $(($type))? $(=> $form)?),)*
                    _ => None,
                }
            }
        }
    };
    (@word $variant:ident) => { Some(Self::$variant) };
    (@word $variant:ident ($type:ty = $alone:expr) $(=> $form:expr)?) => { Some(Self::$variant($alone)) };
    (@word $variant:ident $($other:tt)*) => { None::<Self> };
    (@alone) => { true };
    (@alone ($type:ty = $alone:expr) $(=> $form:expr)?) => { true };
    (@alone $($other:tt)*) => { false };
    (@shape $name:ident ; $like:expr) => { None };
    (@shape $name:ident => $form:expr ; $like:expr) => {
        Some((|| $crate::config::Form::<$name>::shape(&$form), $like))
    };
    (@shape $name:ident ($type:ty) ; $like:expr) => {
        $crate::config::choice!(@shape $name ($type) => $crate::config::Plain ; $like)
    };
    (@shape $name:ident ($type:ty) => $form:expr ; $like:expr) => {
        Some((|| $crate::config::Form::<$type>::shape(&$form), $like))
    };
    (@key $read:tt $variant:ident) => { None };
    (@key ($node:expr, $key:expr, $reader:expr) $variant:ident => $form:expr) => {
        $crate::config::Form::<Self>::read(&$form, $node, $key, $reader)
    };
    (@key $read:tt $variant:ident ($type:ty)) => { $crate::config::choice!(@key $read $variant ($type) => $crate::config::Plain) };
    (@key ($node:expr, $key:expr, $reader:expr) $variant:ident ($type:ty) => $form:expr) => {
        $crate::config::Form::<$type>::read(&$form, $node, $key, $reader).map(Self::$variant)
    };
}

/// An enum of words.
macro_rules! words {
    ($(#[$($attr:tt)*])* $vis:vis enum $name:ident {
        $($(#[$($word_attr:tt)*])* $variant:ident = $word:literal ;)*
    }) => {
        $crate::config::choice! {
            $(#[$($attr)*])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            $vis enum $name as "" {
                $($(#[$($word_attr)*])* #[serde(rename = $word)] $variant = $word ;)*
            }
        }
    };
}

pub(crate) use {choice, described, docs, field, kinds, table, words};
