//! What the benchmarks share: their options.

use std::time::Duration;

use serde_json::Value;

pub(crate) struct Options {
    json: Option<String>,
    pub(crate) rounds: usize,
    /// How long one thing of one round is repeated.
    pub(crate) slice: Duration,
}

impl Options {
    /// `--json FILE` and `--smoke`, with these numbers unless it is a smoke test.
    pub(crate) fn parse(rounds: usize, slice: Duration) -> Self {
        let mut options = Self { json: None, rounds, slice };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => options.json = Some(arguments.next().expect("--json needs a file")),
                "--smoke" => (options.rounds, options.slice) = (3, Duration::ZERO),
                // Cargo passes it to every benchmark.
                "--bench" => {}
                other => panic!("unknown option {other}; there are --json FILE and --smoke"),
            }
        }
        options
    }

    /// Writes the numbers to the file of `--json`.
    pub(crate) fn write(self, results: Vec<Value>) {
        if let Some(file) = self.json {
            std::fs::write(file, format!("{:#}\n", Value::from(results))).expect("the file can be written");
        }
    }
}
