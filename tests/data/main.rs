//! Datasets: reading, checking, drawing, decoding, downloading.

#[path = "../common/mod.rs"]
mod common;

mod downloads;
mod drawn;
mod formats;
mod idx;
mod image_folder;
