//! The command `tower-bearer`.

mod authorization_server;
mod check;
mod clock;
mod interrupt;
mod load;
mod mint;
mod outcome;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use outcome::{Failure, Outcome};

/// Explains tokens, load-tests token checks, makes tokens for tests, and runs an authorization server for tests.
#[derive(Parser)]
#[command(name = "tower-bearer", version, arg_required_else_help = true, after_help = outcome::EXIT_CODES)]
#[command(styles = terminal::STYLES, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    AuthorizationServer(authorization_server::Serve),
    Check(Box<check::Check>),
    Load(Box<load::Load>),
    Mint(mint::Mint),
    /// Prints the completions for a shell.
    ///
    /// For bash: `tower-bearer completions bash > ~/.local/share/bash-completion/completions/tower-bearer`.
    Completions {
        /// The shell that they are for.
        shell: Shell,
    },
    #[command(hide = true)]
    ServeApi(load::ServeApi),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            terminal::print_failure(&failure);
            failure.into()
        }
    }
}

fn run(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::AuthorizationServer(server) => server.run(),
        Command::Check(check) => check.run(),
        Command::Load(load) => load.run(),
        Command::Mint(mint) => mint.run(),
        Command::ServeApi(api) => api.run(),
        Command::Completions { shell } => {
            // Into memory first: clap_complete panics when its output cannot be written, as into a closed pipe.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tower-bearer", &mut script);
            terminal::write_stdout(&script)?;
            Ok(Outcome::Good)
        }
    }
}
