//! What no layer that tells the handler who calls can do without, and no check: an extension.

use std::sync::Arc;

use axum::extract::Request;
use tower::layer::layer_fn;
use tower::util::MapRequest;

use super::none::{NONE, router};
use super::{App, Peer};

/// How fast a layer could be whose check takes no time.
pub(crate) const EXTENSION_ALONE: Peer = Peer {
    name: "an extension alone",
    note: "a layer that puts an `Arc` into the request's extensions, and looks at nothing",
    without_check: Some(&NONE),
    requests: |_, _| None,
    app: |_| {
        let caller: Arc<str> = Arc::from("caller");
        let add_extension = move |mut request: Request| {
            request.extensions_mut().insert(Arc::clone(&caller));
            request
        };
        App::Axum08(router().route_layer(layer_fn(move |inner| MapRequest::new(inner, add_extension.clone()))))
    },
};
