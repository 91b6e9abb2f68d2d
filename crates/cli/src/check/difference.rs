//! How two identifiers differ that look alike: they are compared byte by byte, and people do not read so.

/// What makes `theirs` another name than `ours`, when it is little enough to be a slip.
pub(super) fn describe(theirs: &str, ours: &str) -> Option<&'static str> {
    let bare = |name: &'_ str| name.trim().trim_end_matches('/').to_owned();
    let host = |name: &'_ str| name.split_once("://").map(|(_, rest)| rest.to_owned());
    if theirs == ours {
        None
    } else if theirs.trim_end_matches('/') == ours.trim_end_matches('/') {
        Some("a trailing slash away from yours")
    } else if theirs.trim() == ours.trim() {
        Some("a space away from yours")
    } else if theirs.eq_ignore_ascii_case(ours) {
        Some("the same as yours but for upper and lower case")
    } else if host(theirs).is_some() && host(theirs) == host(ours) {
        Some("another scheme than yours, as http is to https")
    } else if without_default_port(theirs) == without_default_port(ours) {
        Some("the same as yours but for the port, which is written out in one of them")
    } else if theirs.strip_prefix("api://") == Some(ours) || ours.strip_prefix("api://") == Some(theirs) {
        Some("the same as yours but for `api://`")
    } else if loosely(&bare(theirs)) == loosely(&bare(ours)) {
        Some("nearly yours: scheme, case or trailing slash differ")
    } else if authority(theirs).is_some() && authority(theirs) == authority(ours) {
        Some("on the same host as yours, under another path: another tenant, realm or version?")
    } else {
        None
    }
}

fn without_default_port(name: &str) -> String {
    match name.split_once("://") {
        Some(("https", rest)) => format!("https://{}", rest.replacen(":443", "", 1)),
        Some(("http", rest)) => format!("http://{}", rest.replacen(":80/", "/", 1)),
        _ => name.to_owned(),
    }
}

fn loosely(name: &str) -> String {
    let name = without_default_port(&name.to_ascii_lowercase());
    name.split_once("://").map_or(name.clone(), |(_, rest)| rest.to_owned())
}

fn authority(name: &str) -> Option<&str> {
    name.split_once("://")?.1.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slip_has_its_name() {
        let ours = "https://as.example.com/a";
        for (theirs, expected) in [
            ("https://as.example.com/a/", Some("trailing slash")),
            (" https://as.example.com/a", Some("space")),
            ("https://AS.example.com/a", Some("upper and lower case")),
            ("http://as.example.com/a", Some("another scheme")),
            ("https://as.example.com:443/a", Some("port")),
            ("HTTP://as.example.com/a/", Some("nearly")),
            ("https://as.example.com/b", Some("another path")),
            ("https://other.example.com/a", None),
            (ours, None),
        ] {
            let described = describe(theirs, ours);
            assert_eq!(described.is_some(), expected.is_some(), "{theirs}");
            assert!(described.unwrap_or_default().contains(expected.unwrap_or_default()), "{theirs}: {described:?}");
        }
        assert!(describe("api://1f0c", "1f0c").unwrap().contains("api://"));
    }
}
