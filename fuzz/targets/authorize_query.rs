//! The query of the authorization endpoint: from nobody, and from a user who goes on to allow what it asks for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_bearer_fuzz::browser::{approve, authorize, authorize_as_alice};
use tower_bearer_fuzz::server::ask;

fuzz_target!(|query: &str| {
    ask(authorize(query));
    if ask(authorize_as_alice(query)).status.is_success() {
        ask(approve(query));
    }
});
