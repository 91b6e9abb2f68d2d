//! The check that none of the others can do without, and no other one: aws-lc-rs on the signature, in the handler.

use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::AUTHORIZATION;

use super::none::NONE;
use super::{App, Peer};
use crate::trusted::Trusted;

/// How fast a layer could be.
pub(crate) const SIGNATURE_ALONE: Peer = Peer {
    name: "the signature alone",
    note: "no layer; aws-lc-rs with a parsed key, and nothing read of the token",
    without_check: Some(&NONE),
    requests: |_, _| None,
    app: |trusted| {
        let key = Arc::new(parsed_key(trusted).unwrap());
        App::Axum08(Router::new().route("/leads", get(move |request| std::future::ready(check(&key, &request)))))
    },
};

fn parsed_key(trusted: &Trusted) -> Option<ParsedPublicKey> {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(trusted.jwk_set["keys"][0][name].as_str()?).ok();
    let components = aws_lc_rs::rsa::PublicKeyComponents { n: member("n")?, e: member("e")? };
    components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
}

fn check(key: &ParsedPublicKey, request: &Request) -> StatusCode {
    match is_signed(key, request) {
        Some(true) => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    }
}

fn is_signed(key: &ParsedPublicKey, request: &Request) -> Option<bool> {
    let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let (signing_input, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    Some(key.verify_sig(signing_input.as_bytes(), &signature).is_ok())
}
