//! Results on disk: one folder per experiment, every file written whole or not at all.
//!
//! [`RunFolder`] owns the layout and the lock; rows become CSV in [`results_csv`] and its siblings; stages and masks are
//! safetensors files that PyTorch users can open.

mod atomic;
mod csv_table;
mod data_record;
mod digest;
mod error;
mod folder;
mod mask;
mod measures_csv;
mod names;
mod partial;
mod payload;
mod rows;
mod rows_csv;
mod stage;

pub use atomic::{write_atomic, write_once};
pub use data_record::DataRecord;
pub use digest::{mask_digest, sha256_hex, weights_digest};
pub use error::{MaskError, StoreError};
pub use folder::RunFolder;
pub use mask::{MaskOrigin, load_known_mask, load_mask, save_mask};
pub use measures_csv::{append_speed_csv, overlap_csv, rounds_csv};
pub use names::{RunKey, run_names, slug};
pub use partial::Partial;
pub use rows::{CurveRow, OverlapRow, RoundRow, RunRow, SpeedRow, TimeRow};
pub use rows_csv::{
    append_times_csv, curves_csv, parse_curves, parse_results, parse_times, results_csv,
};
pub use stage::StageState;
