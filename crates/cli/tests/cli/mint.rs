//! `tower-bearer mint`: what it makes is accepted and refused as its name says.

use std::collections::HashSet;
use std::fs;

use serde_json::Value;
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::{Defect, TokenBuilder};

use crate::support::*;

const ISSUER: &str = "https://as.example.com";

/// Trusts the JWK Set that was written.
fn server(jwks: &str, audience: &str) -> ResourceServer {
    let issuer = Issuer::new(ISSUER).jwk_set(jwks);
    ResourceServer::builder().audience(audience).issuer(issuer).build().unwrap()
}

#[tokio::test]
async fn good_tokens_are_accepted_with_their_claims() {
    let directory = Directory::new();
    let (tokens, jwks) = (directory.path("tokens"), directory.path("jwks"));
    let minted = run(&[
        "mint",
        "--count",
        "1000",
        "--out",
        &tokens,
        "--jwks-out",
        &jwks,
        "--algorithm",
        "ES256",
        "--audience",
        "https://a.example.com",
        "--audience",
        "https://b.example.com",
        "--scope",
        "read write",
        "--subject",
        "alice",
        "--lifetime",
        "1h",
        "--json",
    ]);
    assert_eq!(minted.status.code(), Some(0), "{}", stderr(&minted));
    let summary: Value = serde_json::from_str(&stdout(&minted)).unwrap();
    assert_eq!((&summary["count"], &summary["algorithm"]), (&1000.into(), &"ES256".into()));
    assert_eq!(stderr(&minted), "");

    let tokens = fs::read_to_string(tokens).unwrap();
    let tokens: HashSet<_> = tokens.lines().collect();
    assert_eq!(tokens.len(), 1000, "all are different");
    let server = server(&fs::read_to_string(jwks).unwrap(), "https://b.example.com");
    for token in tokens {
        let token = server.validate(token).await.unwrap();
        assert_eq!(token.subject(), Some("alice"));
        assert!(token.require("write").is_ok());
    }
}

#[tokio::test]
async fn every_defect_is_refused() {
    let directory = Directory::new();
    let jwks = directory.path("jwks");
    for defect in Defect::ALL {
        let arguments =
            ["mint", "--count", "3", "--defect", defect.name(), "--jwks-out", &jwks, "--algorithm", "EdDSA", "-q"];
        let minted = run(&arguments);
        assert_eq!((minted.status.code(), stderr(&minted).as_str()), (Some(0), ""), "{defect}");
        let server = server(&fs::read_to_string(&jwks).unwrap(), TokenBuilder::DEFAULT_AUDIENCE);
        assert_eq!(stdout(&minted).lines().count(), 3, "{defect}");
        for token in stdout(&minted).lines() {
            assert!(server.validate(token).await.is_err(), "{defect}");
        }
    }
}

#[test]
fn the_private_key_is_nowhere() {
    let directory = Directory::new();
    let jwks = directory.path("jwks");
    run(&["mint", "--jwks-out", &jwks]);
    let jwks: Value = serde_json::from_str(&fs::read_to_string(jwks).unwrap()).unwrap();
    let members: HashSet<_> = jwks["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, HashSet::from(["kty", "n", "e", "use", "alg", "kid"]));
}

#[test]
fn help_names_every_defect() {
    let help = stdout(&run(&["mint", "--help"]));
    for defect in Defect::ALL {
        assert!(help.contains(defect.name()), "{defect}");
    }
}

#[test]
fn wrong_command_lines_exit_2_and_files_that_cannot_be_written_3() {
    for wrong in [
        &["--defect", "no-such"][..],
        &["--algorithm", "none"],
        &["--algorithm", "HS256"],
        &["--count", "-1"],
        &["--lifetime", "soon"],
    ] {
        assert_eq!(run(&[&["mint"], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
    for option in ["--out", "--jwks-out"] {
        let failed = run(&["mint", option, "/no/such/directory/file"]);
        assert_eq!(failed.status.code(), Some(3), "{option}");
        assert!(stderr(&failed).contains("/no/such/directory/file") && stdout(&failed).is_empty(), "{option}");
    }
}
