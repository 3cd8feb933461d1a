//! Takes a connection's live secrets out of what comes back from the product.
//!
//! A server that echoes its requests, or an error page that quotes a header,
//! would otherwise hand the token to the guest, to the log or to the caller.

mod forms;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use forms::Forms;
pub(crate) use forms::html;
pub use stream::RedactedStream;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Secrets shorter than this many bytes are not searched for: they would be
/// found all over in innocent text, and no product issues such tokens.
pub const MIN_SECRET_BYTES: usize = 8;

/// The secrets of one connection, in all forms in which they may come back.
///
/// Cheap to clone, and a few kilobytes. Made once for each set of tokens, since
/// that is when the search is prepared; searching costs a fraction of what TLS
/// costs.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    /// Finds the first bytes of each form; the rest is compared there. So the
    /// automaton stays small however long the tokens are.
    search: Option<AhoCorasick>,
    forms: Forms,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("forms", &self.inner.forms.len())
            .finish_non_exhaustive()
    }
}

/// Text or bytes without secrets, and how many were taken out: each one is a
/// reason for an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted<T> {
    /// What is left; the very same bytes if nothing was found.
    pub content: T,
    /// How many occurrences were replaced.
    pub removed: usize,
}

impl Redactor {
    /// Prepares the search for these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut forms = Forms::default();
        for secret in secrets {
            let secret = secret.expose_secret();
            if secret.len() >= MIN_SECRET_BYTES {
                forms.add(secret);
            }
        }
        // Building fails only for more patterns than there are numbers. If it
        // ever did, nothing may pass unsearched: then all is taken out.
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(forms.heads())
            .ok();
        Self {
            inner: Arc::new(Inner { search, forms }),
        }
    }

    /// A redactor without secrets: everything passes as it is.
    #[must_use]
    pub fn none() -> Self {
        Self::new(std::iter::empty::<&SecretString>())
    }

    /// A whole body.
    #[must_use]
    pub fn bytes(&self, content: Bytes) -> Redacted<Bytes> {
        let mut replaced = BytesMut::new();
        let (mut from, mut removed) = (0, 0);
        self.each_match(&content, |start, end| {
            replaced.extend_from_slice(content.get(from..start).unwrap_or_default());
            replaced.extend_from_slice(REDACTED.as_bytes());
            from = end;
            removed += 1;
        });
        if removed == 0 {
            return Redacted { content, removed };
        }
        replaced.extend_from_slice(content.get(from..).unwrap_or_default());
        Redacted {
            content: replaced.freeze(),
            removed,
        }
    }

    /// Text: an error message, for instance.
    #[must_use]
    pub fn text<'a>(&self, content: &'a str) -> Redacted<Cow<'a, str>> {
        let mut replaced = String::new();
        let (mut from, mut removed) = (0, 0);
        // Every form is ASCII or a whole secret, so matches lie on characters.
        self.each_match(content.as_bytes(), |start, end| {
            replaced.push_str(content.get(from..start).unwrap_or_default());
            replaced.push_str(REDACTED);
            from = end;
            removed += 1;
        });
        let content = if removed == 0 {
            Cow::Borrowed(content)
        } else {
            replaced.push_str(content.get(from..).unwrap_or_default());
            Cow::Owned(replaced)
        };
        Redacted { content, removed }
    }

    /// The value of a header field.
    #[must_use]
    pub fn header(&self, value: &HeaderValue) -> Redacted<HeaderValue> {
        let Redacted { content, removed } = self.bytes(Bytes::copy_from_slice(value.as_bytes()));
        let content = if removed == 0 {
            value.clone()
        } else {
            // Cutting pieces out of a valid value leaves a valid value.
            HeaderValue::from_maybe_shared(content)
                .unwrap_or_else(|_| HeaderValue::from_static(REDACTED))
        };
        Redacted { content, removed }
    }

    /// For a body that comes in parts.
    #[must_use]
    pub fn stream(&self) -> RedactedStream {
        RedactedStream::new(self.clone())
    }

    /// Finds the secrets in their order, none overlapping, the longest of those
    /// that start at the same place.
    fn each_match(&self, content: &[u8], mut found: impl FnMut(usize, usize)) {
        if self.inner.forms.is_empty() || content.is_empty() {
            return;
        }
        let Some(search) = &self.inner.search else {
            return found(0, content.len());
        };
        let mut from = 0;
        while let Some(hit) = search.find(Input::new(content).range(from..)) {
            let start = hit.start();
            let rest = content.get(start..).unwrap_or_default();
            match self.inner.forms.whole(hit.pattern().as_usize(), rest) {
                Some(length) => {
                    from = start + length;
                    found(start, from);
                }
                None => from = start + 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::*;

    const TOKEN: &str = "00Dx0000000BV7z!AR8AQ/AxO+9U.k\"q=";

    fn redactor() -> Redactor {
        Redactor::new([
            &SecretString::from(TOKEN),
            &SecretString::from("short"),
            &SecretString::from("refresh-5Aep861"),
        ])
    }

    fn bytes(text: &str) -> Redacted<Bytes> {
        redactor().bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_token_is_taken_out_and_counted() {
        let result = bytes(&format!("a {TOKEN} b {TOKEN}{TOKEN} refresh-5Aep861"));
        assert_eq!(
            result.content,
            "a [redacted] b [redacted][redacted] [redacted]"
        );
        assert_eq!(result.removed, 4);
    }

    #[test]
    fn a_body_without_secrets_is_handed_on_without_a_copy() {
        let content = Bytes::from(vec![b'x'; 1000]);
        let result = redactor().bytes(content.clone());
        assert_eq!(result.content.as_ptr(), content.as_ptr());
        assert_eq!(result.removed, 0);
        assert!(matches!(
            redactor().text("short").content,
            Cow::Borrowed("short")
        ));
    }

    #[test]
    fn encoded_forms_are_taken_out_as_well() {
        let percent = utf8_percent_encode(TOKEN, NON_ALPHANUMERIC).to_string();
        for form in [
            percent.clone(),
            percent
                .replace("%2F", "%2f")
                .replace("%2B", "%2b")
                .replace("%3D", "%3d")
                .replace("%2E", "%2e"),
            url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect(),
            TOKEN
                .replace('/', "%2F")
                .replace('+', "%2B")
                .replace('=', "%3D")
                .replace('"', "%22"),
            serde_json::to_string(TOKEN).unwrap(),
            serde_json::to_string(TOKEN).unwrap().replace('/', "\\/"),
            TOKEN
                .replace('"', "\\\"")
                .replace('=', "\\u003d")
                .replace('+', "\\u002b"),
            TOKEN.replace('"', "\\u0022").replace('=', "\\u003D"),
            TOKEN.replace('"', "&quot;"),
        ] {
            let text = format!("<{form}>");
            let result = redactor().text(&text);
            assert_eq!(result.removed, 1, "{form}");
            assert!(!result.content.contains("AR8AQ"), "{form}");
        }
    }

    #[test]
    fn base64_of_text_around_a_token_does_not_hide_it() {
        for lead in ["", "a", "ab", "Bearer ", "user:", "x-"] {
            for tail in ["", "1", "22", "@host"] {
                let text = format!("{lead}{TOKEN}{tail}");
                for encoded in [
                    BASE64_STANDARD.encode(&text),
                    BASE64_URL_SAFE_NO_PAD.encode(&text),
                ] {
                    let result = bytes(&encoded);
                    assert_eq!(result.removed, 1, "{lead} {tail}");
                    let rest = result.content.len() - REDACTED.len();
                    let around = (lead.len() + tail.len()) * 4 / 3;
                    assert!(rest <= around + 8, "{rest} {around}");
                }
            }
        }
    }

    #[test]
    fn header_values_lose_the_token_and_nothing_else() {
        let value = HeaderValue::from_str(&format!("Bearer {TOKEN}; x=1")).unwrap();
        let result = redactor().header(&value);
        assert_eq!(result.content, "Bearer [redacted]; x=1");
        assert_eq!(result.removed, 1);
        let innocent = HeaderValue::from_static("text/html");
        assert_eq!(redactor().header(&innocent).content, innocent);
    }

    #[test]
    fn bytes_that_are_no_text_pass_unharmed() {
        let content = Bytes::from((0..=255u8).cycle().take(2000).collect::<Vec<_>>());
        assert_eq!(redactor().bytes(content.clone()).content, content);
        assert_eq!(Redactor::none().bytes(content.clone()).content, content);
    }

    #[test]
    fn nothing_shows_the_secrets() {
        let shown = format!("{:?} {:?}", redactor(), redactor().stream());
        assert!(
            !shown.contains("AR8AQ") && !shown.contains("5Aep"),
            "{shown}"
        );
    }
}
