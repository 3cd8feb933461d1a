//! The rule for products that want the access token in the body of certain
//! requests: which requests, and at which place.
//!
//! The place is pinned by all that stands before it. A guest that could choose
//! it would put the token into a field of a record, and then ask the product
//! about that field.

use serde::Deserialize;

/// What stands for the token in [`BodyCredential::start`].
const CREDENTIAL: &str = "{credential}";

/// More is no beginning of a body.
const MAX_START_BYTES: usize = 4096;

/// A body that carries the access token, beside the header that always does.
///
/// Only POST requests to `path` whose body begins with exactly `start` are
/// changed: `{credential}` there becomes the token, with `&`, `<`, `>` and `"`
/// escaped as XML has them. Anywhere else the word stays as it is, also in bodies
/// that go up as streams.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyCredential {
    /// The path, percent-encoded as it is sent. A last segment `*` stands for
    /// any one segment.
    pub path: String,
    /// How the body begins, to behind the place of the token, at most 4 KiB,
    /// with `{credential}` once. It should close all that it opens around the
    /// token, so that a guest cannot go on within it.
    pub start: String,
}

impl BodyCredential {
    /// What stands before and behind the token in a body to this path, if the
    /// body begins as it must; `behind` is all the rest of the body.
    pub(crate) fn split<'b>(&self, path: &str, body: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
        if !self.covers(path) || !body.starts_with(self.start.as_bytes()) {
            return None;
        }
        let at = self.start.find(CREDENTIAL)?;
        Some((body.get(..at)?, body.get(at + CREDENTIAL.len()..)?))
    }

    fn covers(&self, path: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(folder) => path
                .strip_prefix(folder)
                .is_some_and(|last| !last.is_empty() && !last.contains('/')),
            None => path == self.path,
        }
    }

    /// Every rule that this breaks.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let folder = self.path.strip_suffix("/*").unwrap_or(&self.path);
        let is_plain = folder.starts_with('/')
            && !folder.starts_with("//")
            && !folder.contains(['*', '?', '#', '\\']);
        if !is_plain {
            problems.push(format!(
                "vendor.auth.in_body: `{}` is not a plain path, with `*` for its last segment",
                self.path.escape_default()
            ));
        }
        let is_pinned = self.start.matches(CREDENTIAL).count() == 1
            && !self.start.starts_with(CREDENTIAL)
            && self.start.len() <= MAX_START_BYTES;
        if !is_pinned {
            problems.push(format!(
                "vendor.auth.in_body: a start has `{CREDENTIAL}` once, something before it, and \
                 {MAX_START_BYTES} bytes at most"
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, start: &str) -> BodyCredential {
        BodyCredential {
            path: path.to_owned(),
            start: start.to_owned(),
        }
    }

    #[test]
    fn only_bodies_that_begin_as_they_must_and_go_where_they_may_are_split() {
        let rule = rule("/soap/*", "<a>{credential}</a>");
        let body = b"<a>{credential}</a><b>{credential}</b>";
        assert_eq!(
            rule.split("/soap/60.0", body),
            Some((&b"<a>"[..], &b"</a><b>{credential}</b>"[..]))
        );
        for path in [
            "/soap/",
            "/soap",
            "/soap/60.0/more",
            "/SOAP/60.0",
            "/x/soap/60.0",
            "/soapy/60.0",
        ] {
            assert_eq!(rule.split(path, body), None, "{path}");
        }
        for body in [
            &b" <a>{credential}</a>"[..],
            b"<a>{credential}",
            b"<a>{credential}<",
            b"<A>{credential}</A>",
            b"{credential}",
            b"",
        ] {
            assert_eq!(rule.split("/soap/60.0", body), None);
        }
        let exact = super::BodyCredential {
            path: "/soap".to_owned(),
            ..rule
        };
        assert!(exact.split("/soap", body).is_some());
        assert!(exact.split("/soap/60.0", body).is_none());
    }

    #[test]
    fn a_rule_that_pins_no_place_is_a_problem() {
        assert!(rule("/soap/*", "<a>{credential}</a>").problems().is_empty());
        for (path, start) in [
            ("/soap/*", "{credential}"),
            ("/soap/*", "<a>"),
            ("/soap/*", "<a>{credential}{credential}"),
            ("*", "<a>{credential}"),
            ("/*/soap", "<a>{credential}"),
            ("/so*", "<a>{credential}"),
            ("soap", "<a>{credential}"),
            ("//soap", "<a>{credential}"),
            ("/soap?a", "<a>{credential}"),
        ] {
            assert_eq!(rule(path, start).problems().len(), 1, "{path} {start}");
        }
    }
}
