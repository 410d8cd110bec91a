//! Results for people: statistics, the table on the terminal, plots, lists of run folders, two experiments side by side.
//!
//! Everything here is a function of rows and summaries from [`crate::store`]; nothing is read from or written to disk.

mod canvas;
mod cells;
mod compare;
mod difference;
mod groups;
mod plot_accuracy;
mod plot_curves;
mod plots;
mod progress_view;
mod run_list;
mod settings;
mod stats;
mod table;
mod table_json;
pub(crate) mod text_table;
mod ticks;

pub use canvas::{Plot, PlotError};
pub use compare::{ComparedExperiment, comparison, comparison_json};
pub use difference::{Difference, Reference};
pub use groups::{ArmInfo, RowGroup, group_runs};
pub use plot_accuracy::{accuracy_plots, dense_arms};
pub use plot_curves::curve_plots;
pub use progress_view::{ProcessView, Processes, ProgressView};
pub use run_list::{run_list, run_list_json};
pub use settings::ResolvedExperiment;
pub use stats::{Summary, paired_difference};
pub use table::{TableOptions, table};
pub use table_json::table_json;
