//! Public keys in PEM (RFC 7468 §13, and PKCS#1 for RSA).
//!
//! A PEM text in the configuration may have several blocks, like a bundle. Every key block must be usable; others, such
//! as certificates, are skipped and reported.

mod blocks;
mod der;
mod key_block;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::blocks::{Block, blocks};
use super::algorithm::{Algorithm, permitted};
use super::dropped_key::{DroppedKey, Unusable};
use super::jwk_set::JwkSet;
use super::key_fault::KeyFault;
use super::public_key::PublicKey;
use super::verifying_key::VerifyingKey;
use crate::limits::{MAX_CANDIDATES, MAX_KEYS};

/// How many blocks one error names.
const MAX_NAMED: usize = 10;

impl JwkSet {
    /// The keys of these texts, without duplicates.
    ///
    /// # Errors
    ///
    /// What is wrong and what to do, when a key cannot be used or there is none.
    pub(crate) fn from_pem(texts: &[&str], allowed: &[Algorithm]) -> Result<Self, String> {
        let mut blocks_of_all = Vec::new();
        for text in texts {
            let blocks = blocks(text);
            if blocks.is_empty() {
                return Err(describe_no_pem(text).to_owned());
            }
            blocks_of_all.extend(blocks);
        }
        let blocks = blocks_of_all;
        let (mut public_keys, mut keys, mut skipped, mut problems) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (position, block) in blocks.iter().enumerate() {
            let Some(read) = read(block) else {
                let unusable = Unusable::new(KeyFault::NotAKey, format!("a block {}", shown(block.label)));
                skipped.push(DroppedKey::new(position, unusable));
                continue;
            };
            let usable = read.and_then(|key| Ok((verifying_keys(&key, allowed)?, key)));
            match usable {
                // A bundle may repeat a key, which would only be tried twice.
                Ok((_, key)) if public_keys.contains(&key) => {}
                Ok((verifying_keys, key)) => {
                    keys.push(verifying_keys);
                    public_keys.push(key);
                }
                Err(unusable) => problems.push((position, unusable)),
            }
        }
        if !problems.is_empty() {
            return Err(describe(&blocks, &problems));
        }
        if keys.is_empty() {
            return Err(describe_no_key(&blocks));
        }
        check_numbers(keys.iter().flatten().map(|key| key.algorithm()), keys.len())?;
        Ok(Self::of_unnamed(keys, skipped))
    }
}

/// The keys of a text as JWKs (RFC 7517) that all have this `kid`. Other blocks are skipped.
///
/// # Errors
///
/// As [`JwkSet::from_pem`], except that any kind of public key will do.
pub(crate) fn jwks_of_pem(key_id: &str, text: &str) -> Result<Vec<String>, String> {
    let blocks = blocks(text);
    if blocks.is_empty() {
        return Err(describe_no_pem(text).to_owned());
    }
    let (mut jwks, mut problems) = (Vec::new(), Vec::new());
    for (position, read) in blocks.iter().map(read).enumerate() {
        match read.map(|key| key.and_then(|key| key.to_jwk(Some(key_id), None))) {
            None => {}
            Some(Ok(jwk)) => jwks.push(jwk),
            Some(Err(unusable)) => problems.push((position, unusable)),
        }
    }
    match jwks.is_empty() {
        _ if !problems.is_empty() => Err(describe(&blocks, &problems)),
        true => Err(describe_no_key(&blocks)),
        false => Ok(jwks),
    }
}

/// The key of a block; `None` for a block that is no key.
fn read(block: &Block<'_>) -> Option<Result<PublicKey, Unusable>> {
    match Content::of(block.label) {
        Content::PublicKey => Some(key_block::read(block)),
        Content::PrivateKey(kind) => Some(Err(Unusable::new(KeyFault::NotPublic, kind))),
        Content::Other => None,
    }
}

/// The key once for each of the `allowed` algorithms that it fits.
fn verifying_keys(key: &PublicKey, allowed: &[Algorithm]) -> Result<Vec<VerifyingKey>, Unusable> {
    let algorithms = permitted(&Algorithm::for_keys_of(key.key_type()), allowed)?;
    algorithms.into_iter().map(|algorithm| key.verifying_key(algorithm)).collect()
}

/// The blocks with public keys, without the text around them.
pub(crate) fn public_pem(text: &str) -> String {
    let mut pem = String::new();
    for block in blocks(text) {
        if let (Content::PublicKey, Ok(der)) = (Content::of(block.label), &block.content) {
            let label = block.label.trim();
            pem += &format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
        }
    }
    pem
}

/// What a block holds, by its label.
enum Content {
    PublicKey,
    PrivateKey(&'static str),
    Other,
}

impl Content {
    /// Without regard to case and outer spaces: a private key under a misspelt label is a private key.
    fn of(label: &str) -> Self {
        match &*label.trim().to_ascii_uppercase() {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::PublicKey,
            "ENCRYPTED PRIVATE KEY" => Self::PrivateKey("an encrypted one"),
            "OPENSSH PRIVATE KEY" => Self::PrivateKey("one of OpenSSH"),
            // `RSA`, `EC`, `DSA`, `ANY`, and any other.
            label if label.contains("PRIVATE") => Self::PrivateKey("it stays with the issuer"),
            // Other labels claim a key in a format that is not supported: `EC PUBLIC KEY`, `DSA PUBLIC KEY`.
            label if label.is_empty() || label.ends_with("PUBLIC KEY") => Self::PublicKey,
            _ => Self::Other,
        }
    }
}

/// A key in PEM has no `kid`, so all that fit a token's algorithm are tried: with more of them than that, every token
/// would be refused.
fn check_numbers(algorithms: impl Iterator<Item = Algorithm>, keys: usize) -> Result<(), String> {
    let mut algorithms: Vec<_> = algorithms.collect();
    algorithms.sort_unstable();
    let most = algorithms.chunk_by(|one, other| one == other).max_by_key(|same| same.len()).unwrap_or_default();
    match most {
        [algorithm, ..] if most.len() > MAX_CANDIDATES => Err(format!(
            "{} keys fit {algorithm}, more than the {MAX_CANDIDATES} that are tried for one token; give a JWK Set, \
             whose keys have a `kid`, to `.jwk_set(..)`",
            most.len()
        )),
        _ if keys > MAX_KEYS => Err(format!("there are {keys} keys, more than {MAX_KEYS}; leave some out")),
        _ => Ok(()),
    }
}

/// What is wrong with the blocks at these positions.
fn describe(blocks: &[Block<'_>], problems: &[(usize, Unusable)]) -> String {
    let text = |(position, unusable): &(usize, Unusable)| {
        let which = if blocks.len() == 1 { String::new() } else { format!("block {}, ", position + 1) };
        let label = blocks.get(*position).map_or("", |block| block.label);
        format!("{which}{}: {unusable}", shown(label))
    };
    let mut texts: Vec<_> = problems.iter().take(MAX_NAMED).map(text).collect();
    if let Some(more) = problems.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        texts.push(format!("and {more} more"));
    }
    let is_private = problems.iter().any(|(_, unusable)| unusable.fault == KeyFault::NotPublic);
    let remedy = if is_private {
        "give the public half alone, as `openssl pkey -pubout` writes it"
    } else {
        "give public keys for allowed algorithms"
    };
    format!("unusable key ({}); {remedy}", texts.join("; "))
}

/// There are blocks, but none holds a key.
fn describe_no_key(blocks: &[Block<'_>]) -> String {
    let has = |label: &str| blocks.iter().any(|block| block.label.ends_with(label));
    let remedy = if has("CERTIFICATE") {
        "give the key of the certificate, as `openssl x509 -pubkey -noout` writes it"
    } else {
        "give the key itself, from `-----BEGIN PUBLIC KEY-----` on"
    };
    let mut labels: Vec<_> = blocks.iter().take(MAX_NAMED).map(|block| shown(block.label)).collect();
    labels.dedup();
    format!("there is no key in the text, only {}; {remedy}", labels.join(", "))
}

/// There is no block.
fn describe_no_pem(text: &str) -> &'static str {
    let text = text.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    let is_ssh = text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") || text.starts_with("---- BEGIN SSH2");
    if is_ssh {
        "the text is a key of OpenSSH; convert it with `ssh-keygen -e -m PKCS8 -f key.pub`"
    } else if text.starts_with('{') {
        "the text is JSON; give a JWK Set to `.jwk_set(..)`"
    } else if text.starts_with("MI") {
        "the text lacks the lines around the key; put `-----BEGIN PUBLIC KEY-----` before it and \
         `-----END PUBLIC KEY-----` after it"
    } else {
        "the text is not PEM; give the key itself, from `-----BEGIN PUBLIC KEY-----` on, not its path"
    }
}

/// A label in a form that is safe to quote in an error.
fn shown(label: &str) -> String {
    let is_plain = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == ' ';
    if !label.is_empty() && label.len() <= 64 && label.chars().all(is_plain) {
        format!("`{label}`")
    } else {
        String::from("without a proper label")
    }
}
