//! `tower-bearer authorization-server` while it runs, and what it prints.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::support::*;

/// What the headings of the flows begin with.
pub(crate) const FLOWS: [&str; 8] = [
    "A token for the client itself",
    "A token for a user",
    "The same, with the request sent ahead",
    "A token for a user of a device without a browser",
    "DANGEROUS, to be migrated away from: a token for a user's password",
    "DANGEROUS, to be migrated away from: a token in an address",
    "Whether a token is good, and its end",
    "The keys that verify tokens",
];

/// The running command; it is ended with this.
pub(crate) struct Running {
    pub(crate) process: Child,
    /// All of its output so far.
    pub(crate) text: String,
}

impl Running {
    /// Starts it, and reads until a line has `last` in it.
    pub(crate) fn start(arguments: &[&str], last: &'static str) -> Self {
        let mut command = tower_bearer(&[&["authorization-server"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut text = String::new();
        while !text.lines().last().is_some_and(|line| line.contains(last)) {
            let line = lines.recv_timeout(Duration::from_secs(60)).expect("the command says more");
            text.push_str(&line);
            text.push('\n');
        }
        Self { process, text }
    }

    pub(crate) fn json(arguments: &[&str]) -> (Self, Value) {
        let running = Self::start(&[arguments, &["--json"]].concat(), "issuer");
        let line = serde_json::from_str(&running.text).unwrap();
        (running, line)
    }

    /// Ctrl-C, and what is on standard error in the end.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> (ExitStatus, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        let mut stderr = String::new();
        self.process.stderr.take().map(|mut pipe: ChildStderr| pipe.read_to_string(&mut stderr));
        (status, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What stands above indented lines, without the RFCs in it.
pub(crate) fn headings(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let above = lines.windows(2).filter(|pair| pair[1].starts_with("  ")).map(|pair| pair[0]);
    above.filter(|line| !line.is_empty() && !line.starts_with(' ')).filter_map(|line| line.split(" (").next()).collect()
}

/// The lines below a heading.
pub(crate) fn lines_of(text: &str, heading: &str) -> Vec<String> {
    let after = text.lines().skip_while(|line| !line.contains(heading)).skip(1);
    after.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}
