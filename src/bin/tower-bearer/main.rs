//! The command `tower-bearer`.

mod check;
mod outcome;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use outcome::{Failure, Outcome};

/// Load-tests token checks and makes tokens for tests.
#[derive(Parser)]
#[command(name = "tower-bearer", version, arg_required_else_help = true, after_help = outcome::EXIT_CODES)]
#[command(styles = terminal::STYLES, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explains why tokens are accepted or refused: pipe them in, one a line.
    ///
    /// Every check of the layer in order, up to the first that fails; the status and the challenge that the layer answers;
    /// and what to do about it. The signature is never shown, nor the token.
    Check(check::CheckArgs),
    /// Prints the completions for a shell.
    ///
    /// For bash: `tower-bearer completions bash > ~/.local/share/bash-completion/completions/tower-bearer`.
    Completions {
        /// The shell that they are for.
        shell: Shell,
    },
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
        Command::Check(args) => check::run(&args),
        Command::Completions { shell } => {
            // Into memory first: clap_complete panics when its output cannot be written, as into a closed pipe.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tower-bearer", &mut script);
            terminal::write_stdout(&script)?;
            Ok(Outcome::Good)
        }
    }
}
