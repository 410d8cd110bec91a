//! Rows of tables. `columns!` declares a column once: its name, type, unit and meaning. CSV files, reading them back, `--json` and
//! docs/columns.md all follow from that.

/// A row of a CSV file.
pub trait Row: Default + 'static {
    /// The file's name in a run folder.
    const FILE: &'static str;
    /// What a row is, for people.
    const ABOUT: &'static str;
    /// The columns, in the file's order.
    const COLUMNS: &'static [Column<Self>];
}

/// A column of a table, or several that are named by what the rows hold.
pub struct Column<R> {
    /// Its heading.
    pub name: &'static str,
    /// Headings it had in files of earlier versions.
    pub formerly: &'static [&'static str],
    /// `text`, `whole number` or `number`.
    pub kind: &'static str,
    /// What its numbers count; empty where they count nothing, or where it is text.
    pub unit: &'static str,
    /// What it means, for people.
    pub about: &'static str,
    /// How its cells are written and read.
    pub cells: Cells<R>,
}

/// How the cells of a [`Column`] are written and read. Reading answers whether the text was valid.
pub enum Cells<R> {
    /// One cell in each row.
    One {
        /// The cell as it is in the file.
        text: fn(&R) -> String,
        /// The cell as a number, if it is one.
        number: fn(&R) -> Option<f64>,
        /// Fills the row from the cell.
        read: fn(&mut R, &str) -> bool,
    },
    /// A cell for each name that any row has here.
    Named {
        /// What the names are.
        by: By,
        /// The cells of a row, by name.
        texts: fn(&R) -> Vec<(&str, String)>,
        /// Adds a cell to the row.
        read: fn(&mut R, &str, &str) -> bool,
    },
}

/// What the columns of [`Cells::Named`] are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Sweep axes: their own names.
    Axis,
    /// Settings that vary beside the axes: their own names.
    Setting,
    /// Layers: `density_<layer>`.
    Layer,
}

/// What a column holds, in words: `text`, `whole number` or `number`.
pub trait ColumnKind {
    /// The words.
    const KIND: &'static str;
}

/// What one cell holds.
pub trait Cell: ColumnKind + Sized {
    /// The cell as it is in the file.
    fn text(&self) -> String;
    /// The cell as a number, if it is one.
    fn number(&self) -> Option<f64>;
    /// The cell that was written as `text`.
    fn read(text: &str) -> Option<Self>;
    /// What stands for a value that there is none of.
    fn missing() -> Self;
}

/// A row whose measurements may be missing: that of a run that failed.
pub(super) trait Measured {
    /// Whether there are none.
    fn is_missing(&self) -> bool {
        false
    }
}

impl ColumnKind for String {
    const KIND: &'static str = "text";
}

impl Cell for String {
    fn text(&self) -> String {
        self.clone()
    }

    fn number(&self) -> Option<f64> {
        None
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn missing() -> Self {
        Self::new()
    }
}

impl ColumnKind for f64 {
    const KIND: &'static str = "number";
}

impl Cell for f64 {
    /// Shortest text that reads back to the same number; an exponent only where plain digits would be long.
    fn text(&self) -> String {
        let size = self.abs();
        if size == 0.0 || (1e-6..1e15).contains(&size) || !size.is_finite() {
            self.to_string()
        } else {
            format!("{self:e}")
        }
    }

    fn number(&self) -> Option<f64> {
        Some(*self)
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn missing() -> Self {
        Self::NAN
    }
}

macro_rules! whole_numbers {
    ($($type:ty)+) => {$(
        impl ColumnKind for $type {
            const KIND: &'static str = "whole number";
        }

        impl Cell for $type {
            fn text(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn missing() -> Self {
                0
            }
        }
    )+};
}

whole_numbers!(u32 u64);

impl<T: ColumnKind> ColumnKind for Option<T> {
    const KIND: &'static str = T::KIND;
}

/// An empty cell where there is nothing.
impl<T: Cell> Cell for Option<T> {
    fn text(&self) -> String {
        self.as_ref().map(T::text).unwrap_or_default()
    }

    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "" => Some(None),
            text => T::read(text).map(Some),
        }
    }

    fn missing() -> Self {
        None
    }
}

/// Cells by name, for [`Cells::Named`].
impl<T: ColumnKind> ColumnKind for Vec<(String, T)> {
    const KIND: &'static str = T::KIND;
}

/// Declares a row: the struct, and its [`Row`]. Each field is a column; its doc comment says what it means. Then come, where they
/// apply: `#[unit = "%"]`; `#[formerly = "name"]`, the heading in files of earlier versions; `#[by = Axis]`, several columns,
/// see [`By`]; `#[needs = Result]`, empty in the row of a
/// run that failed.
macro_rules! columns {
    (
        $(#[doc = $row_about:literal])+
        pub struct $row:ident in $file:literal {$(
            $(#[doc = $about:literal])+
            $(#[unit = $unit:literal])?
            $(#[formerly = $formerly:literal])?
            $(#[by = $by:ident])?
            $(#[needs = $needs:ident])?
            $field:ident: $type:ty,
        )+}
    ) => {
        $(#[doc = $row_about])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $row {$(
            $(#[doc = $about])+
            pub $field: $type,
        )+}

        impl Row for $row {
            const FILE: &'static str = $file;
            const ABOUT: &'static str = concat!($($row_about),+);
            const COLUMNS: &'static [Column<Self>] = &[$(Column {
                name: stringify!($field),
                formerly: &[$($formerly)?],
                kind: <$type as ColumnKind>::KIND,
                unit: concat!($($unit)?),
                about: concat!($($about),+),
                cells: columns!(@cells $field $(, $by)? $(; $needs)?),
            }),+];
        }
    };
    (@cells $field:ident) => {
        Cells::One {
            text: |row| row.$field.text(),
            number: |row| row.$field.number(),
            read: |row, text| Cell::read(text).map(|cell| row.$field = cell).is_some(),
        }
    };
    (@cells $field:ident; Result) => {
        Cells::One {
            text: |row| if row.is_missing() { String::new() } else { row.$field.text() },
            number: |row| if row.is_missing() { None } else { row.$field.number() },
            read: |row, text| {
                let cell = if text.is_empty() { Some(Cell::missing()) } else { Cell::read(text) };
                cell.map(|cell| row.$field = cell).is_some()
            },
        }
    };
    (@cells $field:ident, $by:ident) => {
        Cells::Named {
            by: By::$by,
            texts: |row| row.$field.iter().map(|(name, cell)| (name.as_str(), cell.text())).collect(),
            read: |row, name, text| {
                Cell::read(text).map(|cell| row.$field.push((name.to_owned(), cell))).is_some()
            },
        }
    };
}
