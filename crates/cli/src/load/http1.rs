//! HTTP/1.1 with as little between the socket and the figures as can be: the generator must not need more CPU than the
//! server that it measures.
//!
//! In words: write the bytes of a request that was put together before, read until the head of the answer is complete,
//! skip its body, say whether the connection can be used again. One request at a time, no pipelining.

use std::io;

use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answers::{MAX_TOLD_BYTES, REASON_FIELD, Reply, Told};
use super::connect::Stream;

/// An answer's head may have as many bytes and fields.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_FIELDS: usize = 64;

/// One connection.
pub(super) struct Http1 {
    stream: Stream,
    /// What was read and not used yet.
    buffer: Vec<u8>,
    /// What the last answer said about itself.
    told: Vec<u8>,
    /// Its reason code, if this is our own API.
    reason: Option<Vec<u8>>,
    is_reusable: bool,
}

/// What the head says about the answer.
struct Head {
    status: u16,
    bytes: usize,
    body: Body,
    keeps_alive: bool,
    has_challenge: bool,
}

#[derive(Clone, Copy)]
enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Http1 {
    pub(super) fn new(stream: Stream, is_own_api: bool) -> Self {
        let (buffer, reason) = (Vec::with_capacity(16 * 1024), is_own_api.then(Vec::new));
        Self { stream, buffer, told: Vec::new(), reason, is_reusable: true }
    }

    /// Whether another request can be sent.
    pub(super) const fn is_reusable(&self) -> bool {
        self.is_reusable
    }

    /// Sends a request and reads its answer to the end.
    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.is_reusable = false;
        self.told.clear();
        self.reason.iter_mut().for_each(Vec::clear);
        self.stream.write_all(request).await?;
        let head = loop {
            match parse_head(&self.buffer, &mut self.told, self.reason.as_mut())? {
                // An interim response; the answer follows (RFC 9110 §15.2).
                Some(head) if (100..200).contains(&head.status) => self.consume(head.bytes),
                Some(head) => break head,
                None if self.buffer.len() >= MAX_HEAD_BYTES => return Err(invalid("head too large")),
                None => self.fill().await?,
            }
        };
        self.consume(head.bytes);
        let keep = if head.status == 200 || head.has_challenge { 0 } else { MAX_TOLD_BYTES };
        match head.body {
            Body::Length(length) => self.skip(length, keep).await?,
            Body::Chunked => self.skip_chunks(keep).await?,
            Body::UntilClose => loop {
                let length = self.buffer.len().try_into().unwrap_or(u64::MAX);
                self.skip(length, keep).await?;
                match self.fill().await {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                    read => read?,
                }
            },
        }
        self.is_reusable = head.keeps_alive && self.buffer.is_empty();
        Ok(Reply::Status(head.status, Told { text: &self.told, reason: self.reason.as_deref() }))
    }

    /// Leaves `length` bytes behind, and keeps the start of them as what the answer says, up to `keep` bytes in all.
    async fn skip(&mut self, mut length: u64, keep: usize) -> io::Result<()> {
        loop {
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            let room = keep.saturating_sub(self.told.len()).min(here);
            self.told.extend_from_slice(self.buffer.get(..room).unwrap_or_default());
            self.consume(here);
            length -= u64::try_from(here).unwrap_or(length);
            if length == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// RFC 9112 §7.1.
    async fn skip_chunks(&mut self, keep: usize) -> io::Result<()> {
        loop {
            match httparse::parse_chunk_size(&self.buffer).map_err(|_| invalid("wrong chunk size"))? {
                Status::Complete((line, 0)) => {
                    self.consume(line);
                    return self.skip_trailers().await;
                }
                Status::Complete((line, size)) => {
                    self.consume(line);
                    self.skip(size, keep).await?;
                    self.skip(2, 0).await?;
                }
                Status::Partial if self.buffer.len() >= MAX_HEAD_BYTES => return Err(invalid("wrong chunk size")),
                Status::Partial => self.fill().await?,
            }
        }
    }

    async fn skip_trailers(&mut self) -> io::Result<()> {
        loop {
            let mut fields = [EMPTY_HEADER; MAX_FIELDS];
            match httparse::parse_headers(&self.buffer, &mut fields).map_err(|_| invalid("wrong trailer"))? {
                Status::Complete((bytes, _)) => {
                    self.consume(bytes);
                    return Ok(());
                }
                Status::Partial if self.buffer.len() >= MAX_HEAD_BYTES => return Err(invalid("trailer too large")),
                Status::Partial => self.fill().await?,
            }
        }
    }

    /// Reads more.
    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn consume(&mut self, bytes: usize) {
        if bytes >= self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..bytes);
        }
    }
}

/// The head, when all of it has come. Unless the status is 200, a challenge is copied to `told`, and to `reason` the
/// code of our own API.
fn parse_head(bytes: &[u8], told: &mut Vec<u8>, mut reason: Option<&mut Vec<u8>>) -> io::Result<Option<Head>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let Status::Complete(length) = response.parse(bytes).map_err(|_| invalid("not HTTP"))? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    // RFC 9112 §9.3, §6.3.
    let mut keeps_alive = response.version == Some(1);
    let mut body = if matches!(status, 204 | 304) { Body::Length(0) } else { Body::UntilClose };
    let mut has_challenge = false;
    for field in response.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") && matches!(body, Body::UntilClose) {
            let text = std::str::from_utf8(field.value).unwrap_or_default();
            body = Body::Length(text.trim().parse().map_err(|_| invalid("wrong content length"))?);
        } else if is("transfer-encoding") && !matches!(status, 204 | 304) {
            body = Body::Chunked;
        } else if is("connection") && field.value.eq_ignore_ascii_case(b"close") {
            keeps_alive = false;
        } else if status != 200 && is("www-authenticate") && !has_challenge {
            has_challenge = true;
            told.clear();
            told.extend_from_slice(field.value.get(..MAX_TOLD_BYTES).unwrap_or(field.value));
        } else if status != 200
            && is(REASON_FIELD)
            && let Some(reason) = &mut reason
        {
            reason.extend_from_slice(field.value.get(..MAX_TOLD_BYTES).unwrap_or(field.value));
        }
    }
    keeps_alive &= !matches!(body, Body::UntilClose);
    Ok(Some(Head { status, bytes: length, body, keeps_alive, has_challenge }))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What is made of an answer that comes in pieces of this size.
    async fn read(answer: &str, piece: usize) -> (io::Result<(u16, String)>, bool) {
        let (client, mut server) = duplex(piece);
        let answer = answer.to_owned();
        let serving = tokio::spawn(async move {
            let mut request = [0; 1];
            server.read_exact(&mut request).await.unwrap();
            // A client that has seen enough closes.
            let _ = server.write_all(answer.as_bytes()).await;
        });
        let mut connection = Http1::new(Box::new(client), false);
        let reply = match connection.send(b"x").await {
            Ok(Reply::Status(status, told)) => Ok((status, String::from_utf8(told.text.to_vec()).unwrap())),
            Ok(Reply::Lost(why)) => Err(io::Error::other(why)),
            Err(error) => Err(error),
        };
        let is_reusable = connection.is_reusable();
        drop(connection);
        serving.await.unwrap();
        (reply, is_reusable)
    }

    #[tokio::test]
    async fn answers_are_read_to_their_end_however_they_are_cut() {
        let good = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let chunked =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n";
        let refused = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n\
                       content-length: 3\r\n\r\nno!";
        let told_in_body = "HTTP/1.1 503 x\r\ncontent-length: 12\r\n\r\n{\"error\":\"\"}";
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        for piece in [1, 7, 4096] {
            for (answer, status, told, reusable) in [
                (good, 200, "", true),
                (chunked, 200, "", true),
                (refused, 401, "Bearer error=\"invalid_token\"", true),
                (told_in_body, 503, "{\"error\":\"\"}", true),
                (interim, 204, "", true),
                ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 200, "", false),
                ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "", false),
                ("HTTP/1.1 500 x\r\n\r\nuntil the end", 500, "until the end", false),
            ] {
                let (reply, is_reusable) = read(answer, piece).await;
                assert_eq!(reply.unwrap(), (status, told.to_owned()), "{answer} by {piece}");
                assert_eq!(is_reusable, reusable, "{answer} by {piece}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_an_answer_is_an_error() {
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(2 * MAX_HEAD_BYTES));
        for answer in [
            "",
            "SSH-2.0\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            &endless,
        ] {
            let (reply, is_reusable) = read(answer, 4096).await;
            assert!(reply.is_err() && !is_reusable, "{answer:.60}");
        }
    }
}
