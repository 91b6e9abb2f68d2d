//! `tower-bearer authorization-server`: the bundled server, until Ctrl-C.

mod api;
mod flows;
mod listen;
mod shell;
mod show;

use std::path::PathBuf;

use clap::Args;
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, ConfigFileError, StartError};

use self::listen::Listen;
use crate::interrupt::Interrupt;
use crate::outcome::{Failure, Outcome};
use crate::terminal;

/// The port when neither the command line nor a file says another.
const DEFAULT_PORT: u16 = 9000;

const EXAMPLES: &str = "\
Examples:
  A first look, with demo clients and users:
    tower-bearer authorization-server

  Your own clients and users:
    tower-bearer authorization-server --port 9000 --config as.toml

  In a network of containers, where its name is `as`:
    tower-bearer authorization-server --listen 0.0.0.0 --issuer http://as:9000 --dangerously-allow-non-loopback

  In a test of your own, on free ports, steered over HTTP:
    tower-bearer authorization-server --port 0 --admin-port 0 --json > as.json &
    issuer=$(jq -r .issuer as.json) admin=$(jq -r .admin_url as.json)
    curl -X PUT -H 'Content-Type: application/json' -d '{\"offset_s\": 3600}' $admin/clock

A configuration file with every field explained is in crates/authorization-server/docs/as.toml.
Unless `--issuer` names another, the issuer has the port in it: tokens are good for the server at that port only.

Exit codes:
  0  it ran until Ctrl-C
  2  the command line or the configuration file is wrong
  3  it could not start: a file could not be read, a port is not free";

/// Runs the bundled authorization server, for tests and demonstrations. NOT FOR PRODUCTION.
///
/// It prints its issuer, its clients and users, and curl lines for each flow; then it serves until Ctrl-C. All state is
/// in memory. By default it listens on 127.0.0.1.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// The address to listen on, such as 0.0.0.0, 192.0.2.1:9000 or [::1]; 127.0.0.1 by default. One that is not
    /// loopback needs `--dangerously-allow-non-loopback`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Listen>,

    /// The port to listen on; 0 is any free port. By default that of the file, and 9000 without a file.
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    /// What the server calls itself in tokens and metadata: the URL by which clients and APIs reach it. By default the
    /// address with the port. One that is not loopback needs `--dangerously-allow-non-loopback`.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// DANGEROUS: allows other machines to reach this server, which gives them any token, through the address of
    /// `--listen` or under the name of `--issuer`.
    #[arg(long)]
    dangerously_allow_non_loopback: bool,

    /// The audience (`aud`) of tokens for clients that name none in the file, and for the demo clients; by default
    /// https://api.example.com for those. Repeatable.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,

    /// Clients, users, scopes, keys and paths, in TOML, or in JSON when the name ends in `.json`. Without clients there
    /// are demo ones, and likewise users.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Opens the admin API on this port of 127.0.0.1; 0 is any free port. Every program on this machine can then tell
    /// the server what to do.
    #[arg(long, value_name = "N")]
    admin_port: Option<u16>,

    /// Prints issuer, endpoints, clients and users as one line of JSON.
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<Outcome, Failure> {
        // Before anything is printed: whoever has read the issuer may end it at once.
        let mut interrupt = Interrupt::listen()?;
        let mut server = self.builder()?.demo().start().await.map_err(|error| match error {
            StartError::Listen { ref source, .. } => Failure::run(&error, source),
            StartError::NotLoopback { setting, value } => Failure::Usage(format!(
                "`--{setting}` is {value}, which is not loopback: everyone who reaches this server can get any token \
                 from it; if that is what you want, allow it with `--dangerously-allow-non-loopback`"
            )),
            error => Failure::Usage(error.to_string()),
        })?;
        let api_url = api::serve(&server).await?;
        let api_url = api_url.as_deref();

        terminal::print_warning(
            "NOT FOR PRODUCTION: this server is for tests. Its secrets and its keys guard nothing.",
        );
        let text = if self.json { show::json(&server, api_url)? } else { show::text(&server, api_url) };
        terminal::write_stdout(text.as_bytes())?;

        interrupt.pressed().await;
        server.stop().await;
        Ok(Outcome::Good)
    }

    fn builder(&self) -> Result<AuthorizationServerBuilder, Failure> {
        let builder = match &self.config {
            Some(path) => AuthorizationServerBuilder::from_file(path).map_err(|error| match error {
                ConfigFileError::Unreadable { .. } => Failure::Run(error.to_string()),
                _ => Failure::Usage(error.to_string()),
            })?,
            None => AuthorizationServer::builder().port(DEFAULT_PORT),
        };
        let port = Listen::port(self.listen, self.port)?;
        let builder = self.listen.into_iter().fold(builder, |builder, listen| builder.listen(listen.address()));
        let builder = port.into_iter().fold(builder, AuthorizationServerBuilder::port);
        let builder = self.issuer.iter().fold(builder, AuthorizationServerBuilder::issuer);
        let builder = if self.audience.is_empty() { builder } else { builder.audiences(&self.audience) };
        let builder =
            if self.dangerously_allow_non_loopback { builder.dangerously_allow_non_loopback() } else { builder };
        Ok(self.admin_port.into_iter().fold(builder, AuthorizationServerBuilder::admin_port))
    }
}
