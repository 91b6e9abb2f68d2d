//! A good token, and what can be done to it.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tower_bearer_test::SigningKey;

use crate::support::{AUDIENCE, ISSUER};

/// One change. The first group changes what is signed, the second by whom, the third the finished text.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Set(Part, &'static str, &'static str),
    Remove(Part, Index),
    Duplicate(Part, Index, &'static str),
    Retype(Part, Index, &'static str),
    MoveTime(&'static str, i64),

    Sign(Signer),

    FlipBit(Index, u8),
    Insert(Index, char),
    Delete(Index),
    SwapParts(usize, usize),
    Recode(usize, Encoding),
    SetTrailingBits(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Header,
    Claims,
}

/// Who signs. `Right` is what a token has without this mutation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signer {
    Right,
    /// The signature of the token before it was changed.
    Stale,
    /// Another key for the same algorithm.
    Stranger,
    /// The same key with another algorithm, where it has one.
    OtherAlgorithm,
    /// HMAC with the public key as its secret.
    PublicKeyAsSecret,
    Nobody,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Encoding {
    Padded,
    Standard,
    Twice,
}

/// The keys of one algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) right: SigningKey,
    pub(crate) stranger: SigningKey,
    pub(crate) other_algorithm: SigningKey,
}

/// Changes in the order in which they are made: mostly one or two, so that some tokens stay good.
pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    prop::collection::vec(prop_oneof![6 => content(), 2 => signer(), 3 => text()], 0..4)
}

fn content() -> impl Strategy<Value = Mutation> {
    let part = || select(vec![Part::Header, Part::Claims]);
    prop_oneof![
        4 => (part(), select(NAMES), select(VALUES)).prop_map(|(part, name, value)| Mutation::Set(part, name, value)),
        4 => select(GOOD_MEMBERS).prop_map(|(part, name, value)| Mutation::Set(part, name, value)),
        2 => (part(), any::<Index>()).prop_map(|(part, member)| Mutation::Remove(part, member)),
        1 => (part(), any::<Index>(), select(VALUES)).prop_map(|(part, member, value)| Mutation::Duplicate(part, member, value)),
        2 => (part(), any::<Index>(), select(VALUES)).prop_map(|(part, member, value)| Mutation::Retype(part, member, value)),
        4 => (select(&["exp", "nbf", "iat"][..]), select(OFFSETS)).prop_map(|(name, offset)| Mutation::MoveTime(name, offset)),
    ]
}

fn signer() -> impl Strategy<Value = Mutation> {
    use Signer::{Nobody, OtherAlgorithm, PublicKeyAsSecret, Stale, Stranger};
    select(vec![Stale, Stranger, OtherAlgorithm, PublicKeyAsSecret, Nobody]).prop_map(Mutation::Sign)
}

fn text() -> impl Strategy<Value = Mutation> {
    use Encoding::{Padded, Standard, Twice};
    prop_oneof![
        (any::<Index>(), 0..7u8).prop_map(|(position, bit)| Mutation::FlipBit(position, bit)),
        (any::<Index>(), select(vec!['.', '=', ' ', '\n', '+', '/', 'A', '_', 'é']))
            .prop_map(|(at, c)| Mutation::Insert(at, c)),
        any::<Index>().prop_map(Mutation::Delete),
        (0..3usize, 0..3usize).prop_map(|(one, other)| Mutation::SwapParts(one, other)),
        (0..3usize, select(vec![Padded, Standard, Twice]))
            .prop_map(|(part, encoding)| Mutation::Recode(part, encoding)),
        (0..3usize).prop_map(Mutation::SetTrailingBits),
    ]
}

/// Names that mean something to somebody. Left out are `enc`, `url` and `nonce`: as header parameters they belong to
/// JWE and ACME, a signed token may use the names for anything, and jsonwebtoken insists on strings. So is `jwk`: we
/// check that it is an object and ignore it, jsonwebtoken reads it as a key.
const NAMES: &[&str] = &[
    "alg",
    "kid",
    "typ",
    "cty",
    "crit",
    "b64",
    "zip",
    "jku",
    "x5u",
    "x5c",
    "x5t",
    "x5t#S256",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "scp",
    "cnf",
    "token_use",
    "events",
    "roles",
    "x",
    "",
];

const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "1",
    "-1",
    "1.5",
    "1e300",
    "4102444800",
    "4102444800.25",
    "1e9999",
    "18446744073709551616",
    "\"\"",
    "\"none\"",
    "\"HS256\"",
    "\"RS256\"",
    "\"PS256\"",
    "\"ES256\"",
    "\"ES384\"",
    "\"EdDSA\"",
    "\"Ed25519\"",
    "\"es256\"",
    "\"JWT\"",
    "\"at+jwt\"",
    "\"application/AT+JWT\"",
    "\"id+jwt\"",
    "\"https://as.example.com\"",
    "\"https://as.example.com/\"",
    "\"https://api.example.com\"",
    "\"https:\\/\\/api.example.com\"",
    "\"4102444800\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "[\"https://api.example.com\"]",
    "[\"https://api.example.com\", 1]",
    "[\"exp\"]",
    "[[[[1]]]]",
    "{}",
    "{\"a\":1,\"a\":2}",
    "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
    "nonsense",
    "",
];

/// Members that a good token may have as well: with these alone it stays good.
const GOOD_MEMBERS: &[(Part, &str, &str)] = &[
    (Part::Header, "typ", "\"JWT\""),
    (Part::Header, "typ", "\"application/at+jwt\""),
    (Part::Header, "jku", "\"https://mallory.example.com/keys\""),
    (Part::Header, "jwk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}"),
    (Part::Header, "x5c", "[\"AAAA\"]"),
    (Part::Header, "x", "{\"y\":[1,2.5,null]}"),
    (Part::Claims, "aud", "[\"https://other.example.com\",\"https:\\/\\/api.example.com\"]"),
    (Part::Claims, "\\u0069ss", "\"https://as.example.com\""),
    (Part::Claims, "exp", "4102444800.75"),
    (Part::Claims, "nbf", "0"),
    (Part::Claims, "sub", "\"al\\u00edce\""),
    (Part::Claims, "scope", "\"read write\""),
    (Part::Claims, "scp", "[\"read\",\"write\"]"),
    (Part::Claims, "realm_access", "{\"roles\":[\"admin\"]}"),
    (Part::Claims, "x", "[[{}],-1,1e10,\"\\ud83d\\ude00\"]"),
];

/// Seconds from now, on both sides of now and of the leeway of 30 seconds.
const OFFSETS: &[i64] = &[-86_400, -3_600, -60, -40, -20, 0, 20, 40, 60, 3_600, 86_400, 10_000_000_000];

/// The token after all the changes.
pub(crate) fn token(keys: &Keys, mutations: &[Mutation]) -> String {
    let mut draft = Draft::good(&keys.right);
    let before = draft.signing_input();
    let mut signer = Signer::Right;
    for mutation in mutations {
        match mutation {
            Mutation::Sign(by) => signer = *by,
            other => draft.change(other),
        }
    }
    let input = draft.signing_input();
    let signature = match signer {
        Signer::Right => keys.right.sign(input.as_bytes()),
        Signer::Stale => keys.right.sign(before.as_bytes()),
        Signer::Stranger => keys.stranger.sign(input.as_bytes()),
        Signer::OtherAlgorithm => keys.other_algorithm.sign(input.as_bytes()),
        Signer::PublicKeyAsSecret => {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, keys.right.public_key_pem().as_bytes());
            hmac::sign(&secret, input.as_bytes()).as_ref().to_vec()
        }
        Signer::Nobody => Vec::new(),
    };
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    mutations.iter().fold(token, change_text)
}

/// A token before it is signed. Members are lists of texts, so that anything can stand twice and be of any type.
struct Draft {
    header: Vec<(String, String)>,
    claims: Vec<(String, String)>,
}

impl Draft {
    fn good(key: &SigningKey) -> Self {
        let members = |members: &[(&str, String)]| {
            members.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
        };
        let text = |text: &str| format!("{text:?}");
        Self {
            header: members(&[
                ("alg", text(key.algorithm().name())),
                ("typ", text("at+jwt")),
                ("kid", text(key.key_id())),
            ]),
            claims: members(&[
                ("iss", text(ISSUER)),
                ("aud", text(AUDIENCE)),
                ("sub", text("alice")),
                ("exp", seconds_from_now(300)),
                ("iat", seconds_from_now(0)),
                ("jti", text("1")),
                ("scope", text("read")),
            ]),
        }
    }

    fn part(&mut self, part: Part) -> &mut Vec<(String, String)> {
        match part {
            Part::Header => &mut self.header,
            Part::Claims => &mut self.claims,
        }
    }

    fn set(&mut self, part: Part, name: &str, value: String) {
        let members = self.part(part);
        match members.iter_mut().find(|(present, _)| present == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
    }

    fn change(&mut self, mutation: &Mutation) {
        match mutation {
            Mutation::Set(part, name, value) => self.set(*part, name, (*value).to_owned()),
            Mutation::MoveTime(name, offset) => self.set(Part::Claims, name, seconds_from_now(*offset)),
            Mutation::Remove(part, member) => {
                let members = self.part(*part);
                if !members.is_empty() {
                    members.remove(member.index(members.len()));
                }
            }
            Mutation::Duplicate(part, member, value) => {
                let members = self.part(*part);
                if !members.is_empty() {
                    let name = members[member.index(members.len())].0.clone();
                    members.push((name, (*value).to_owned()));
                }
            }
            Mutation::Retype(part, member, value) => {
                let members = self.part(*part);
                if !members.is_empty() {
                    let member = member.index(members.len());
                    members[member].1 = (*value).to_owned();
                }
            }
            _ => {}
        }
    }

    fn signing_input(&self) -> String {
        let encode = |members: &[(String, String)]| {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            URL_SAFE_NO_PAD.encode(format!("{{{}}}", members.join(",")))
        };
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }
}

fn seconds_from_now(offset: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now.saturating_add_signed(offset).to_string()
}

fn change_text(token: String, mutation: &Mutation) -> String {
    let mut characters: Vec<char> = token.chars().collect();
    let text = match mutation {
        Mutation::FlipBit(at, bit) if !characters.is_empty() => {
            let at = at.index(characters.len());
            characters[at] = char::from_u32(u32::from(characters[at]) ^ (1 << bit)).unwrap_or('A');
            characters
        }
        Mutation::Insert(at, character) => {
            characters.insert(at.index(characters.len() + 1), *character);
            characters
        }
        Mutation::Delete(at) if !characters.is_empty() => {
            characters.remove(at.index(characters.len()));
            characters
        }
        _ => return change_parts(token, mutation),
    };
    text.into_iter().collect()
}

fn change_parts(token: String, mutation: &Mutation) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    match mutation {
        Mutation::SwapParts(one, other) if parts.len() > *one.max(other) => parts.swap(*one, *other),
        Mutation::Recode(part, encoding) => {
            let Some(Ok(bytes)) = parts.get(*part).map(|part| URL_SAFE_NO_PAD.decode(part)) else { return token };
            parts[*part] = match encoding {
                Encoding::Padded => URL_SAFE.encode(bytes),
                Encoding::Standard => STANDARD_NO_PAD.encode(bytes),
                Encoding::Twice => URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.encode(bytes)),
            };
        }
        // The bits of the last character that carry no data: another text for the same bytes (RFC 4648 §3.5).
        Mutation::SetTrailingBits(part) => {
            let Some(last) = parts.get_mut(*part).and_then(|part| Some((part.pop()?, part))) else { return token };
            let (last, part) = last;
            part.push(match last {
                'A' | 'Q' | 'g' | 'w' => char::from_u32(u32::from(last) + 1).unwrap_or(last),
                other => other,
            });
        }
        _ => return token,
    }
    parts.join(".")
}
