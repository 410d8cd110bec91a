//! Names by content: JSON that is always the same text, and SHA-256 of text.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Lower-case hexadecimal SHA-256 of `bytes` (64 characters).
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The same of all that was fed to `hash`.
pub fn hex(hash: Sha256) -> String {
    hex::encode(hash.finalize())
}

/// JSON with fields in declared order. Everything given here is strings, finite numbers and lists of them, which always
/// serialise; the fallback keeps a mistake in that from becoming a panic.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}
