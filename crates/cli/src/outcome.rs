//! How a command ends, and the exit code for it.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The end of every `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    all is as it should be
  1    the answer is no: a token is refused, answers under load were wrong
  2    the command line or a configuration file is wrong
  3    it could not be done: a file, the network, a server that did not start
  130  ended by Ctrl-C; what was measured until then is reported. The authorization server ends with 0";

/// A command that was carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// All is as it should be.
    Good,
    /// The answer is no.
    No,
    /// Ctrl-C ended it early.
    Interrupted,
}

/// A command that was not carried out. No text has a token or a secret in it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for makes no sense.
    Usage(String),
    /// What was asked for could not be done.
    Run(String),
}

impl Failure {
    /// What could not be done, and why.
    pub(crate) fn run(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Run(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Run(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Run(error.to_string())
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Good => 0,
            Outcome::No => 1,
            Outcome::Interrupted => 130,
        })
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(match failure {
            Failure::Usage(_) => 2,
            Failure::Run(_) => 3,
        })
    }
}
