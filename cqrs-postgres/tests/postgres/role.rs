//! Roles that may do no more than they need.

use super::database::Database;

/// A role of the cluster, dropped after its schema.
pub struct Role(String, String);

impl Role {
    pub async fn create(database: &Database, name: &str) -> Self {
        database.execute(&format!("create role {name} login")).await.unwrap();
        Self(name.to_owned(), database.url.clone())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let database = Database { url: self.1.clone(), schema: "unused".to_owned() };
        let sql = format!("drop owned by {0}; drop role {0}", self.0);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(database.execute(&sql))
        });
        let _ = dropped.join();
    }
}
