//! The forms in which a secret may come back: as it is, percent-encoded, as
//! JSON or HTML text, and within base64.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::MIN_SECRET_BYTES;

/// All but the unreserved characters of RFC 3986: what OAuth asks for.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What browsers leave in a form: `*` stays, `~` does not.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*');

/// What `encodeURIComponent` leaves.
const COMPONENT: &AsciiSet = &STRICT
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The first bytes of a form. All have as many, so that at one place of a text
/// at most one head fits.
type Head = [u8; MIN_SECRET_BYTES];

/// All forms of all secrets, none twice.
#[derive(Default)]
pub(super) struct Forms {
    /// Forms by their first bytes, the longest first.
    groups: Vec<(Head, Vec<Zeroizing<Vec<u8>>>)>,
    longest: usize,
}

impl Forms {
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(|(_, forms)| forms.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The length of the longest form, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let forms = self.groups.iter().flat_map(|(_, forms)| forms);
        forms.map(|form| form.as_slice())
    }

    /// What to search for; the numbers are those that `whole` takes.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.groups.iter().map(|(head, _)| head)
    }

    /// The length of the longest form with this head that `text` starts with.
    pub(super) fn whole(&self, head: usize, text: &[u8]) -> Option<usize> {
        let (_, forms) = self.groups.get(head)?;
        let form = forms.iter().find(|form| text.starts_with(form))?;
        Some(form.len())
    }

    pub(super) fn add(&mut self, secret: &str) {
        self.push(secret.as_bytes().to_vec());
        for set in [STRICT, FORM, COMPONENT, NON_ALPHANUMERIC] {
            let encoded = Zeroizing::new(utf8_percent_encode(secret, set).to_string());
            self.push(encoded.replace("%20", "+").into_bytes());
            self.push(lower_hex(&encoded).into_bytes());
            self.push(encoded.as_bytes().to_vec());
        }
        self.add_json(secret);
        self.push(html(secret).into_bytes());
        self.add_base64(secret.as_bytes());
    }

    /// As text within JSON: with and without `\/`, and with the characters that
    /// some writers escape for the sake of HTML as `\u00xx`.
    fn add_json(&mut self, secret: &str) {
        let plain = |c: char| match c {
            '"' => Some("\\\"".to_owned()),
            '\\' => Some("\\\\".to_owned()),
            _ => None,
        };
        let slash = |c: char| match c {
            '/' => Some("\\/".to_owned()),
            _ => plain(c),
        };
        self.push(map(secret, plain));
        self.push(map(secret, slash));
        for escaped in ["<>&'=", "<>&'=+", "<>&'=+\"", "<>&'=\""] {
            let lower = |c: char| {
                escaped
                    .contains(c)
                    .then(|| format!("\\u{:04x}", u32::from(c)))
                    .or_else(|| plain(c))
            };
            let upper = |c: char| {
                escaped
                    .contains(c)
                    .then(|| format!("\\u{:04X}", u32::from(c)))
                    .or_else(|| plain(c))
            };
            self.push(map(secret, lower));
            self.push(map(secret, upper));
        }
    }

    /// Within base64 of a longer text the secret starts at one of three places
    /// of a group. The characters that depend on its neighbours are left off.
    fn add_base64(&mut self, secret: &[u8]) {
        for shift in 0..3 {
            let mut shifted = Zeroizing::new(vec![0; shift]);
            shifted.extend_from_slice(secret);
            // Whole characters before the secret's first full one, and after
            // its last.
            let skip = (shift * 8).div_ceil(6);
            let keep = shifted.len() * 8 / 6;
            for encoded in [
                BASE64_STANDARD_NO_PAD.encode(&*shifted),
                BASE64_URL_SAFE_NO_PAD.encode(&*shifted),
            ] {
                let encoded = Zeroizing::new(encoded);
                if let Some(core) = encoded.as_bytes().get(skip..keep) {
                    self.push(core.to_vec());
                }
            }
        }
    }

    fn push(&mut self, form: Vec<u8>) {
        let form = Zeroizing::new(form);
        let Some(&head) = form.first_chunk::<MIN_SECRET_BYTES>() else {
            return;
        };
        self.longest = self.longest.max(form.len());
        match self.groups.iter_mut().find(|(other, _)| *other == head) {
            None => self.groups.push((head, vec![form])),
            Some((_, forms)) if forms.contains(&form) => {}
            Some((_, forms)) => {
                forms.push(form);
                forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
            }
        }
    }
}

fn map(secret: &str, replace: impl Fn(char) -> Option<String>) -> Vec<u8> {
    let mut mapped = String::with_capacity(secret.len() * 2);
    for c in secret.chars() {
        match replace(c) {
            Some(text) => mapped.push_str(&text),
            None => mapped.push(c),
        }
    }
    mapped.into_bytes()
}

/// As text within HTML or XML.
pub(crate) fn html(secret: &str) -> String {
    secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// `%2F` as `%2f`.
fn lower_hex(encoded: &str) -> String {
    let mut lower = String::with_capacity(encoded.len());
    let mut hex = 0;
    for c in encoded.chars() {
        if c == '%' {
            hex = 2;
            lower.push(c);
        } else if hex > 0 {
            hex -= 1;
            lower.push(c.to_ascii_lowercase());
        } else {
            lower.push(c);
        }
    }
    lower
}
