//! Takes credentials out of a text that Salesforce wrote.
//!
//! Salesforce repeats parts of a request in some messages. The host removes the
//! connection's own token; this removes whatever looks like one.

/// What starts a credential, and how long its tail must be to count as one.
///
/// `00D` and `!`: a session id. `5Aep`: a refresh token. `eyJ`: a JSON web
/// token. `Bearer `: whatever follows.
const STARTS: [(&str, usize); 4] = [("00D", 24), ("5Aep", 20), ("eyJ", 40), ("Bearer ", 8)];

const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '!' | '.' | '_' | '-' | '~' | '+' | '/' | '=')
}

/// The text without credentials.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = STARTS.iter().find_map(|(start, min)| {
            let tail = rest.strip_prefix(start)?;
            let length = tail.find(|c| !is_token_char(c)).unwrap_or(tail.len());
            let (token, after) = tail.split_at(length);
            // An organization's id alone is no secret.
            let counts = length >= *min && (*start != "00D" || token.contains('!'));
            counts.then_some(after)
        });
        if let Some(after) = found {
            out.push_str("[removed]");
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_in_a_message_is_removed_and_an_id_is_not() {
        let text = "session 00DdM00000vfgTu!AQEAQNxx.yyyyyyyyyyyyyyyyyyy of org 00DdM00000vfgTuUAI";
        assert_eq!(redact(text), "session [removed] of org 00DdM00000vfgTuUAI");
        assert_eq!(
            redact("Authorization: Bearer abc.def-ghi_jkl"),
            "Authorization: [removed]"
        );
        assert_eq!(redact("the bearer of ünï"), "the bearer of ünï");
    }
}
