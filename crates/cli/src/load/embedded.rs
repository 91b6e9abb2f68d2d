//! Our own target: an authorization server in this process, and the API in a child process, whose CPU and memory are
//! told apart from ours that way.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};
use tower_bearer_test::{SigningKey, TokenBuilder};

use super::api::{Started, Usage};
use super::options::Load;
use super::profile::{Event, Profile};
use crate::mint;
use crate::outcome::Failure;
use crate::terminal;

const AUDIENCE: &str = TokenBuilder::DEFAULT_AUDIENCE;

/// An authorization server and an API that trusts it.
pub(super) struct Embedded {
    authorization_server: AuthorizationServer,
    next_key: Option<SigningKey>,
    api: Api,
}

/// How many requests the authorization server got.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Fetches {
    pub(super) metadata: u64,
    pub(super) jwk_set: u64,
}

impl Embedded {
    /// Needs a tokio runtime around it, in which the authorization server goes on.
    pub(super) async fn start(options: &Load, profile: Profile) -> Result<Self, Failure> {
        let builder = AuthorizationServer::builder().signing_algorithm(options.algorithm);
        let failed = |error| Failure::run("the authorization server did not start", error);
        let authorization_server = builder.start().await.map_err(failed)?;
        let next_key = match profile.event() {
            Some(Event::Rotation) => {
                let next = SigningKey::generate(options.algorithm);
                Some(next.map_err(|error| Failure::run("no key could be made", error))?)
            }
            _ => None,
        };
        let mut key_lifetime = Duration::from_secs(300);
        if profile.event() == Some(Event::Outage) {
            // Short enough for the keys to get old while the issuer is away.
            authorization_server.set_cache_control(None);
            key_lifetime = (options.duration / 8).max(Duration::from_millis(50));
        }
        let api = Api::start(options, profile, authorization_server.issuer(), key_lifetime)?;
        Ok(Self { authorization_server, next_key, api })
    }

    pub(super) fn url(&self) -> &str {
        &self.api.url
    }

    /// So many good tokens, all different, that outlive the run.
    pub(super) fn tokens(&self, count: usize, options: &Load) -> Result<Vec<String>, Failure> {
        self.mint(self.authorization_server.test_issuer().signing_key(), count, options)
    }

    /// The same by the key of after the rotation; none when there is no such key.
    pub(super) fn next_tokens(&self, count: usize, options: &Load) -> Result<Vec<String>, Failure> {
        self.next_key.clone().map_or_else(|| Ok(Vec::new()), |key| self.mint(key, count, options))
    }

    fn mint(&self, key: SigningKey, count: usize, options: &Load) -> Result<Vec<String>, Failure> {
        let issuer = self.authorization_server.test_issuer();
        let lifetime = options.duration + options.warm_up + Duration::from_secs(3_600);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let bar = terminal::progress(count, "{bar:32} {human_pos}/{human_len} tokens minted", options.quiet);
        let mut tokens = Vec::new();
        mint::mint(
            count,
            || issuer.token().key(&key).audience(AUDIENCE).scope("load").expires_in(lifetime).sign(),
            |batch| {
                tokens.extend_from_slice(batch);
                bar.inc(u64::try_from(batch.len()).unwrap_or_default());
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        Ok(tokens)
    }

    /// Lets happen what happens in the middle of the run.
    pub(super) fn happen(&self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Rotation => {
                // As a provider does that rotates with an overlap: the old key stays published.
                if let Some(key) = &self.next_key {
                    self.authorization_server.test_issuer().add_key(key.clone());
                }
            }
            Event::Outage => {
                for endpoint in Endpoint::ALL {
                    let hung = self.authorization_server.misbehave(*endpoint, Fault::Hang);
                    hung.map_err(|error| Failure::run("the outage could not begin", error))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn fetches(&self) -> Fetches {
        let requests = |endpoint| self.authorization_server.requests(endpoint);
        Fetches { metadata: requests(Endpoint::Metadata), jwk_set: requests(Endpoint::JwkSet) }
    }

    /// What the API needed so far.
    pub(super) fn usage(&mut self) -> Result<Usage, Failure> {
        writeln!(self.api.input)?;
        self.api.read_line()
    }
}

/// The child process. Its standard input is closed when this is dropped, and with that it ends.
struct Api {
    url: String,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    process: Child,
}

impl Api {
    fn start(options: &Load, profile: Profile, issuer: &str, key_lifetime: Duration) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve-api", "--issuer", issuer, "--audience", AUDIENCE]);
        command.args(["--threads", &options.server_threads.to_string()]);
        command.args(["--key-lifetime-ms", &key_lifetime.as_millis().to_string()]);
        if options.without_layer {
            command.arg("--without-layer");
        }
        if options.pin {
            command.arg("--pin");
        }
        if profile == Profile::Unique {
            command.arg("--without-cache");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::Run("the API could not be started".to_owned()));
        };
        let mut api = Self { url: String::new(), input, output: BufReader::new(output), process };
        let started: Started = api.read_line()?;
        api.url = started.url;
        Ok(api)
    }

    fn read_line<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| Failure::Run("the API has ended by itself".to_owned()))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // It ends when its input does, which is only closed after this; so it is told.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
