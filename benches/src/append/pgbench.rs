//! PostgreSQL's own load generator: one row per transaction, into the table of the plain insert.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::plain_insert;
use crate::Error;
use crate::measure::Measured;

/// None when the program is not found.
pub async fn single_row_insert(clients: usize, seconds: u64) -> Result<Option<Measured>, Error> {
    let Some(program) = find() else { return Ok(None) };
    let database = plain_insert::create_table().await?;
    let script = format!(
        "\\set version :version + 1
         insert into {}.events (event_id, stream, version, event_type, payload, metadata)
         values (gen_random_uuid(), 'account-' || :client_id, :version, 'account.deposited.v1', '{}', '{}');",
        database.schema,
        serde_json::to_string(&crate::workload::event(1))?,
        serde_json::json!({"append_id": uuid::Uuid::now_v7()}),
    );
    let url = database.url.clone();
    let told = tokio::task::spawn_blocking(move || run(program, clients, seconds, &url, &script)).await?;
    database.drop_schema().await?;
    Ok(Some(told?))
}

fn run(program: PathBuf, clients: usize, seconds: u64, url: &str, script: &str) -> Result<Measured, Error> {
    let threads = std::thread::available_parallelism()?.get().min(clients);
    let mut pgbench = Command::new(program)
        .args(["--no-vacuum", "--protocol=prepared", "--define=version=0", "--file=-"])
        .args([format!("--client={clients}"), format!("--jobs={threads}"), format!("--time={seconds}")])
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    pgbench.stdin.take().ok_or("no standard input")?.write_all(script.as_bytes())?;
    let output = pgbench.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let number = |name: &str| -> Option<f64> { told.split_once(name)?.1.split_whitespace().next()?.parse().ok() };
    let per_second = number("tps = ").ok_or_else(|| format!("pgbench told no rate: {told}"))?;
    // It tells no percentiles, only an average.
    Ok(Measured { per_second, p50_ms: None, p99_ms: None })
}

/// In PATH, else the newest version of the distribution.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join("pgbench")).find(|file| file.is_file());
    found.or_else(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        versions
            .filter_map(|version| Some(version.ok()?.path()))
            .filter(|version| version.join("bin/pgbench").is_file())
            .max_by_key(|version| version.file_name()?.to_str()?.parse::<u32>().ok())
            .map(|version| version.join("bin/pgbench"))
    })
}
