//! `drivers.json`: drivers that were seen to give the same bits as the one that a store's stages were computed under.

use super::error::StoreError;
use super::write::{read_json, write_view};
use serde::{Deserialize, Serialize};
use std::path::Path;

const DRIVERS: &str = "drivers.json";

/// An adapter under a driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterAndDriver {
    /// The adapter, as rows name it.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
}

/// One driver that was seen to compute the same as another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameBits {
    /// What was tried.
    pub tried: AdapterAndDriver,
    /// Under which the stages were computed.
    pub computed_under: AdapterAndDriver,
    /// Stages that were computed again, all to the same bits.
    pub stages: usize,
}

/// What a store knows of drivers.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Io`].
pub fn read_same_bits(store: &Path) -> Result<Vec<SameBits>, StoreError> {
    let next = "remove it, and let `secateur verify` compare again";
    Ok(read_json(&store.join(DRIVERS), next)?.unwrap_or_default())
}

/// Enters what was seen of a driver.
///
/// # Errors
/// As [`read_same_bits`].
pub fn enter_same_bits(store: &Path, seen: SameBits) -> Result<(), StoreError> {
    let mut all = read_same_bits(store)?;
    all.retain(|other| other.tried != seen.tried);
    all.push(seen);
    let text = serde_json::to_string_pretty(&all).unwrap_or_default() + "\n";
    write_view(&store.join(DRIVERS), text.as_bytes())
}
