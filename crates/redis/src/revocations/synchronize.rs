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
use tokio::time::sleep;

use super::entry::StoredEntry;
use super::marker::{ANNOUNCED, ANY_VERSION, Marker};
use super::replies::{self, READ_AGAIN, RecordId};
use super::session::{Look, REPLY_LIMIT, Session, jittered};
use super::write::{add_entries, add_news, add_record};
use crate::connection::{results, transaction};
use crate::failure::ServerFailure;

/// Members a page: the server is busy with one for a millisecond or two.
const PAGE: usize = 4_000;
/// Entries a command, and commands that are sent at once.
const BATCH: usize = 500;
/// One that does not end was given up.
const LOOKS_AT_UPLOADS: u32 = 20;
const BETWEEN_LOOKS_AT_UPLOADS: Duration = Duration::from_millis(100);
const BATCHES: usize = 20;
const PAGE_LIMIT: Duration = Duration::from_secs(5);
/// So many missing entries are reported one by one; more, by one record that says to read again.
const MAX_NEWS: usize = 100;

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
        // Now, not after others were waited for, nor after the upload: the server has what is written from here on.
        let is_recent = self.shared.freshness.is_usable();
        let look = self.look_after_uploads().await?;
        self.position = match look.last_record {
            Some(id) => id,
            // It always has a record, so that one which was deleted is noticed.
            None => self.add_hint().await?,
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
        let may_mark = is_ordered || is_believed || is_recent;
        let will_mark = may_mark && (is_ordered || !is_confirmed);
        let announced = will_mark.then(|| Marker::new(&self.server.run_id, shared.max(own)));
        if let Some(marker) = &announced {
            let mut command = pipe();
            command.cmd("ZADD").arg(&self.shared.names.entries).arg(ANNOUNCED).arg(marker.to_string());
            self.connection.send::<Value>("ZADD", &command, REPLY_LIMIT).await?;
        }
        let seen = self.read_entries().await?;
        self.upload_missing(&seen).await?;
        self.marker = match announced {
            Some(marker) => self.mark(marker, &look.markers).await?,
            None if is_confirmed => look.marker,
            None => None,
        };
        if let Some(marker) = &self.marker {
            self.shared.longest_lifetime.store(marker.lifetime.as_secs(), Ordering::Release);
        }
        Ok(())
    }

    /// Waits for a replica that is uploading: most of what it uploads, this one would upload, too.
    async fn look_after_uploads(&self) -> Result<Look, ServerFailure> {
        let mut look = self.look().await?;
        for _ in 0..LOOKS_AT_UPLOADS {
            if !look.is_announced || look.marker.as_ref().is_some_and(|marker| self.is_believed(marker)) {
                break;
            }
            sleep(jittered(BETWEEN_LOOKS_AT_UPLOADS)).await;
            look = self.look().await?;
        }
        Ok(look)
    }

    /// Tells the others to read again.
    async fn add_hint(&self) -> Result<RecordId, ServerFailure> {
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
                if member.starts_with(ANY_VERSION) {
                    continue;
                }
                let entry = score.and_then(|until| Some((until, StoredEntry::read(&member, until)?)));
                let entry = entry.ok_or(ServerFailure::UnreadableEntry);
                let (until, entry) = entry.inspect_err(|failure| self.shared.note_unreadable(failure))?;
                self.shared.apply(&entry)?;
                seen.insert(&member, until);
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
        if missing.len() <= MAX_NEWS {
            let commands = transaction(|commands| {
                add_entries(commands, names, &missing);
                missing.iter().for_each(|entry| add_news(commands, names, entry));
            });
            results(self.connection.send("EXEC", &commands, PAGE_LIMIT).await?)?;
        } else {
            for part in missing.chunks(BATCH * BATCHES) {
                let mut commands = pipe();
                part.chunks(BATCH).for_each(|batch| add_entries(&mut commands, names, batch));
                self.connection.send::<Value>("ZADD", &commands, PAGE_LIMIT).await?;
            }
            self.own_hint = Some(self.add_hint().await?);
        }
        self.shared.report_uploaded(missing.len());
        Ok(())
    }

    /// Says that the server holds the list, in place of what said so before. `None` if the server lost what was uploaded in
    /// the meantime, or another replica said so: then its marker stays.
    async fn mark(&self, marker: Marker, before: &[Marker]) -> Result<Option<Marker>, ServerFailure> {
        let names = &self.shared.names;
        let mark = transaction(|commands| {
            // Only if it is still there.
            commands.cmd("ZADD").arg(&names.entries).arg("XX").arg("CH").arg("+inf").arg(marker.to_string());
            // Those that other replicas announced: they will find this one.
            commands.cmd("ZREMRANGEBYSCORE").arg(&names.entries).arg(ANNOUNCED).arg(ANNOUNCED);
            for old in before {
                commands.cmd("ZREM").arg(&names.entries).arg(old.to_string());
            }
        });
        let replies = results(self.connection.send("EXEC", &mark, REPLY_LIMIT).await?)?;
        if !matches!(replies.as_slice(), [Value::Int(1), ..]) {
            return Ok(None);
        }
        let mut command = pipe();
        command.cmd("DEL").arg(&names.order);
        self.connection.send::<Value>("DEL", &command, REPLY_LIMIT).await?;
        self.shared.report_marked();
        Ok(Some(marker))
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
