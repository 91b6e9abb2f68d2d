//! What both properties need: names, a poll, a runner without files.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::test_runner::{Config, TestRunner};
use tower_bearer::{Issuer, ResourceServer};

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";

pub(crate) fn api(issuer: Issuer) -> ResourceServer {
    ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap()
}

/// The result of a future that has nothing to wait for, as every verdict with fixed keys.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

/// Random cases. A failure prints its smallest form, so no file keeps it.
pub(crate) fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}
