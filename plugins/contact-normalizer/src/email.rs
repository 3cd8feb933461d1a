//! E-mail addresses: taken out of what people paste, checked, in lower case.

use std::borrow::Cow;

/// Octets of an address (RFC 5321, 4.5.3.1.3, less the angle brackets), of its
/// local part, of a label of its domain.
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;
const MAX_LABEL: usize = 63;

/// The address in its one form; `None` if this is none.
///
/// Lower case throughout: no mailbox provider of note tells `Jane@` from
/// `jane@`, and CRMs compare without regard to case.
pub(crate) fn normalize(text: &str) -> Option<String> {
    let text = strip_invisible(text);
    let mut address = text.trim();
    // `Jane Doe <jane@example.com>`
    if let Some((_, rest)) = address.rsplit_once('<') {
        address = rest.strip_suffix('>')?.trim();
    }
    if let Some(scheme) = address.get(..7)
        && scheme.eq_ignore_ascii_case("mailto:")
    {
        address = address.get(7..)?.split('?').next()?;
    }
    // What stays behind when an address is copied out of a sentence or a list.
    let address = address
        .trim_end_matches(['.', ',', ';', ':'])
        .trim_start_matches([',', ';', ':']);
    let (local, domain) = address.rsplit_once('@')?;
    let sound = address.len() <= MAX_ADDRESS && is_local_part(local) && is_domain(domain);
    sound.then(|| address.to_lowercase())
}

/// Without the characters that nobody sees and that come along with a copy:
/// zero-width spaces and joiners, direction marks, byte order marks.
fn strip_invisible(text: &str) -> Cow<'_, str> {
    let is_invisible = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}');
    if text.contains(is_invisible) {
        Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// A dot-atom (RFC 5322, 3.2.3), or letters of any script (RFC 6531). Quoted
/// local parts are left to the policy: hardly any is real.
fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= MAX_LOCAL
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom.chars().all(|c| {
                    c.is_ascii_alphanumeric()
                        || "!#$%&'*+-/=?^_`{|}~".contains(c)
                        || (!c.is_ascii() && c.is_alphanumeric())
                })
        })
}

/// Two labels or more, the last of which is no number.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || c.is_alphanumeric())
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.contains('.')
        && domain.split('.').all(is_label)
        && last.chars().count() >= 2
        && !last.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_of_what_people_paste() {
        for (text, expected) in [
            (" Jane.Doe@Example.COM ", "jane.doe@example.com"),
            ("Jane Doe <Jane@example.com>", "jane@example.com"),
            ("mailto:jane@example.com?subject=Hi", "jane@example.com"),
            ("jane@example.com.", "jane@example.com"),
            ("jane@example.com;", "jane@example.com"),
            ("\u{200B}jane@example.com\u{FEFF}", "jane@example.com"),
            (
                "o'neil+crm@mail.example.co.uk",
                "o'neil+crm@mail.example.co.uk",
            ),
            ("jörg@bücher.example", "jörg@bücher.example"),
        ] {
            assert_eq!(normalize(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_mended() {
        for text in [
            "",
            "@",
            "jane",
            "jane@",
            "@example.com",
            "jane@localhost",
            "jane@10.0.0.1",
            "jane doe@example.com",
            "jane@exa mple.com",
            "jane..doe@example.com",
            ".jane@example.com",
            "jane@-example.com",
            "jane@example..com",
            "jane@@example.com",
            "a@example.com, b@example.com",
            "jane@example.c",
            "<jane@example.com",
            "none",
        ] {
            assert_eq!(normalize(text), None, "{text}");
        }
        assert_eq!(normalize(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(
            normalize(&format!("a@{}com", "abcdefghi.".repeat(30))),
            None
        );
    }
}
