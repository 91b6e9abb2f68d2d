//! The six kinds of load.

use clap::ValueEnum;
use serde::Serialize;

/// A kind of load.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Profile {
    /// A few good tokens over and over: what a verified-token cache is for.
    Reused,
    /// A large pool of good tokens. Our own server has its token cache off, so that it checks each signature; another
    /// server may cache them.
    Unique,
    /// Good tokens, and as many whose signature is wrong: each costs a check.
    BadSignature,
    /// Good tokens, and as many that name a key that does not exist: each may cost a fetch.
    RandomKid,
    /// The issuer changes its key mid-run, and tokens by the new key follow.
    Rotation,
    /// The issuer stops answering mid-run, and the keys get old.
    Outage,
}

/// What the flood does to a good token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flood {
    BadSignature,
    RandomKid,
}

/// What happens at half of the run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    Rotation,
    Outage,
}

impl Profile {
    pub(super) const ALL: [Self; 6] =
        [Self::Reused, Self::Unique, Self::BadSignature, Self::RandomKid, Self::Rotation, Self::Outage];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reused => "reused",
            Self::Unique => "unique",
            Self::BadSignature => "bad-signature",
            Self::RandomKid => "random-kid",
            Self::Rotation => "rotation",
            Self::Outage => "outage",
        }
    }

    pub(super) const fn flood(self) -> Option<Flood> {
        match self {
            Self::BadSignature => Some(Flood::BadSignature),
            Self::RandomKid => Some(Flood::RandomKid),
            _ => None,
        }
    }

    pub(super) const fn event(self) -> Option<Event> {
        match self {
            Self::Rotation => Some(Event::Rotation),
            Self::Outage => Some(Event::Outage),
            _ => None,
        }
    }
}
