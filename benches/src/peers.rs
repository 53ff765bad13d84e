//! The comparison with other libraries: a program of its own in benches/peers, whose dependencies stay out of this one's.

use std::process::Command;

use crate::Error;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Passed on.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds it, and runs it with the same arguments.
pub fn run(options: &Options, json: bool) -> Result<(), Error> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&cargo)
        .args(["run", "--release", "--manifest-path", manifest, "--"])
        .args(json.then_some("--json"))
        .args(&options.arguments)
        .status()
        .map_err(|error| format!("{} cannot be started to build benches/peers: {error}", cargo.display()))?;
    if status.success() { Ok(()) } else { Err(format!("benches/peers: {status}").into()) }
}
