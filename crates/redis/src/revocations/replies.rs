//! What the server's replies say. A reply of another form is an error, never a guess.

use std::fmt;

use redis::Value;
use tower_bearer::Revocation;

use super::entry::StoredEntry;
use super::marker::{ANY_VERSION, Marker};
use crate::failure::ServerFailure;

/// The id of a record of a stream: milliseconds of the server's clock, and a number among those of the millisecond.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct RecordId {
    pub(super) milliseconds: u64,
    number: u64,
}

/// What a record of the stream reports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum News {
    Revoked(Revocation),
    /// So much was added that it is only in the sorted set.
    ReadAgain,
}

/// The fields of a record.
pub(super) const MEMBER: &str = "member";
pub(super) const UNTIL: &str = "until";
pub(super) const READ_AGAIN: &str = "read_again";

/// What `INFO` says about the server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ServerInfo {
    pub(super) run_id: String,
    pub(super) is_primary: bool,
    pub(super) has_needed_commands: bool,
    /// `None` if it does not say.
    pub(super) eviction_policy: Option<String>,
}

impl RecordId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (milliseconds, number) = text.split_once('-')?;
        Some(Self { milliseconds: milliseconds.parse().ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.number)
    }
}

/// A reply to `XREAD` of one stream.
pub(super) fn stream_news(reply: &Value) -> Result<Vec<(RecordId, News)>, ServerFailure> {
    const UNEXPECTED: ServerFailure = ServerFailure::UnexpectedReply("XREAD");
    match reply {
        Value::Nil => Ok(Vec::new()),
        Value::Array(streams) => match streams.as_slice() {
            [Value::Array(stream)] => match stream.as_slice() {
                [_, Value::Array(records)] => records.iter().map(record).collect(),
                _ => Err(UNEXPECTED),
            },
            _ => Err(UNEXPECTED),
        },
        _ => Err(UNEXPECTED),
    }
}

fn record(value: &Value) -> Result<(RecordId, News), ServerFailure> {
    let (id, fields) = record_parts(value).ok_or(ServerFailure::UnexpectedReply("XREAD"))?;
    let news = match fields {
        [name, _] if text(name) == Some(READ_AGAIN) => Some(News::ReadAgain),
        [name, member, until_name, until] if text(name) == Some(MEMBER) && text(until_name) == Some(UNTIL) => {
            let entry = text(member).zip(number(until)).and_then(|(member, until)| StoredEntry::read(member, until));
            entry.map(News::Revoked)
        }
        _ => None,
    };
    news.map(|news| (id, news)).ok_or(ServerFailure::UnreadableEntry)
}

fn record_parts(value: &Value) -> Option<(RecordId, &[Value])> {
    let Value::Array(parts) = value else { return None };
    match parts.as_slice() {
        [id, Value::Array(fields)] => Some((RecordId::parse(text(id)?)?, fields)),
        _ => None,
    }
}

/// A reply to `XRANGE … COUNT 1` or `XREVRANGE … COUNT 1`: the id of that record, if there is one.
pub(super) fn record_id(reply: &Value) -> Result<Option<RecordId>, ServerFailure> {
    let Value::Array(records) = reply else { return Err(ServerFailure::UnexpectedReply("XRANGE")) };
    let Some(record) = records.first() else { return Ok(None) };
    let (id, _) = record_parts(record).ok_or(ServerFailure::UnexpectedReply("XRANGE"))?;
    Ok(Some(id))
}

/// A reply to `XADD`.
pub(super) fn added_id(reply: &Value) -> Result<RecordId, ServerFailure> {
    text(reply).and_then(RecordId::parse).ok_or(ServerFailure::UnexpectedReply("XADD"))
}

/// Members that are markers.
pub(super) fn markers(reply: &Value) -> Result<Vec<Marker>, ServerFailure> {
    let Value::Array(members) = reply else { return Err(ServerFailure::UnexpectedReply("ZRANGE")) };
    let texts = members.iter().filter_map(text).filter(|text| text.starts_with(ANY_VERSION));
    // A newer version may keep entries elsewhere.
    texts.map(|text| Marker::parse(text).ok_or(ServerFailure::UnreadableEntry)).collect()
}

/// A reply to `ZSCAN`: where to go on, and members with their scores; `None` for an infinite one.
pub(super) type Page = (String, Vec<(String, Option<u64>)>);

pub(super) fn page(reply: &Value) -> Result<Page, ServerFailure> {
    page_parts(reply).ok_or(ServerFailure::UnexpectedReply("ZSCAN"))
}

fn page_parts(reply: &Value) -> Option<Page> {
    let Value::Array(parts) = reply else { return None };
    let [cursor, Value::Array(found)] = parts.as_slice() else { return None };
    let (pairs, []) = found.as_chunks::<2>() else { return None };
    let pairs = pairs.iter().map(|[member, score]| Some((text(member)?.to_owned(), self::score(score)?)));
    Some((text(cursor)?.to_owned(), pairs.collect::<Option<_>>()?))
}

/// `None` for what is no score of ours.
pub(super) fn score(value: &Value) -> Option<Option<u64>> {
    match text(value)? {
        "inf" | "+inf" => Some(None),
        finite => finite.parse().ok().map(Some),
    }
}

/// A reply to `TIME`, in milliseconds since 1970.
pub(super) fn server_time(reply: &Value) -> Result<u64, ServerFailure> {
    let milliseconds = match reply {
        Value::Array(parts) => match parts.as_slice() {
            [seconds, microseconds] => number(seconds).zip(number(microseconds)),
            _ => None,
        },
        _ => None,
    };
    let (seconds, microseconds) = milliseconds.ok_or(ServerFailure::UnexpectedReply("TIME"))?;
    Ok(seconds.saturating_mul(1_000).saturating_add(microseconds / 1_000))
}

/// Whether `INFO replication` says that the server is a primary.
pub(super) fn is_primary(reply: &Value) -> Result<bool, ServerFailure> {
    field(text(reply).unwrap_or_default(), "role")
        .map(|role| role == "master")
        .ok_or(ServerFailure::UnexpectedReply("INFO"))
}

/// The replies to `INFO server`, `INFO replication` and `INFO memory`.
pub(super) fn server_info([server, replication, memory]: &[Value; 3]) -> Result<ServerInfo, ServerFailure> {
    let server = text(server).unwrap_or_default();
    let run_id = field(server, "run_id").filter(|id| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    // Valkey states here which version of Redis it is compatible with.
    let version = field(server, "redis_version").and_then(|version| {
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    let (Some(run_id), Some(version)) = (run_id.filter(|id| !id.is_empty()), version) else {
        return Err(ServerFailure::UnexpectedReply("INFO"));
    };
    Ok(ServerInfo {
        run_id: run_id.to_owned(),
        is_primary: is_primary(replication)?,
        has_needed_commands: version >= (6, 2),
        eviction_policy: field(text(memory).unwrap_or_default(), "maxmemory_policy").map(str::to_owned),
    })
}

fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}
