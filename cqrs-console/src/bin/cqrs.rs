//! The command line of the framework.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cqrs_console::schema::{AnySchema, exit};

#[derive(Parser)]
#[command(name = "cqrs", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Schemas of recorded events. What needs your types, `lock` and `check` of the code, is a program of your own:
    /// cqrs_console::schema::main
    #[command(subcommand)]
    Schema(AnySchema),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command: Command::Schema(command) } = Arguments::parse();
    exit(command.run(&mut std::io::stdout()).await)
}
