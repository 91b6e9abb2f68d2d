//! Following the stream. Each round reads what is new, then sees whether the list is still the one that is followed:
//! only then is the list known to be complete as of the time at which the round began.

use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Pipeline, Value, pipe};

use super::marker::{Marker, add_marker_read};
use super::replies::{self, News};
use super::session::{FIRST_BACKOFF, REPLY_LIMIT, Session};
use crate::failure::ServerFailure;

/// How long the server waits for news before it replies that there is none.
const BLOCK: Duration = Duration::from_millis(400);
const ROUND_LIMIT: Duration = BLOCK.saturating_add(REPLY_LIMIT);
/// Records a round.
const MAX_RECORDS: usize = 1_000;
/// How often ended entries are removed from the server, and how often what could not be written is uploaded.
const BETWEEN_CLEANINGS: Duration = Duration::from_secs(60);
const BETWEEN_UPLOADS: Duration = Duration::from_secs(2);
/// Entries are kept in the server for so long after their tokens' end: more than twice the largest leeway, and what
/// replicas' clocks may differ.
const KEPT_AFTER_END: Duration = Duration::from_secs(3_600);

enum Round {
    /// The list is complete.
    Complete,
    /// There is more news.
    More,
    /// The server has another list, or a gap in its news.
    ReadAgain,
}

impl Session<'_> {
    /// Until the list has to be read as a whole again.
    pub(super) async fn follow(&mut self, backoff: &mut Duration) -> Result<(), ServerFailure> {
        let began = self.shared.clock.monotonic();
        let mut cleaned_at = began;
        // The first round does not wait: the list counts as complete after it.
        let mut waits = false;
        loop {
            let asked_at = self.shared.freshness.now();
            let (round, server_time) = self.round(waits).await?;
            match round {
                Round::Complete => {
                    self.shared.freshness.set_complete(asked_at);
                    self.shared.report_following();
                    *backoff = FIRST_BACKOFF;
                    waits = true;
                }
                Round::More => waits = false,
                Round::ReadAgain => return Ok(()),
            }
            if self.shared.has_unshared.load(Ordering::Acquire) && asked_at.saturating_sub(began) >= BETWEEN_UPLOADS {
                return Ok(());
            }
            if asked_at.saturating_sub(cleaned_at) >= BETWEEN_CLEANINGS {
                cleaned_at = asked_at;
                self.remove_ended(server_time).await?;
            }
        }
    }

    async fn round(&mut self, waits: bool) -> Result<(Round, u64), ServerFailure> {
        let commands = self.round_commands(waits);
        let replies: [Value; 6] = self.connection.send("XREAD", &commands, ROUND_LIMIT).await?;
        let [news, first, last, markers, replication, time] = &replies;
        let server_time = replies::server_time(time)?;
        if !replies::is_primary(replication)? {
            return Err(ServerFailure::NotPrimary);
        }
        let news = replies::stream_news(news).inspect_err(|failure| self.shared.note_unreadable(failure))?;
        let (records, before) = (news.len(), self.position);
        let mut has_gap = false;
        for (id, news) in news {
            match news {
                News::Revoked(entry) => self.shared.apply(&entry)?,
                News::ReadAgain => has_gap |= self.own_hint != Some(id),
            }
            self.position = id;
            let took = server_time.saturating_sub(id.milliseconds);
            self.shared.report_propagation(Duration::from_millis(took));
        }
        let [first, last] = [replies::record_id(first)?, replies::record_id(last)?];
        has_gap |= first.is_none_or(|first| first > before) || last.is_none_or(|last| last < self.position);
        if has_gap || Marker::choose(&replies::markers(markers)?, &self.server.run_id) != self.marker {
            return Ok((Round::ReadAgain, server_time));
        }
        Ok((if records < MAX_RECORDS { Round::Complete } else { Round::More }, server_time))
    }

    fn round_commands(&self, waits: bool) -> Pipeline {
        let names = &self.shared.names;
        let mut commands = pipe();
        let read = commands.cmd("XREAD").arg("COUNT").arg(MAX_RECORDS);
        if waits {
            // `BLOCK 0` would wait for ever.
            read.arg("BLOCK").arg(BLOCK.as_millis().max(1).to_string());
        }
        read.arg("STREAMS").arg(&names.news).arg(self.position.to_string());
        // Records are removed oldest first, so nothing is missing as long as there is one that was read before.
        commands.cmd("XRANGE").arg(&names.news).arg("-").arg("+").arg("COUNT").arg(1);
        commands.cmd("XREVRANGE").arg(&names.news).arg("+").arg("-").arg("COUNT").arg(1);
        add_marker_read(&mut commands, names);
        commands.cmd("INFO").arg("replication");
        commands.cmd("TIME");
        commands
    }

    /// By the earlier one of both clocks: one that is ahead would remove what still counts.
    async fn remove_ended(&mut self, server_time: u64) -> Result<(), ServerFailure> {
        let own = self.shared.now().map_err(|_| ServerFailure::ClockUnavailable)?.as_secs();
        let ended = (server_time / 1_000).min(own).saturating_sub(KEPT_AFTER_END.as_secs());
        let mut command = pipe();
        let remove = command.cmd("ZREMRANGEBYSCORE").arg(&self.shared.names.entries);
        remove.arg("-inf").arg(format!("({ended}"));
        self.connection.send::<Value>("ZREMRANGEBYSCORE", &command, REPLY_LIMIT).await.map(drop)
    }
}
