//! Who may use the admin API: programs on this machine, and no web page that one of its browsers shows.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use super::refusal::AdminRefusal;

/// What a request that is meant for this machine names. A web page whose own name was made to lead here (DNS rebinding)
/// can send what it likes, but not another `Host` than that name.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

pub(super) async fn admit(request: Request, next: Next) -> Result<Response, AdminRefusal> {
    // Browsers send it with every request of a page that can change something; other programs have no reason to.
    if request.headers().contains_key(header::ORIGIN) {
        return Err(AdminRefusal::cross_site(
            "the admin API does not answer web pages; leave out `Origin`, and use another program than a browser",
        ));
    }
    if !is_for_loopback(request.uri(), request.headers()) {
        return Err(AdminRefusal::cross_site(
            "the request is for another host; send one `Host`, `127.0.0.1` or `localhost` with the port of this API",
        ));
    }
    Ok(next.run(request).await)
}

/// Whether whatever the request says about its host is a name of loopback, and it says something.
fn is_for_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = Authority::try_from(host.as_bytes());
    host.as_ref().is_ok_and(is_loopback) && uri.authority().is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    let no_user = !authority.as_str().contains('@');
    no_user && LOOPBACK.iter().any(|name| authority.host().eq_ignore_ascii_case(name))
}
