//! `tower-bearer check`: explains why tokens are accepted or refused, with the very same validator as the layer.

mod advice;
mod api;
mod difference;
mod explanation;
mod input;
mod json;
mod judge;
mod keys;
mod moment;
mod presented;
mod printable;
mod remedy;
mod request_head;
mod settings;
mod signature;
mod text;
mod untrusted;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use clap::Args;

use self::explanation::Explanation;
use self::input::{Line, Lines};
use self::judge::Judge;
use self::settings::Settings;
use crate::outcome::{Failure, Outcome};

/// The end of `check --help`.
const EXAMPLES: &str = "\
Examples:
  2:14 a.m., and a client says that its token is refused. It is in the clipboard:
    pbpaste | tower-bearer check --issuer https://as.example.com \\
      --audience https://api.example.com

  By the configuration of the running API, as `ResourceServer::describe()` returns it:
    curl http://127.0.0.1:9000/debug/tokens > api.json
    pbpaste | tower-bearer check --config api.json

  What the client really sends, and whether a proxy removes it:
    curl -sv https://api.example.com/leads 2>&1 >/dev/null |
      tower-bearer check --config api.json

  Which tokens in a file are refused, and why:
    tower-bearer check --config api.json --json < tokens.txt |
      jq -r .reason | sort | uniq -c

  Would it have been good when the request came, on the route that asks for `write:leads`?
    … --at 2026-11-21T02:14:00Z --scope write:leads

  Good here and refused there? Then configuration, clock or request differ. On the host of the API:
    tower-bearer check --config api.json < request-as-it-arrives.txt

  Without the network, by keys in a file:
    … --jwks jwks.json

Exit codes:
  0  every token is good
  1  a token is refused
  2  the command line is wrong, or no token came
  3  a token could not be judged, because keys were unavailable, or the input could not be read";

/// Explains why tokens are accepted or refused: pipe them in, one a line.
///
/// Every check of the layer in order, up to the first that fails; the status and the challenge that the layer answers;
/// and what to do about it. The signature is never shown, nor the token.
///
/// A line can also be a whole `Authorization` field, or the input a request as `curl -v` prints it. A token that was
/// wrapped over several lines is joined.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    #[command(flatten)]
    settings: Settings,

    /// The token itself. It is then in the history of the shell and in the list of processes: standard input is safer.
    #[arg(long)]
    token: Option<String>,

    /// One JSON object a line for each token, with its stable reason code.
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Shows header and claims as well, marked as verified or not. They may hold personal data.
    #[arg(long, help_heading = "Output")]
    show_claims: bool,
}

impl Check {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        // Two threads: input is waited for on this one, while keys are refreshed on the other.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let judge = runtime.block_on(async { Judge::new(self.settings.api()?, self.settings.at) })?;
        judge.api().unknowns().iter().for_each(|unknown| warn(unknown));

        let mut tally = Tally::default();
        let mut judge_line = |line: &Line| -> io::Result<()> {
            let explanation = runtime.block_on(judge.explain(line));
            tally.count(&explanation);
            let written = if self.json {
                json::write(&explanation, self.show_claims)?
            } else {
                text::write(&explanation, self.show_claims)
            };
            write_stdout(written.as_bytes())
        };
        let read = match &self.token {
            Some(token) => {
                warn("the token is in the history of your shell now: pipe it into standard input instead");
                judge_line(&Line::of_argument(token))
            }
            None => {
                let stdin = io::stdin();
                if stdin.is_terminal() {
                    warn("paste tokens, one a line, and end with Ctrl-D");
                }
                Lines::new(stdin.lock()).try_for_each(|line| judge_line(&line?))
            }
        };
        match read {
            Ok(()) => {}
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error.into()),
        }
        tally.conclude()
    }
}

/// How many tokens there were, by what became of them.
#[derive(Default)]
struct Tally {
    good: u64,
    refused: BTreeMap<&'static str, u64>,
    undecided: u64,
}

impl Tally {
    fn count(&mut self, explanation: &Explanation) {
        match explanation.error.as_ref() {
            None => self.good += 1,
            Some(_) if explanation.is_undecided() => self.undecided += 1,
            Some(error) => *self.refused.entry(error.reason()).or_default() += 1,
        }
    }

    fn conclude(&self) -> Result<Outcome, Failure> {
        let refused: u64 = self.refused.values().sum();
        let all = self.good + refused + self.undecided;
        if all == 0 {
            return Err(Failure::Usage("no token came: pipe one into standard input, one a line".to_owned()));
        }
        if all > 1 {
            let reasons: Vec<_> = self.refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
            warn(&format!(
                "{all} tokens: {} good, {refused} refused{reasons}, {} undecided",
                self.good, self.undecided
            ));
        }
        if self.undecided > 0 {
            return Err(Failure::Run(format!("{} of {all} tokens could not be judged", self.undecided)));
        }
        Ok(if refused == 0 { Outcome::Good } else { Outcome::No })
    }
}

/// Writes something in addition to the answers, each of its lines on a line.
fn warn(text: &str) {
    for line in text.lines() {
        // Nothing can be done where standard error is closed.
        let _ = writeln!(anstream::stderr(), "{}", printable::line(line));
    }
}

/// Unlike `terminal::write_stdout`, tells when the reader has gone away: there may be millions of lines to come.
fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}
