//! `tower-bearer load`: load-tests token checks.
//!
//! | file | what |
//! |---|---|
//! | `options.rs`, `profile.rs` | the command line; the kinds of load |
//! | `target.rs`, `connect.rs`, `issued.rs` | where requests go, and whether they may; tokens for a server of somebody's own |
//! | `embedded.rs`, `api.rs` | our own target: issuer in this process, API in a child process |
//! | `traffic.rs`, `pace.rs` | what is sent, and when |
//! | `http1.rs`, `http2.rs`, `drive.rs`, `pin.rs` | connections, the threads that use them, and their cores |
//! | `answers.rs`, `figures.rs`, `results.rs` | what came back: counted, measured, as it is kept |
//! | `measure.rs` | one profile from start to end, or to Ctrl-C |
//! | `table.rs`, `plots.rs`, `report.rs` | how it is shown |

mod answers;
mod api;
mod connect;
mod drive;
mod embedded;
mod figures;
mod http1;
mod http2;
mod issued;
mod measure;
mod options;
mod pace;
mod pin;
mod plots;
mod profile;
mod report;
mod results;
mod table;
mod target;
mod traffic;

use std::path::Path;

use crate::outcome::{Failure, Outcome};
use crate::terminal;

pub(crate) use api::ServeApi;
pub(crate) use options::Load;

use results::Results;

impl Load {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let profiles = self.profiles()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let results = runtime.block_on(measure::all(&self, &profiles))?;
        self.show(&results)?;
        Ok(match results {
            Results { interrupted: true, .. } => Outcome::Interrupted,
            Results { wrong_answers: 0, .. } => Outcome::Good,
            Results { .. } => Outcome::No,
        })
    }

    fn show(&self, results: &Results) -> Result<(), Failure> {
        let json_to_stdout = self.json.as_deref() == Some(Path::new("-"));
        if !json_to_stdout {
            terminal::write_stdout(table::render(results).as_bytes())?;
        }
        if let Some(path) = &self.json {
            let mut json = serde_json::to_vec_pretty(results).map_err(|error| Failure::run("JSON", error))?;
            json.push(b'\n');
            if json_to_stdout {
                terminal::write_stdout(&json)?;
            } else {
                std::fs::write(path, json).map_err(|error| Failure::run(path.display(), error))?;
            }
        }
        if let Some(path) = &self.report {
            let html = report::render(results)?;
            std::fs::write(path, html).map_err(|error| Failure::run(path.display(), error))?;
        }
        Ok(())
    }
}
