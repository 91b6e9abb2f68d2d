//! One service, in a process and on a core of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::extract::Request;
use axum::response::IntoResponse as _;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower::make::Shared;

use super::{ALGORITHM, SERVER_CORE};
use crate::peers::{
    AROUND_ROUTER, App, EXTENSION_ALONE, NONE, NONE_AXUM_07, OTHERS, OURS, Peer, SIGNATURE_ALONE, WITHOUT_CACHE,
};
use crate::trusted::{Trusted, wait};

/// The command line of a server: this, and its name.
const SERVE: &str = "--serve";

/// A process that runs until this is dropped.
pub(super) struct Process(pub(super) Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A server that runs until this is dropped.
pub(super) struct Server {
    process: Process,
    pub(super) address: String,
}

impl Server {
    /// Starts this program once more, as the server.
    pub(super) fn start(peer: &Peer, trusted: &Trusted) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([SERVE, peer.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(process.stdin.as_mut().unwrap(), "{}", trusted.jwk_set).unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process: Process(process), address: address.trim().to_owned() }
    }

    /// The status of a request with this token.
    pub(super) fn status(&self, token: &str) -> u16 {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let head = "GET /leads HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer";
        write!(connection, "{head} {token}\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Processor time that it has used, of all its threads.
    pub(super) fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.0.id())).unwrap();
        let nanoseconds = tasks.map(|task| -> u64 {
            let schedstat = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            schedstat.split(' ').next().unwrap().parse().unwrap()
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

/// Which server this process was started to be, if any.
pub(super) fn asked_for() -> Option<&'static Peer> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != SERVE {
        return None;
    }
    let name = arguments.next().unwrap();
    let ours = [&OURS, &AROUND_ROUTER, &WITHOUT_CACHE];
    let peers = [&NONE, &NONE_AXUM_07, &EXTENSION_ALONE, &SIGNATURE_ALONE].into_iter().chain(ours).chain(OTHERS);
    Some(peers.into_iter().find(|peer| peer.name == name).unwrap())
}

/// Keys come on standard input, the address goes to standard output.
pub(super) fn serve(peer: &Peer) {
    pin_to(SERVER_CORE);
    let mut jwk_set = String::new();
    std::io::stdin().read_line(&mut jwk_set).unwrap();
    let jwk_set = serde_json::from_str(&jwk_set).unwrap();
    let app = (peer.app)(&Trusted { algorithm: ALGORITHM, jwk_set });
    wait(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        match app {
            App::Axum08(router) => axum::serve(listener, router).await.unwrap(),
            App::AroundRouter(service) => {
                let service = ServiceExt::<Request>::map_response(service, |response| response.into_response());
                axum::serve(listener, Shared::new(service)).await.unwrap();
            }
            App::Axum07(router) => axum_07::serve(listener, router).await.unwrap(),
        }
    });
}

/// This process, and those that it starts.
pub(super) fn pin_to(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("server and load need a core each");
}
