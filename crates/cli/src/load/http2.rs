//! HTTP/2 by hyper's client.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::answers::{MAX_TOLD_BYTES, REASON_FIELD, Reply, Told};
use super::connect::Stream;

/// One stream of a connection that several share.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Empty<Bytes>>,
    uri: Uri,
    told: Vec<u8>,
    /// The reason code of the last response, if this is our own API.
    reason: Option<Vec<u8>>,
}

impl Http2 {
    pub(super) async fn new(stream: Stream, uri: Uri, is_own_api: bool) -> io::Result<Self> {
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends with its last sender; what goes wrong in it, the requests hear of.
        tokio::spawn(connection);
        Ok(Self { sender, uri, told: Vec::new(), reason: is_own_api.then(Vec::new) })
    }

    pub(super) fn is_reusable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request with this `Authorization` and reads its answer to the end.
    pub(super) async fn send(&mut self, authorization: &Bytes) -> io::Result<Reply<'_>> {
        self.told.clear();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let value = HeaderValue::from_maybe_shared(authorization.clone()).map_err(io::Error::other)?;
        request.headers_mut().insert(header::AUTHORIZATION, value);

        self.sender.ready().await.map_err(io::Error::other)?;
        let response = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let challenge = challenge(response.headers()).filter(|_| status != 200);
        if let Some(challenge) = challenge {
            self.told.extend_from_slice(challenge.get(..MAX_TOLD_BYTES).unwrap_or(challenge));
        }
        if let Some(reason) = &mut self.reason {
            reason.clear();
            let code = response.headers().get(REASON_FIELD).filter(|_| status != 200);
            reason.extend_from_slice(code.map(HeaderValue::as_bytes).unwrap_or_default());
        }
        let mut room = if status == 200 || challenge.is_some() { 0 } else { MAX_TOLD_BYTES };
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame.map_err(io::Error::other)?.data_ref() {
                let kept = data.get(..room).unwrap_or(data);
                room -= kept.len();
                self.told.extend_from_slice(kept);
            }
        }
        Ok(Reply::Status(status, Told { text: &self.told, reason: self.reason.as_deref() }))
    }
}

fn challenge(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::WWW_AUTHENTICATE).map(HeaderValue::as_bytes)
}
