//! The protocol, RESP2.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Simple(&'static str),
    Error(String),
    Int(i64),
    Bulk(String),
    NilArray,
    Array(Vec<Self>),
}

impl Reply {
    pub(crate) fn bulk(text: impl ToString) -> Self {
        Self::Bulk(text.to_string())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => out.extend(format!("+{text}\r\n").bytes()),
            Self::Error(text) => out.extend(format!("-{text}\r\n").bytes()),
            Self::Int(number) => out.extend(format!(":{number}\r\n").bytes()),
            Self::Bulk(text) => out.extend(format!("${}\r\n{text}\r\n", text.len()).bytes()),
            Self::NilArray => out.extend(b"*-1\r\n"),
            Self::Array(parts) => {
                out.extend(format!("*{}\r\n", parts.len()).bytes());
                parts.iter().for_each(|part| part.encode(out));
            }
        }
    }
}

/// The next command; `None` at the end of the connection.
pub(crate) async fn command<R: tokio::io::AsyncRead + Unpin>(stream: &mut BufReader<R>) -> Option<Vec<String>> {
    let count = length(stream, '*').await?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let mut bytes = vec![0; length(stream, '$').await? + 2];
        stream.read_exact(&mut bytes).await.ok()?;
        bytes.truncate(bytes.len() - 2);
        words.push(String::from_utf8(bytes).ok()?);
    }
    Some(words)
}

async fn length<R: tokio::io::AsyncRead + Unpin>(stream: &mut BufReader<R>, mark: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
