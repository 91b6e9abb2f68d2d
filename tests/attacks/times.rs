//! D01 to D03: when a token holds, to the second, and what is no time at all.

use std::time::Duration;

use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;

use crate::support::*;

const LEEWAY: u64 = 30;
const THE_TIME: u64 = NOW.as_secs();

#[tokio::test]
async fn d01_exp_is_a_number_in_range() {
    let trial = Trial::start().await;
    trial.invalid(&token().without_claim("exp").sign(), "claim_missing").await;
    for wrong in [
        "\"2000000000\"",
        "null",
        "true",
        "[2000000000]",
        "{\"$numberLong\":\"2000000000\"}",
        "\"\"",
        "{\"$serde_json::private::Number\":\"2000000000\"}",
        "{\"secs\":2000000000,\"nanos\":0}",
    ] {
        trial.invalid(&with_raw("exp", wrong), "claim_type").await;
    }
    for out_of_range in [
        "-1",
        "-2000000000",
        "-0.5",
        "1e18",
        "1e300",
        "2000000000000",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "253402300800",
        "253402300799.5",
    ] {
        trial.invalid(&with_raw("exp", out_of_range), "claim_invalid").await;
    }
    for not_json in ["NaN", "Infinity", "-Infinity", "0x7fffffff", "+2000000000", "2_000_000_000", "1.", ".5"] {
        trial.invalid(&with_raw("exp", not_json), "claims_json").await;
    }
    // Valid JSON, but too large for any number type.
    trial.invalid(&with_raw("exp", "1e999"), "claims_json").await;
    for past in ["0", "-0", "0.0", "1", "1e-300", "1.5e9"] {
        trial.invalid(&with_raw("exp", past), "expired").await;
    }
    // A name is the same name however it is escaped.
    trial.invalid(&with_raw("\\u0065x\\u0070", "1"), "claims_duplicate").await;
    let unescaped = String::from_utf8(decode(parts(&with_raw("exp", "1"))[1])).unwrap();
    let escaped = unescaped.replace("\"exp\"", "\"\\u0065x\\u0070\"");
    assert_ne!(escaped, unescaped);
    let key = key(Algorithm::RS256);
    let header = json!({ "alg": "RS256", "kid": key.key_id() }).to_string();
    trial.invalid(&key.sign_compact(header, escaped), "expired").await;
    for good in ["2000000000", "2000000000.75", "2e9", "253402300799", "2.5e+10"] {
        trial.accepts(&with_raw("exp", good)).await;
    }
}

#[tokio::test]
async fn d01_a_far_future_exp_can_be_capped_by_age() {
    let capped = builder().max_token_age(Duration::from_secs(3600)).issuer(issuer_with(Algorithm::RS256).trusted());
    let trial = Trial::with(capped).await;
    let eternal = || token().claim("exp", UnixTime::MAX.as_secs());
    trial.accepts(&eternal().claim("iat", THE_TIME - 3600 - LEEWAY).sign()).await;
    trial.invalid(&eternal().claim("iat", THE_TIME - 3600 - LEEWAY - 1).sign(), "too_old").await;
    trial.invalid(&eternal().without_claim("iat").sign(), "claim_missing").await;
}

#[tokio::test]
async fn d02_boundaries_to_the_second() {
    let trial = Trial::start().await;
    for (claim, value, expected) in [
        ("exp", THE_TIME + 1, "accepted"),
        ("exp", THE_TIME, "accepted"),
        ("exp", THE_TIME - LEEWAY + 1, "accepted"),
        ("exp", THE_TIME - LEEWAY, "expired"),
        ("exp", THE_TIME - LEEWAY - 1, "expired"),
        ("nbf", THE_TIME, "accepted"),
        ("nbf", THE_TIME + LEEWAY, "accepted"),
        ("nbf", THE_TIME + LEEWAY + 1, "not_yet_valid"),
        ("iat", THE_TIME + LEEWAY, "accepted"),
        ("iat", THE_TIME + LEEWAY + 1, "issued_in_future"),
    ] {
        let token = token().claim(claim, value).sign();
        if expected == "accepted" {
            trial.accepts(&token).await;
        } else {
            trial.invalid(&token, expected).await;
        }
    }
    for (claim, value, expected) in [
        ("exp", format!("{}.000001", THE_TIME - LEEWAY), "accepted"),
        ("nbf", format!("{}.000001", THE_TIME + LEEWAY), "not_yet_valid"),
    ] {
        assert_eq!(reason(&trial.server, &with_raw(claim, &value)).await, expected);
    }
    let exact = builder().leeway(Duration::ZERO).issuer(issuer_with(Algorithm::RS256).trusted()).build().unwrap();
    assert_eq!(reason(&exact, &token().claim("exp", THE_TIME + 1).sign()).await, "accepted");
    assert_eq!(reason(&exact, &token().claim("exp", THE_TIME).sign()).await, "expired");
    assert_eq!(reason(&exact, &token().claim("nbf", THE_TIME).sign()).await, "accepted");
    assert_eq!(reason(&exact, &token().claim("nbf", THE_TIME + 1).sign()).await, "not_yet_valid");
}

#[tokio::test]
async fn d03_nbf_and_iat_of_another_type_are_not_absent() {
    let trial = Trial::start().await;
    for claim in ["nbf", "iat"] {
        for wrong in ["\"1\"", "null", "{}", "[]", "true"] {
            trial.invalid(&with_raw(claim, wrong), "claim_type").await;
        }
        for out_of_range in ["-1", "1e300", "1800000000000", "18446744073709551616"] {
            trial.invalid(&with_raw(claim, out_of_range), "claim_invalid").await;
        }
        trial.accepts(&with_raw(claim, "0.5")).await;
    }
}
