//! Where state and trail are kept: memory and SQLite. The only crate with SQL.
//!
//! ```
//! use keyward_service::Store;
//!
//! let loaded = keyward_store::MemoryStore::default().load()?;
//! assert_eq!((loaded.revision, loaded.entities.len()), (0, 0));
//! # Ok::<(), keyward_service::StoreError>(())
//! ```

mod memory;
pub mod private_file;
mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::{OpenFailed, SqliteStore, Trail, TrailFilter};
