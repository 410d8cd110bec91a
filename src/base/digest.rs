//! SHA-256 as text.

use sha2::{Digest, Sha256};

/// Lower-case hexadecimal SHA-256 of `bytes` (64 characters).
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The same of all that was fed to `hash`.
pub fn hex(hash: Sha256) -> String {
    hex::encode(hash.finalize())
}
