//! What a login host says of a refusal, without the secrets that it quotes.
//!
//! A refusal's words reach people and logs. Some login hosts quote the request
//! that they refuse, or a token of their own that is no longer good.

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::redact::{REDACTED, Redactor};

/// Fields of our requests whose values are secret.
const SENT: [&str; 6] = [
    "client_secret",
    "code",
    "code_verifier",
    "refresh_token",
    "assertion",
    "token",
];

/// Members of their answers whose values are secret.
const RECEIVED: [&str; 3] = ["access_token", "refresh_token", "id_token"];

/// Members that people and logs see.
const SHOWN: [&str; 2] = ["error", "error_description"];

/// What is shorter is a word, a host name, a number; no product issues tokens
/// of so little.
const MIN_TOKEN_BYTES: usize = 32;

/// A refusal in JSON with nothing left but what is shown of it, from which all
/// secrets of the exchange are taken out. What is no JSON object stays: nothing
/// of it is shown.
pub(super) fn taken_out(sent: &[u8], refusal: Bytes) -> Bytes {
    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(&refusal) else {
        return refusal;
    };
    let mut secrets: Vec<SecretString> = form_urlencoded::parse(sent)
        .filter(|(name, _)| SENT.contains(&name.as_ref()))
        .map(|(_, value)| SecretString::from(value.into_owned()))
        .collect();
    collect(&members, &mut secrets);
    let redactor = Redactor::new(&secrets);
    let shown: Map<String, Value> = members
        .into_iter()
        .filter(|(name, _)| SHOWN.contains(&name.as_str()))
        .map(|(name, value)| match value {
            Value::String(text) => {
                let text = without_tokens(&redactor.text(&text).content);
                (name, Value::String(text))
            }
            other => (name, other),
        })
        .collect();
    Value::Object(shown).to_string().into()
}

/// The tokens in an answer, however deep.
fn collect(members: &Map<String, Value>, secrets: &mut Vec<SecretString>) {
    for (name, value) in members {
        match value {
            Value::String(text) if RECEIVED.contains(&name.as_str()) => {
                secrets.push(SecretString::from(text.as_str()));
            }
            Value::Object(inner) => collect(inner, secrets),
            _ => {}
        }
    }
}

/// Takes out what looks like a token: one that the product issued before, and
/// that nobody here knows any more.
fn without_tokens(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~!+=".contains(c);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        kept.push_str(if is_like_a_token(word) {
            REDACTED
        } else {
            word
        });
        let mut after = after.chars();
        kept.extend(after.next());
        rest = after.as_str();
    }
    kept
}

/// Long, and with digits among letters of both cases or nothing but hexadecimal
/// digits: host names, names of grants and ids of requests are neither.
fn is_like_a_token(word: &str) -> bool {
    let any = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let is_mixed = any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase);
    let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    word.len() >= MIN_TOKEN_BYTES && any(u8::is_ascii_digit) && (is_mixed || is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sent: &str, refusal: &Value) -> Value {
        let refusal = Bytes::from(refusal.to_string());
        serde_json::from_slice(&taken_out(sent.as_bytes(), refusal)).unwrap()
    }

    #[test]
    fn every_secret_of_the_exchange_is_taken_out_wherever_it_came_from() {
        let sent = "grant_type=x&client_secret=sent-%21secret&code=sent-code&code_verifier=\
                    sent-verifier&refresh_token=sent-refresh&assertion=sent-assertion&token=\
                    sent-token&client_id=public-id";
        let refusal = serde_json::json!({
            "error": "invalid_grant",
            "error_description": "public-id sent-!secret sent-code sent-verifier sent-refresh \
                                  sent-assertion sent-token got-access got-refresh got-id-token",
            "access_token": "got-access",
            "detail": { "refresh_token": "got-refresh", "id_token": "got-id-token" },
        });
        let expected = format!("public-id{}", " [redacted]".repeat(9));
        assert_eq!(
            shown(sent, &refusal),
            serde_json::json!({ "error": "invalid_grant", "error_description": expected })
        );
    }

    #[test]
    fn a_token_that_nobody_here_knows_is_told_by_its_look() {
        for token in [
            "00DLg00001yuJ72!AQEAQHh3k2VJ.nY7kzXo3pT_0dC1m8Wq5uR9sB4tE6fGh2",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWEtdG9rZW4x",
            "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b",
        ] {
            let text = without_tokens(&format!("token '{token}' has expired"));
            assert_eq!(text, "token '[redacted]' has expired");
        }
        for plain in [
            "expired access/refresh token",
            "https://acme--dev2.sandbox.my.example.com/services/oauth2/token",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "Trace ID: 0b2c4f1e-55aa-4c1b-9d0e-8f7a6b5c4d3e",
            "réfusé: é",
            "",
        ] {
            assert_eq!(without_tokens(plain), plain);
        }
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        for text in ["", "<html>", "[1]", "{\"error\":"] {
            assert_eq!(taken_out(b"", Bytes::from(text)), text);
        }
    }
}
