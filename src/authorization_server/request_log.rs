//! What the endpoints were asked, for the assertions of tests.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Method, StatusCode};
use serde::Serialize;

use super::Endpoint;

/// How many requests are kept; older ones are forgotten.
const CAPACITY: usize = 1_000;

/// A request that an endpoint got, and what came of it. No parameter is in it, as they have secrets among them.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RequestRecord {
    /// Counted from 0 in the order in which requests came; a gap before the first shows that older ones are forgotten.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// Whose path that is.
    pub endpoint: Endpoint,
    /// The status of the answer; `None` while there is none, and for good when the client goes away without.
    pub status: Option<u16>,
    /// The client that the request proved to come from; where nothing is to be proven, the registered one that it
    /// names.
    pub client_id: Option<String>,
}

/// The latest requests.
#[derive(Default)]
pub(super) struct RequestLog(Mutex<Records>);

#[derive(Default)]
struct Records {
    latest: VecDeque<RequestRecord>,
    next: u64,
}

tokio::task_local! {
    /// Of the request that is being answered.
    static CLIENT_ID: RefCell<Option<String>>;
}

/// Says who the request that is being answered is from.
pub(super) fn note_client(id: &str) {
    // It fails where no request is being answered.
    let _ = CLIENT_ID.try_with(|client_id| client_id.replace(Some(id.to_owned())));
}

/// The answer, and the client that was [noted](note_client) on the way to it.
pub(super) async fn with_client<T>(answer: impl Future<Output = T>) -> (T, Option<String>) {
    let noted = async {
        let answer = answer.await;
        (answer, CLIENT_ID.with(RefCell::take))
    };
    CLIENT_ID.scope(RefCell::default(), noted).await
}

impl RequestLog {
    /// A request has come; returns its number.
    pub(super) fn begin(&self, method: &Method, path: &str, endpoint: Endpoint) -> u64 {
        let mut records = self.records();
        let number = records.next;
        records.next = number.wrapping_add(1);
        if records.latest.len() >= CAPACITY {
            records.latest.pop_front();
        }
        let (method, path) = (method.to_string(), path.to_owned());
        records.latest.push_back(RequestRecord { number, method, path, endpoint, status: None, client_id: None });
        number
    }

    pub(super) fn end(&self, number: u64, status: StatusCode, client_id: Option<String>) {
        let mut records = self.records();
        // Most requests end soon after they came.
        if let Some(record) = records.latest.iter_mut().rev().find(|record| record.number == number) {
            record.status = Some(status.as_u16());
            record.client_id = client_id;
        }
    }

    pub(super) fn latest(&self) -> Vec<RequestRecord> {
        self.records().latest.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.records().latest.clear();
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let log = RequestLog::default();
        for expected in 0..u64::try_from(CAPACITY).unwrap_or_default() + 5 {
            assert_eq!(log.begin(&Method::GET, "/jwks", Endpoint::JwkSet), expected);
        }
        log.end(0, StatusCode::OK, None);
        log.end(5, StatusCode::OK, Some("app".to_owned()));
        let latest = log.latest();
        assert_eq!((latest.len(), latest.first().map(|record| record.number)), (CAPACITY, Some(5)));
        assert_eq!(latest.first().and_then(|record| record.status), Some(200));
    }
}
