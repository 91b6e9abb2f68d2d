//! Reading the list as a whole, and uploading what the server lacks.
//!
//! Entries are only ever added, here and there, so neither side can take anything from the other, and two replicas can
//! do this at once. What a replica must not do is say that the server holds the list when it does not: only one whose
//! own list is recent may, or any after an operator's order, and only if nothing was lost while it uploaded.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Value, pipe};

use super::entry::StoredEntry;
use super::marker::{ANY_VERSION, Marker, UPLOADING, nonce};
use super::replies::{self, READ_AGAIN, RecordId};
use super::session::{REPLY_LIMIT, Session};
use super::write::{add_entry, add_news, add_record};
use crate::connection::{results, transaction};
use crate::failure::ServerFailure;

/// Members a page, and entries an upload command. The server is busy for less than a millisecond with each.
const PAGE: usize = 500;
const PAGE_LIMIT: Duration = Duration::from_secs(5);
/// So many missing entries are reported one by one; more, by one record that says to read again.
const MAX_NEWS: usize = 100;
/// Writes of others between reading and setting the marker make it necessary to try again.
const MARK_ATTEMPTS: usize = 20;

/// What the server has: digests of its members, with their scores.
struct Seen {
    hashers: [RandomState; 2],
    until: HashMap<[u64; 2], u64>,
}

impl Session<'_> {
    /// Afterwards the list has everything that was in the server at [`position`](Session::position), and the server
    /// everything that is in the list. `marker` is `None` if it cannot be relied on to be all.
    pub(super) async fn synchronize(&mut self) -> Result<(), ServerFailure> {
        self.shared.report_reading();
        // What fails to be written from here on is uploaded the next time.
        let had_unshared = self.shared.has_unshared.swap(false, Ordering::AcqRel);
        let result = self.synchronize_all().await;
        if result.is_err() && had_unshared {
            self.shared.has_unshared.store(true, Ordering::Release);
        }
        result
    }

    async fn synchronize_all(&mut self) -> Result<(), ServerFailure> {
        let look = self.look().await?;
        self.position = match look.last_record {
            Some(id) => id,
            None => self.add_first_record().await?,
        };
        let own = self.shared.own_lifetime;
        let shared = look.marker.as_ref().map_or(self.shared.longest_lifetime(), |marker| marker.lifetime);
        let is_believed = look.marker.as_ref().is_some_and(|marker| self.is_believed(marker));
        let is_confirmed = look.marker.as_ref().is_some_and(|marker| marker.run_id == self.server.run_id);
        // An order is left to a replica that needs it.
        let is_ordered = look.is_ordered && !(is_confirmed && shared >= own);
        if is_believed && shared < own && !is_ordered {
            return Err(ServerFailure::Lifetime { shared, own });
        }
        let may_mark = is_ordered || is_believed || self.shared.freshness.is_usable();
        let will_mark = may_mark && (is_ordered || !is_confirmed);
        let upload_name = will_mark.then(|| format!("{UPLOADING}{}", nonce()));
        if let Some(name) = &upload_name {
            let mut command = pipe();
            command.cmd("ZADD").arg(&self.shared.names.entries).arg("+inf").arg(name);
            self.connection.send::<Value>("ZADD", &command, REPLY_LIMIT).await?;
        }
        let seen = self.read_entries().await?;
        self.upload_missing(&seen).await?;
        self.marker = match upload_name {
            Some(name) => self.mark(&name, is_ordered, shared.max(own)).await?,
            None if is_confirmed => look.marker,
            None => None,
        };
        if let Some(marker) = &self.marker {
            self.shared.longest_lifetime.store(marker.lifetime.as_secs(), Ordering::Release);
        }
        Ok(())
    }

    /// The stream always has a record, so that one which was deleted is noticed.
    async fn add_first_record(&mut self) -> Result<RecordId, ServerFailure> {
        let mut command = pipe();
        add_record(&mut command, &self.shared.names, &[(READ_AGAIN, "1")]);
        let [reply] = self.connection.send::<[Value; 1]>("XADD", &command, REPLY_LIMIT).await?;
        replies::added_id(&reply)
    }

    async fn read_entries(&mut self) -> Result<Seen, ServerFailure> {
        let mut seen = Seen::new();
        let mut cursor = String::from("0");
        loop {
            let mut command = pipe();
            command.cmd("ZSCAN").arg(&self.shared.names.entries).arg(&cursor).arg("COUNT").arg(PAGE);
            let [reply] = self.connection.send::<[Value; 1]>("ZSCAN", &command, PAGE_LIMIT).await?;
            let (next, members) = replies::page(&reply)?;
            for (member, score) in members {
                match score {
                    Some(until) => {
                        let entry = StoredEntry::read(&member, until).ok_or(ServerFailure::UnreadableEntry);
                        let entry = entry.inspect_err(|failure| self.shared.note_unreadable(failure))?;
                        self.shared.apply(&entry)?;
                        seen.insert(&member, until);
                    }
                    None if member.starts_with(ANY_VERSION) || member.starts_with(UPLOADING) => {}
                    None => return Err(ServerFailure::UnreadableEntry),
                }
            }
            if next == "0" {
                return Ok(seen);
            }
            cursor = next;
        }
    }

    async fn upload_missing(&mut self, seen: &Seen) -> Result<(), ServerFailure> {
        let names = &self.shared.names;
        let entries = self.shared.list.entries().filter_map(|entry| StoredEntry::of(&entry));
        let missing: Vec<_> = entries.filter(|entry| !seen.has(entry)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for batch in missing.chunks(PAGE) {
            let commands = transaction(|commands| {
                for entry in batch {
                    add_entry(commands, names, entry);
                    if missing.len() <= MAX_NEWS {
                        add_news(commands, names, entry);
                    }
                }
            });
            results(self.connection.send("EXEC", &commands, PAGE_LIMIT).await?)?;
        }
        if missing.len() > MAX_NEWS {
            let mut command = pipe();
            add_record(&mut command, names, &[(READ_AGAIN, "1")]);
            self.connection.send::<Value>("XADD", &command, REPLY_LIMIT).await?;
        }
        self.shared.report_uploaded(missing.len());
        Ok(())
    }

    /// Says that the server holds the list, unless it lost what was uploaded in the meantime; then `None`.
    async fn mark(
        &mut self,
        upload_name: &str,
        is_ordered: bool,
        lifetime: Duration,
    ) -> Result<Option<Marker>, ServerFailure> {
        let names = &self.shared.names;
        let marker = Marker::new(&self.server.run_id, lifetime);
        let (mut watch, mut unwatch) = (pipe(), pipe());
        watch.cmd("WATCH").arg(&names.entries);
        watch.cmd("ZSCORE").arg(&names.entries).arg(upload_name);
        unwatch.cmd("UNWATCH");
        let mark = transaction(|commands| {
            commands.cmd("ZREMRANGEBYSCORE").arg(&names.entries).arg("+inf").arg("+inf");
            commands.cmd("ZADD").arg(&names.entries).arg("+inf").arg(marker.to_string());
            commands.cmd("DEL").arg(&names.order);
        });
        for _ in 0..MARK_ATTEMPTS {
            let [_, score] = self.connection.send::<[Value; 2]>("WATCH", &watch, REPLY_LIMIT).await?;
            // Reading may have taken a while.
            let may_mark = is_ordered || self.shared.believes_after_restart || self.shared.freshness.is_usable();
            if score == Value::Nil || !may_mark {
                self.connection.send::<Value>("UNWATCH", &unwatch, REPLY_LIMIT).await?;
                return Ok(None);
            }
            if results(self.connection.send("EXEC", &mark, REPLY_LIMIT).await?)?.is_some() {
                self.shared.report_marked();
                return Ok(Some(marker));
            }
        }
        Err(ServerFailure::UnexpectedReply("EXEC"))
    }
}

impl Seen {
    fn new() -> Self {
        Self { hashers: [RandomState::new(), RandomState::new()], until: HashMap::new() }
    }

    fn insert(&mut self, member: &str, until: u64) {
        let latest = self.until.entry(digest(&self.hashers, member)).or_default();
        *latest = until.max(*latest);
    }

    fn has(&self, entry: &StoredEntry) -> bool {
        self.until.get(&digest(&self.hashers, &entry.member)).is_some_and(|until| *until >= entry.until)
    }
}

fn digest(hashers: &[RandomState; 2], member: &str) -> [u64; 2] {
    hashers.each_ref().map(|hasher| hasher.hash_one(member))
}
