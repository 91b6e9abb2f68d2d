//! The commands that write. Each can be repeated without another effect.

use redis::Pipeline;

use super::entry::StoredEntry;
use super::names::Names;
use super::replies::{MEMBER, UNTIL};

/// How much news the stream keeps. A replica that missed more reads the whole list.
const MAX_NEWS_KEPT: usize = 10_000;

/// Adds entries; the later end of an entry that is there stays.
pub(super) fn add_entries(commands: &mut Pipeline, names: &Names, entries: &[StoredEntry]) {
    let command = commands.cmd("ZADD").arg(&names.entries).arg("GT");
    for entry in entries {
        command.arg(entry.until).arg(&entry.member);
    }
}

/// Reports an entry to the replicas that follow.
pub(super) fn add_news(commands: &mut Pipeline, names: &Names, entry: &StoredEntry) {
    add_record(commands, names, &[(MEMBER, &entry.member), (UNTIL, &entry.until.to_string())]);
}

pub(super) fn add_record(commands: &mut Pipeline, names: &Names, fields: &[(&str, &str)]) {
    let command = commands.cmd("XADD").arg(&names.news).arg("MAXLEN").arg("~").arg(MAX_NEWS_KEPT).arg("*");
    for (name, value) in fields {
        command.arg(name).arg(value);
    }
}
