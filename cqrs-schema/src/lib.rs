//! Every event type and version that was ever recorded, locked in a file, so that a build fails when history would no longer
//! decode; and a registry of schemas for other systems that consume the events.
//!
//! [`Schemas`] describes the events of a program, with samples. [`Lock`] is the file; it belongs into the repository, beside the code.
//! [`Schemas::check_file`] belongs into a test.

mod check;
mod compatibility;
mod difference;
mod file;
mod history;
mod lock;
mod payload;
mod probe;
mod problem;
mod reading;
mod registry;
mod schemas;

pub use compatibility::{Comparison, Compatibility, compare};
pub use difference::{Change, Difference};
pub use file::CheckError;
pub use history::HistoryReport;
pub use lock::{Lock, LockError};
pub use problem::{Problem, Problems};
pub use reading::differences;
pub use registry::{
    InMemorySchemaRegistry, PublishedSchema, RegistryError, SchemaDirectory, SchemaRegistry, publish, publish_all,
};
pub use schemas::{EventSchema, Schemas};
