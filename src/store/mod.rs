//! Results on disk: one folder per experiment, every file written whole or not at all.
//!
//! [`RunFolder`] owns the layout and the lock, [`read_table`] reads beside it without one; rows become CSV in [`to_csv`]; stages and masks are
//! safetensors files that PyTorch users can open.

mod claims;
#[macro_use]
mod columns;
mod csv;
mod data_record;
mod digest;
mod drivers;
mod error;
mod folder;
mod garbage;
mod lock;
mod mask;
mod names;
mod partial;
mod payload;
mod planned;
mod read;
mod rows;
mod stage;
mod stage_store;
mod survey;
mod write;

pub use claims::Claims;
pub use columns::{By, Cells, Column, Row};
pub use csv::{from_csv, more_csv, to_csv};
pub use data_record::DataRecord;
pub use digest::{mask_digest, weights_digest};
pub use drivers::{AdapterAndDriver, SameBits, enter_same_bits, read_same_bits};
pub use error::{MaskError, StoreError};
pub use folder::{Contents, Owner, RunFolder};
pub use garbage::{Garbage, JudgedFile, Reason};
pub use mask::{MaskOrigin, load_known_mask, load_mask, save_mask};
pub use names::{RunKey, run_names, slug};
pub use partial::Partial;
pub use planned::{PlannedRun, PlannedStage, read_planned};
pub use read::{read_data, read_owner, read_resolved, read_rows_alone, read_table};
pub use rows::{CurveRow, DATASET, OverlapRow, RoundRow, RunRow, SpeedRow, TimeRow};
pub use stage::StageState;
pub use stage_store::StageStore;
pub use survey::{FolderSummary, run_folders, summarise};
pub use write::{write_atomic, write_once};
