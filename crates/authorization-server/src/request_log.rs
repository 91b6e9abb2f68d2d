//! What the endpoints were asked, for the assertions of tests.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Method, StatusCode};
use serde::Serialize;

use super::Endpoint;
use super::grant_type::GrantType;

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
    /// The grant type, at the token endpoint, where it is one that the server has heard of.
    pub grant_type: Option<&'static str>,
}

/// What is learnt of a request while it is answered.
#[derive(Default)]
pub(super) struct Notes {
    client_id: Option<String>,
    grant_type: Option<&'static str>,
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
    static NOTES: RefCell<Notes>;
}

/// Says who the request that is being answered is from.
pub(super) fn note_client(id: &str) {
    note(|notes| notes.client_id = Some(id.to_owned()));
}

/// Says what it asks for tokens with.
pub(super) fn note_grant_type(grant_type: GrantType) {
    note(|notes| notes.grant_type = Some(grant_type.name()));
}

/// The answer, and what was noted on the way to it.
pub(super) async fn with_notes<T>(answer: impl Future<Output = T>) -> (T, Notes) {
    let noted = async {
        let answer = answer.await;
        (answer, NOTES.with(RefCell::take))
    };
    NOTES.scope(RefCell::default(), noted).await
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
        let (status, client_id, grant_type) = (None, None, None);
        records.latest.push_back(RequestRecord { number, method, path, endpoint, status, client_id, grant_type });
        number
    }

    pub(super) fn end(&self, number: u64, status: StatusCode, notes: Notes) {
        let mut records = self.records();
        // Most requests end soon after they came.
        if let Some(record) = records.latest.iter_mut().rev().find(|record| record.number == number) {
            record.status = Some(status.as_u16());
            record.client_id = notes.client_id;
            record.grant_type = notes.grant_type;
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

fn note(what: impl FnOnce(&mut Notes)) {
    // It fails where no request is being answered.
    let _ = NOTES.try_with(|notes| what(&mut notes.borrow_mut()));
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
        log.end(0, StatusCode::OK, Notes::default());
        log.end(5, StatusCode::OK, Notes::default());
        let latest = log.latest();
        assert_eq!((latest.len(), latest.first().map(|record| record.number)), (CAPACITY, Some(5)));
        assert_eq!(latest.first().and_then(|record| record.status), Some(200));
    }
}
