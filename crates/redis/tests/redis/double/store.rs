//! What the double stores, and the commands that the crate sends. An unknown command is an error, as on a server.

use std::collections::BTreeMap;

use super::wire::Reply;

#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) sets: BTreeMap<String, BTreeMap<String, f64>>,
    pub(crate) streams: BTreeMap<String, Stream>,
    /// With the milliseconds for which they last; `None` for ever.
    pub(crate) strings: BTreeMap<String, (String, Option<i64>)>,
}

type Record = ((u64, u64), Vec<String>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) records: Vec<Record>,
    last: (u64, u64),
}

fn id_text((milliseconds, number): (u64, u64)) -> String {
    format!("{milliseconds}-{number}")
}

fn id(text: &str) -> (u64, u64) {
    let (milliseconds, number) = text.split_once('-').unwrap();
    (milliseconds.parse().unwrap(), number.parse().unwrap())
}

fn records(records: &[Record]) -> Reply {
    let record = |(id, fields): &Record| {
        let fields = fields.iter().map(Reply::bulk).collect();
        Reply::Array(vec![Reply::bulk(id_text(*id)), Reply::Array(fields)])
    };
    Reply::Array(records.iter().map(record).collect())
}

fn score_text(score: f64) -> String {
    if score.is_infinite() { String::from("inf") } else { format!("{score}") }
}

impl Store {
    /// `now` is in milliseconds since 1970.
    pub(crate) fn run(&mut self, words: &[String], now: u64) -> Reply {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["ZADD", key, rest @ ..] => {
                if let ["XX", "CH", score, member] = rest {
                    let old = self.sets.get_mut(*key).and_then(|set| set.get_mut(*member));
                    let new = score.parse().unwrap();
                    let is_changed = old.is_some_and(|old| std::mem::replace(old, new) != new);
                    return Reply::Int(is_changed.into());
                }
                let (greater, rest) = if rest[0] == "GT" { (true, &rest[1..]) } else { (false, rest) };
                let set = self.sets.entry(String::from(*key)).or_default();
                for [score, member] in rest.as_chunks::<2>().0 {
                    let score: f64 = score.parse().unwrap();
                    let old = set.entry(String::from(*member)).or_insert(score);
                    *old = if greater { old.max(score) } else { score };
                }
                Reply::Int(1)
            }
            // In two parts, as a large set comes in many; the cursor is opaque.
            ["ZSCAN", key, cursor, "COUNT", _] => {
                let members: Vec<_> = self.sets.get(*key).into_iter().flatten().collect();
                let (first, second) = members.split_at(members.len() / 2);
                let (next, part) = if *cursor == "0" { ("17", first) } else { ("0", second) };
                let pairs =
                    part.iter().flat_map(|(member, score)| [Reply::bulk(member), Reply::Bulk(score_text(**score))]);
                Reply::Array(vec![Reply::bulk(next), Reply::Array(pairs.collect())])
            }
            ["ZRANGE", key, from, to, "BYSCORE", "LIMIT", "0", most] if from == to => {
                let wanted: f64 = from.parse().unwrap();
                let members = self.sets.get(*key).into_iter().flatten().filter(|(_, score)| **score == wanted);
                Reply::Array(members.map(|(member, _)| Reply::bulk(member)).take(most.parse().unwrap()).collect())
            }
            ["ZREMRANGEBYSCORE", key, from, to] => {
                let is_meant = |score: f64| match (*from, to.strip_prefix('(')) {
                    ("-inf", Some(end)) => score < end.parse().unwrap(),
                    (from, None) if from == *to => score == from.parse::<f64>().unwrap(),
                    range => panic!("{range:?}"),
                };
                let set = self.sets.entry(String::from(*key)).or_default();
                let before = set.len();
                set.retain(|_, score| !is_meant(*score));
                let removed = before - set.len();
                self.sets.retain(|_, set| !set.is_empty());
                Reply::Int(removed.try_into().unwrap())
            }
            ["ZREM", key, member] => {
                let removed = self.sets.get_mut(*key).and_then(|set| set.remove(*member));
                Reply::Int(removed.is_some().into())
            }
            ["XADD", key, "MAXLEN", "~", most, "*", fields @ ..] => {
                let stream = self.streams.entry(String::from(*key)).or_default();
                let (milliseconds, number) = stream.last;
                stream.last = if now > milliseconds { (now, 0) } else { (milliseconds, number + 1) };
                stream.records.push((stream.last, fields.iter().map(ToString::to_string).collect()));
                let excess = stream.records.len().saturating_sub(most.parse().unwrap());
                stream.records.drain(..excess);
                Reply::Bulk(id_text(stream.last))
            }
            ["XRANGE", key, "-", "+", "COUNT", "1"] => records(
                self.streams
                    .get(*key)
                    .map(|stream| &stream.records[..])
                    .unwrap_or_default()
                    .split_at_checked(1)
                    .map_or(&[], |(first, _)| first),
            ),
            ["XREVRANGE", key, "+", "-", "COUNT", "1"] => {
                let all = self.streams.get(*key).map(|stream| &stream.records[..]).unwrap_or_default();
                records(&all[all.len().saturating_sub(1)..])
            }
            ["XREAD", "COUNT", count, .., "STREAMS", key, after] => {
                let stream = self.streams.get(*key);
                let new =
                    stream.into_iter().flat_map(|stream| &stream.records).filter(|(record, _)| *record > id(after));
                let new: Vec<_> = new.take(count.parse().unwrap()).cloned().collect();
                match new.as_slice() {
                    [] => Reply::NilArray,
                    new => Reply::Array(vec![Reply::Array(vec![Reply::bulk(key), records(new)])]),
                }
            }
            ["PTTL", key] => match self.strings.get(*key) {
                None => Reply::Int(-2),
                Some((_, None)) => Reply::Int(-1),
                Some((_, Some(milliseconds))) => Reply::Int(*milliseconds),
            },
            ["SET", key, value, "EX", seconds] => {
                let lasts = Some(seconds.parse::<i64>().unwrap() * 1_000);
                self.strings.insert(String::from(*key), (String::from(*value), lasts));
                Reply::Simple("OK")
            }
            ["DEL", key] => {
                let removed = self.strings.remove(*key).is_some();
                Reply::Int(removed.into())
            }
            ["TIME"] => Reply::Array(vec![Reply::bulk(now / 1_000), Reply::bulk(now % 1_000 * 1_000)]),
            _ => Reply::Error(format!("ERR unknown command {words:?}")),
        }
    }
}
