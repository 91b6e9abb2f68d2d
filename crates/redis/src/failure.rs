//! Why the server could not be used.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError};

/// An error code of a server is no longer than this.
const MAX_CODE_BYTES: usize = 32;

/// Why a Redis or Valkey server could not be used. Its text repeats nothing that the server sent but an error code, and
/// contains no password.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServerFailure {
    /// No connection.
    #[error("cannot connect: {0}")]
    Unreachable(io::ErrorKind),
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// A file of the configuration cannot be read: the password, a certificate or a key.
    #[error("{0}")]
    File(String),
    /// The server refuses the user or the password.
    #[error("the server refuses the user or the password")]
    Authentication,
    /// No reply in time.
    #[error("no reply within {0:?}")]
    TimedOut(Duration),
    /// The connection ended.
    #[error("the connection ended: {0}")]
    ConnectionLost(io::ErrorKind),
    /// The server replied with an error.
    #[error("the server replied {code}{}", remedy(code))]
    Refused {
        /// The first word of its reply, such as `READONLY`.
        code: String,
    },
    /// The reply is not one of the Redis protocol, or not one to this command.
    #[error("the server's reply to {0} could not be read")]
    UnexpectedReply(&'static str),
    /// The reply is too large.
    #[error("the server's reply is larger than {max_bytes} bytes")]
    ReplyTooLarge {
        /// How large it may be.
        max_bytes: usize,
    },
    /// The server is a replica of another one, and may lag behind it.
    #[error("the server is a replica; connect to its primary")]
    NotPrimary,
    /// A command of Redis 6.2 is missing.
    #[error("the server's version is older than 6.2")]
    TooOld,
    /// Another version of this crate, or something else, wrote an entry that cannot be read, so it is unknown who is
    /// revoked.
    #[error("the list in the server has an entry that this version cannot read; update this replica")]
    UnreadableEntry,
    /// The list of this replica has no room for an entry of the server's.
    #[error("the list is full with {max_entries} entries, and the server has more; raise `.max_entries(..)`")]
    ListFull {
        /// How many entries it may have.
        max_entries: usize,
    },
    /// The server holds the list for tokens that live less long than this replica accepts them.
    #[error(
        "the list in the server is for tokens of at most {shared:?}, and this replica accepts them for {own:?}: \
         shorten `max_token_lifetime`, or initialize the list again"
    )]
    Lifetime {
        /// For how long the list keeps entries.
        shared: Duration,
        /// For how long this replica accepts a token.
        own: Duration,
    },
    /// The server does not hold the list: it is new, was emptied, was restored, or another one took its place. No
    /// replica with a recent list has uploaded it yet.
    #[error("the server does not hold the revocation list; if no other replica has it, initialize it")]
    NotHeld,
    /// This machine's clock is before 1970.
    #[error("this machine's clock is before 1970")]
    ClockUnavailable,
}

impl ServerFailure {
    /// A stable name for logs and metrics, in snake case.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::File(_) => "file",
            Self::Authentication => "authentication",
            Self::TimedOut(_) => "timed_out",
            Self::ConnectionLost(_) => "connection_lost",
            Self::Refused { .. } => "refused",
            Self::UnexpectedReply(_) => "unexpected_reply",
            Self::ReplyTooLarge { .. } => "reply_too_large",
            Self::NotPrimary => "not_primary",
            Self::TooOld => "too_old",
            Self::UnreadableEntry => "unreadable_entry",
            Self::ListFull { .. } => "list_full",
            Self::Lifetime { .. } => "lifetime",
            Self::NotHeld => "not_held",
            Self::ClockUnavailable => "clock_unavailable",
        }
    }

    /// What the client library reports about a command.
    pub(crate) fn of_command(command: &'static str, error: RedisError) -> Self {
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::Authentication;
        }
        if error.kind() == ErrorKind::Io {
            return Self::ConnectionLost(io_error(&error).map_or(io::ErrorKind::BrokenPipe, io::Error::kind));
        }
        let errors = error.into_server_errors();
        // `EXECABORT` only says that an earlier error aborts the transaction.
        let code = errors.iter().flat_map(|errors| errors.iter()).map(|(_, error)| error.code());
        match code.reduce(|first, next| if first == "EXECABORT" { next } else { first }) {
            Some("NOAUTH" | "WRONGPASS") => Self::Authentication,
            Some(code) => Self::Refused { code: code_text(code) },
            // A reply of another form.
            None => Self::UnexpectedReply(command),
        }
    }
}

/// The client library keeps it behind an `Arc`.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?.downcast_ref()
}

/// The server chose it, and it goes to the log.
fn code_text(code: &str) -> String {
    let is_code = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    code.chars().take_while(is_code).take(MAX_CODE_BYTES).collect()
}

fn remedy(code: &str) -> &'static str {
    match code {
        "LOADING" => ": it is still reading its data",
        "READONLY" | "MASTERDOWN" => ": it is a replica; connect to its primary",
        "MOVED" | "ASK" | "CROSSSLOT" => ": another node of the cluster holds the list; connect to that one",
        "CLUSTERDOWN" | "TRYAGAIN" => ": its cluster cannot serve the list's slot now",
        "NOPERM" => ": its ACL lacks a command or a key that this crate needs; see the crate's documentation",
        "OOM" => ": its memory is full; raise its `maxmemory`",
        "MISCONF" => ": it cannot write to its disk",
        "WRONGTYPE" => ": something else uses the same keys; set another `.key_prefix(..)`",
        "NOREPLICAS" => ": it has fewer replicas than its `min-replicas-to-write`",
        _ => "",
    }
}
