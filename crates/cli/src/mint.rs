//! `tower-bearer mint`: tokens in bulk, good ones and defective ones.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, builder::TypedValueParser};
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{Defect, TestIssuer, TokenBuilder};

use crate::clock;
use crate::outcome::{Failure, Outcome};
use crate::terminal;

/// How many tokens one message between threads carries.
const BATCH: usize = 64;

const EXAMPLES: &str = "\
Examples:
  A hundred thousand good tokens, and the keys that verify them:
    tower-bearer mint --count 100000 --out tokens.txt --jwks-out jwks.json
  Tokens that must be refused:
    tower-bearer mint --count 1000 --defect expired \\
      --out expired.txt --jwks-out jwks.json
  Defective tokens by a key of another kind, for a test of your own:
    tower-bearer mint --count 2 --defect tampered-signature --algorithm ES256

Each run makes a new key, so tokens and JWK Set belong together when one run wrote both.

The tokens are for tests: whoever trusts this JWK Set lets their holder in.

Exit codes:
  0  minted
  2  the command line is wrong
  3  a file could not be written";

/// Makes good or defective tokens in bulk, with the JWK Set that verifies them.
///
/// One token a line, as `tower-bearer load --tokens FILE` reads them. They are signed by an issuer that exists only as
/// long as the command runs; its private key is never written.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Mint {
    /// How many tokens.
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u64,
    /// The one thing that is wrong with each token; without it they are good.
    #[arg(long, value_name = "NAME", value_parser = defect_parser())]
    defect: Option<Defect>,
    /// Where the tokens go; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Writes the public keys as a JWK Set.
    #[arg(long, value_name = "FILE")]
    jwks_out: Option<PathBuf>,
    /// The algorithm of the signature.
    #[arg(long, value_name = "ALG", default_value = "RS256", value_parser = algorithm_parser())]
    algorithm: Algorithm,
    /// `iss`.
    #[arg(long, value_name = "URL", default_value = "https://as.example.com")]
    issuer: String,
    /// `aud`; repeatable.
    #[arg(long, value_name = "URL", default_value = TokenBuilder::DEFAULT_AUDIENCE)]
    audience: Vec<String>,
    /// `scope`: scopes with spaces between them.
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// `sub`.
    #[arg(long, value_name = "NAME", default_value = TokenBuilder::DEFAULT_SUBJECT)]
    subject: String,
    /// From now to `exp`, such as `5min`.
    #[arg(long, value_name = "DURATION", default_value = "5min", value_parser = humantime::parse_duration)]
    lifetime: Duration,
    /// Prints what was done as JSON, on standard output, or on standard error when the tokens are on standard output.
    #[arg(long)]
    json: bool,
    /// Shows no progress and no summary.
    #[arg(long, short)]
    quiet: bool,
}

impl Mint {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let started = clock::now();
        let key_failed = |error| Failure::run("no key could be made", error);
        let issuer = TestIssuer::with_algorithm(&self.issuer, self.algorithm).map_err(key_failed)?;
        if let Some(path) = &self.jwks_out {
            let jwks = format!("{:#}\n", issuer.jwk_set());
            std::fs::write(path, jwks).map_err(|error| Failure::run(path.display(), error))?;
        }
        let to_stdout = self.out.as_os_str() == "-";
        let failed = |error| Failure::run(self.out.display(), error);
        let out: Box<dyn Write> =
            if to_stdout { Box::new(io::stdout().lock()) } else { Box::new(File::create(&self.out).map_err(failed)?) };
        match self.write(&issuer, BufWriter::with_capacity(1 << 20, out)) {
            // `| head` has seen enough.
            Err(error) if to_stdout && error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Good),
            written => written.map_err(failed)?,
        }
        self.summarize(to_stdout, started.elapsed())?;
        Ok(Outcome::Good)
    }

    fn write(&self, issuer: &TestIssuer, mut out: impl Write) -> io::Result<()> {
        let bar = terminal::progress(
            self.count,
            "{bar:32} {human_pos}/{human_len} tokens  {per_sec}  {eta} to go",
            self.quiet,
        );
        mint(
            self.count,
            || self.token(issuer),
            |tokens| {
                for token in tokens {
                    writeln!(out, "{token}")?;
                }
                bar.inc(u64::try_from(tokens.len()).unwrap_or(u64::MAX));
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        out.flush()
    }

    fn token(&self, issuer: &TestIssuer) -> String {
        let token = issuer.token().subject(&self.subject).expires_in(self.lifetime);
        let token = self.audience.iter().fold(token, TokenBuilder::audience);
        let token = match &self.scope {
            Some(scope) => token.scope(scope),
            None => token,
        };
        match self.defect {
            Some(defect) => token.sign_defective(defect),
            None => token.sign(),
        }
    }

    fn summarize(&self, to_stdout: bool, elapsed: Duration) -> io::Result<()> {
        let seconds = elapsed.as_secs_f64();
        let summary = if self.json {
            let summary = json!({
                "count": self.count,
                "defect": self.defect.map(Defect::name),
                "algorithm": self.algorithm.name(),
                "issuer": self.issuer,
                "out": self.out,
                "jwks_out": self.jwks_out,
                "seconds": seconds,
            });
            format!("{summary}\n")
        } else if self.quiet {
            return Ok(());
        } else {
            let kind = self.defect.map_or("good", Defect::name);
            format!("{} tokens ({kind}, {}) in {seconds:.1} s\n", self.count, self.algorithm)
        };
        if self.json && !to_stdout {
            terminal::write_stdout(summary.as_bytes())
        } else {
            anstream::stderr().write_all(summary.as_bytes())
        }
    }
}

/// Makes tokens on every core and hands them over in batches, in the order in which they are ready.
///
/// # Errors
///
/// That of `take`, which is not called again then.
pub(crate) fn mint(
    count: u64,
    make: impl Fn() -> String + Sync,
    mut take: impl FnMut(&[String]) -> io::Result<()>,
) -> io::Result<()> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = u64::try_from(workers).unwrap_or(1);
    let make = &make;
    thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel::<Vec<String>>(64);
        for worker in 0..workers {
            let sender = sender.clone();
            let mut left = count / workers + u64::from(worker < count % workers);
            scope.spawn(move || {
                while left > 0 {
                    let size = usize::try_from(left).unwrap_or(BATCH).min(BATCH);
                    left = left.saturating_sub(u64::try_from(size).unwrap_or(left));
                    // Nobody takes more once writing has failed.
                    if sender.send((0..size).map(|_| make()).collect()).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        batches.into_iter().try_for_each(|batch| take(&batch))
    })
}

fn defect_parser() -> impl TypedValueParser<Value = Defect> {
    let values = Defect::ALL.iter().map(|defect| PossibleValue::new(defect.name()).help(explain(*defect)));
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}

/// What is wrong, for `--help`.
const fn explain(defect: Defect) -> &'static str {
    match defect {
        Defect::Expired => "expired ten minutes ago",
        Defect::NotYetValid => "valid in ten minutes",
        Defect::WrongAudience => "for another API",
        Defect::WrongIssuer => "names another issuer, though the key is right",
        Defect::WrongType => "says that it is a logout token",
        Defect::AlgNone => "not signed, `alg` is `none`",
        Defect::Hs256WithPublicKey => "HMAC keyed with the public key, which anyone has",
        Defect::TamperedPayload => "`sub` was changed after it was signed",
        Defect::TamperedSignature => "one bit of the signature was changed",
        Defect::UnknownKid => "names a key that the issuer does not have, another one each time",
        Defect::UnknownCrit => "insists on an extension that nobody knows (`crit`)",
        Defect::IdToken => "an ID token in the place of an access token",
        _ => "",
    }
}

/// Every algorithm that has a public key.
pub(crate) fn algorithm_parser() -> impl TypedValueParser<Value = Algorithm> {
    let names = Algorithm::PUBLIC_KEY.iter().map(|algorithm| algorithm.name());
    PossibleValuesParser::new(names).try_map(|name| Algorithm::from_name(&name).ok_or("no such algorithm"))
}
