//! Files to import.

use std::path::PathBuf;

use uuid::Uuid;

/// A purchase history that is removed in the end.
pub struct File(pub PathBuf);

impl File {
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.txt", Uuid::now_v7()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
