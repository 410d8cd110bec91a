//! Small tools that every module may use, and that know nothing of this program.

mod cache;
mod cpu_time;
mod digest;
mod file;
mod process;
mod text;
mod utc;

pub use cache::cache_folder;
pub use cpu_time::cpu_time;
pub use digest::{hex, json, sha256};
pub(crate) use file::{TEMPORARY, temporary_in};
pub use file::{write_whole, write_with_folder};
pub(crate) use process::{is_dead, process_name};
pub use text::at_spaces;
pub use utc::utc;
