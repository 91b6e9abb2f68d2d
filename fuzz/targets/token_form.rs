//! The form of the token endpoint: from nobody, from a client, and from it again, as after a lost answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_bearer_fuzz::grants::fill_in;
use tower_bearer_fuzz::server::{ask, client, server};

fuzz_target!(|form: &[u8]| {
    let form = str::from_utf8(form).map_or_else(|_| form.to_vec(), |form| fill_in(form).into_bytes());
    let request = || {
        let request = client().post(server().token_endpoint());
        request.header("content-type", "application/x-www-form-urlencoded").body(form.clone())
    };
    ask(request());
    let as_web = || request().basic_auth("web", Some("web-secret"));
    ask(as_web());
    ask(as_web());
});
