//! The run folder and what is made of it: files, tables, statistics, plots.

mod report;
mod store;
