//! From a guest's pieces to the URL that is sent.
//!
//! One function, so that what is checked and what is sent cannot differ: the
//! attack is a path that one parser reads as part of the origin and another as
//! another host.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use url::{Host, Url};

/// The longest path, in bytes. Longer request lines are refused by most servers.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// The longest query once encoded, in bytes.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// How often a path is decoded in search of hidden `..` segments. Servers decode
/// once or twice; a path that still changes after this many rounds is refused.
const MAX_DECODE_ROUNDS: usize = 4;

/// All but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The part of a request that is wrong. The text says which rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The path.
    #[error("the path {0}")]
    Path(&'static str),
    /// The query.
    #[error("the query {0}")]
    Query(&'static str),
    /// The connection's own origin: a fault of the host.
    #[error("the origin {0}")]
    Origin(&'static str),
}

/// Builds the URL of a request.
#[derive(Clone, Copy, Debug)]
pub struct OriginUrl;

impl OriginUrl {
    /// Puts origin, path and query together.
    ///
    /// `path` is already percent-encoded and starts with one `/`; the pairs of
    /// `query` are plain text and are encoded here. The result has exactly this
    /// origin and exactly this path.
    ///
    /// # Errors
    /// The part that breaks a rule of the contract's `http.request`.
    pub fn build(origin: &Url, path: &str, query: &[(String, String)]) -> Result<Url, UrlError> {
        check_origin(origin)?;
        check_path(path)?;
        let mut url = origin.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.set_query(Some(&encode_query(query)?));
        }
        // The parser may have seen something in the path that the rules above
        // have not: then what it made of it is not what was checked.
        if url.path() != path || url.fragment().is_some() {
            return Err(UrlError::Path("does not stay as it is when parsed"));
        }
        if url.origin() != origin.origin() || check_userinfo(&url).is_err() {
            return Err(UrlError::Path("leads to another origin"));
        }
        Ok(url)
    }
}

impl OriginUrl {
    /// Path and query as they go over the wire, under the rules of [`Self::build`].
    pub(crate) fn in_origin_form(
        path: &str,
        query: &[(String, String)],
    ) -> Result<String, UrlError> {
        check_path(path)?;
        Ok(match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", encode_query(query)?),
        })
    }
}

fn check_origin(origin: &Url) -> Result<(), UrlError> {
    if !matches!(origin.scheme(), "http" | "https") || !origin.has_host() {
        return Err(UrlError::Origin("is not an http or https origin"));
    }
    if matches!(origin.host(), Some(Host::Domain(""))) {
        return Err(UrlError::Origin("has no host"));
    }
    check_userinfo(origin)?;
    if origin.path() != "/" || origin.query().is_some() || origin.fragment().is_some() {
        return Err(UrlError::Origin("has a path, a query or a fragment"));
    }
    Ok(())
}

fn check_userinfo(url: &Url) -> Result<(), UrlError> {
    if url.username().is_empty() && url.password().is_none() {
        Ok(())
    } else {
        Err(UrlError::Origin("holds user information"))
    }
}

fn check_path(path: &str) -> Result<(), UrlError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(UrlError::Path("is longer than 8 KiB"));
    }
    if !path.starts_with('/') {
        return Err(UrlError::Path("does not start with `/`"));
    }
    if path.starts_with("//") {
        return Err(UrlError::Path("starts with `//`, which names a host"));
    }
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let allowed = match byte {
            b'%' => bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            // RFC 3986: unreserved, sub-delims, `:`, `@` and `/`.
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte),
        };
        if !allowed {
            return Err(UrlError::Path(
                "holds a character that must be percent-encoded or may not be there",
            ));
        }
    }
    check_decoded(bytes)
}

/// Looks for what servers may find in a path once they have decoded it.
fn check_decoded(path: &[u8]) -> Result<(), UrlError> {
    let mut current = path.to_vec();
    for _ in 0..MAX_DECODE_ROUNDS {
        if current.iter().any(|&byte| byte < 0x20 || byte == 0x7f) {
            return Err(UrlError::Path("holds a control character"));
        }
        if current.contains(&b'\\') {
            return Err(UrlError::Path("holds a backslash"));
        }
        if current.starts_with(b"//") {
            return Err(UrlError::Path("starts with `//`, which names a host"));
        }
        for segment in current.split(|&byte| byte == b'/') {
            // Some servers drop `;parameters` before they look at a segment.
            let name = segment
                .split(|&byte| byte == b';')
                .next()
                .unwrap_or_default();
            if name == b"." || name == b".." {
                return Err(UrlError::Path("holds a `.` or `..` segment"));
            }
        }
        let next: Vec<u8> = percent_decode(&current).collect();
        if next == current {
            return Ok(());
        }
        current = next;
    }
    Err(UrlError::Path("is percent-encoded too many times over"))
}

fn encode_query(pairs: &[(String, String)]) -> Result<String, UrlError> {
    let mut query = String::new();
    for (name, value) in pairs {
        if name.is_empty() {
            return Err(UrlError::Query("holds a pair without a name"));
        }
        if name.len() + value.len() > MAX_QUERY_BYTES {
            return Err(UrlError::Query("is longer than 16 KiB"));
        }
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(utf8_percent_encode(name, QUERY));
        query.push('=');
        query.extend(utf8_percent_encode(value, QUERY));
        if query.len() > MAX_QUERY_BYTES {
            return Err(UrlError::Query("is longer than 16 KiB"));
        }
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(path: &str, query: &[(&str, &str)]) -> Result<String, UrlError> {
        let origin = Url::parse("https://acme.my.example.com").unwrap();
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        OriginUrl::build(&origin, path, &query).map(String::from)
    }

    #[test]
    fn paths_and_queries_are_sent_as_they_were_checked() {
        for (path, query, sent) in [
            ("/", &[][..], "/"),
            ("/services/data/v60.0/", &[], "/services/data/v60.0/"),
            (
                "/query",
                &[("q", "SELECT Id FROM A WHERE N = 'a&b=c+d#?é'")],
                "/query?q=SELECT%20Id%20FROM%20A%20WHERE%20N%20%3D%20%27a%26b%3Dc%2Bd%23%3F%C3%A9%27",
            ),
            ("/a", &[("x", ""), ("x", "\r\n\0")], "/a?x=&x=%0D%0A%00"),
            ("/Ext__c/a%2Fb", &[], "/Ext__c/a%2Fb"),
            ("/100%25", &[], "/100%25"),
            ("/a..b/...", &[], "/a..b/..."),
            ("/a//b", &[], "/a//b"),
            ("/@evil.example.net:443", &[], "/@evil.example.net:443"),
            (
                "/https://evil.example.net/",
                &[],
                "/https://evil.example.net/",
            ),
        ] {
            assert_eq!(
                build(path, query).as_deref(),
                Ok(format!("https://acme.my.example.com{sent}").as_str()),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for path in [
            "",
            "services",
            "?q=1",
            "#a",
            "//evil.example.net",
            "//evil.example.net/a",
            "///evil.example.net",
            "/\\evil.example.net",
            "\\\\evil.example.net",
            "/a\\b",
            "/a%5cb",
            "/%2fevil.example.net",
            "/%2Fevil.example.net",
            "https://evil.example.net/",
            "HTTP://evil.example.net/",
            "@evil.example.net/",
            ":443@evil.example.net/",
            ".evil.example.net/",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\nb",
            "/a\r\nHost: evil.example.net",
            "/a\0",
            "/a%00",
            "/a%0d%0aX:y",
            "/a%7f",
            "/ä",
            "/\u{ff0f}evil",
            "/.",
            "/..",
            "/./a",
            "/../a",
            "/a/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/.%2e/b",
            "/a/%2E./b",
            "/a/%2e",
            "/a%2f..%2fb",
            "/a%2f%2e%2e",
            "/a/%252e%252e/b",
            "/a/%25252e%25252e/b",
            "/a/..;x=1/b",
            "/a/%2e%2e%3bx/b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a<b>",
            "/a\"b",
            "/a{b}",
            "/a|b",
            "/a^b`",
        ] {
            assert!(
                matches!(build(path, &[]), Err(UrlError::Path(_))),
                "{path:?}"
            );
        }
        let deep = format!("/%{}41", "25".repeat(9));
        assert!(build(&deep, &[]).is_err());
    }

    #[test]
    fn lengths_are_capped() {
        let longest = format!("/{}", "a".repeat(MAX_PATH_BYTES - 1));
        assert!(build(&longest, &[]).is_ok());
        assert!(build(&format!("{longest}a"), &[]).is_err());
        let value = "ä".repeat(MAX_QUERY_BYTES / 6 + 1);
        assert!(build("/a", &[("q", &value)]).is_err(), "encoded it is more");
        assert!(build("/a", &[("q", &value[..value.len() - 2])]).is_ok());
        assert!(build("/a", &[("", "x")]).is_err());
    }

    #[test]
    fn an_origin_that_is_more_than_an_origin_is_refused() {
        for origin in [
            "https://user@acme.my.example.com/",
            "https://acme.my.example.com/path",
            "https://acme.my.example.com/?q",
            "https://acme.my.example.com/#f",
            "file:///etc/passwd",
            "data:text/plain,a",
        ] {
            let origin = Url::parse(origin).unwrap();
            assert!(
                matches!(
                    OriginUrl::build(&origin, "/a", &[]),
                    Err(UrlError::Origin(_))
                ),
                "{origin}"
            );
        }
    }

    /// Paths of pieces that some parser or other reads in a way of its own.
    fn path() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "/",
            "//",
            "..",
            ".",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "%25",
            "%00",
            "\\",
            "@",
            ":",
            ";",
            "?",
            "#",
            "a",
            "evil.example.net",
            "https:",
            "443",
            "\r\n",
            "\t",
            " ",
            "\u{ff0f}",
            "é",
            "%",
        ]);
        let pieces = proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
        prop_oneof![8 => pieces.prop_map(|path| format!("/{path}")), 1 => ".{0,12}"]
    }

    proptest! {
        #[test]
        fn whatever_a_guest_asks_for_stays_on_its_origin_as_it_was_checked(
            path in path(), name in ".{1,8}", value in ".{0,12}",
        ) {
            crate::fuzz::path([path, name, value].join("\n").as_bytes());
        }
    }
}
