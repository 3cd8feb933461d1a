//! What looks like a secret in recorded exchanges, found by its name or by its form, and
//! hidden wherever it stands: the same one under the same word, so that a request that
//! repeats what an answer said still does.
//!
//! Rather too much than too little: a page token that is hidden does no harm.

use std::collections::{BTreeMap, BTreeSet};

use lockgate::RecordedExchange;
use lockgate::redact::REDACTED;
use serde_json::Value as Json;
use url::form_urlencoded;

/// Parts of names whose values are secret, without `_` and `-`, in lower case.
const PARTS: [&str; 14] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "sessionid",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "signature",
    "assertion",
];

/// Names that are secret only if they are all of the name.
const WHOLE: [&str; 6] = ["sid", "session", "jwt", "otp", "bearer", "auth"];

/// Shorter texts are no secrets, and stand all over in innocent ones.
const MIN_CHARACTERS: usize = 4;

/// What a value ends with in a query, a form, a header field or XML.
const ENDS: &[char] = &[
    '&', '<', '>', '"', '\'', ';', ',', ' ', '\t', '\r', '\n', ')', '}', '\\',
];

/// The secrets of some exchanges.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Each in all its forms, with its number.
    numbers: BTreeMap<String, usize>,
    n_secrets: usize,
    /// What was found where.
    places: BTreeSet<String>,
}

impl Secrets {
    /// Looks through requests and answers.
    pub(super) fn of(exchanges: &[RecordedExchange]) -> Self {
        let mut secrets = Self::default();
        for exchange in exchanges {
            let path = exchange.path.split('?').next().unwrap_or_default();
            let asked = format!("the request {} {path}", exchange.method);
            let answer = format!("the answer to {} {path}", exchange.method);
            secrets.look(&exchange.path, &asked);
            let body = exchange.body.as_deref().unwrap_or_default();
            secrets.look(&String::from_utf8_lossy(body), &asked);
            for (name, value) in &exchange.headers {
                if Self::is_name(name) {
                    secrets.add(value, name, &answer);
                }
                secrets.look(value, &answer);
            }
            let text = String::from_utf8_lossy(&exchange.answer);
            if text.contains(REDACTED) {
                let place = format!("a credential of the connection in {answer}");
                secrets.places.insert(place);
            }
            secrets.look(&text, &answer);
        }
        secrets
    }

    /// Whether what bears this name is secret.
    pub(super) fn is_name(name: &str) -> bool {
        let plain: String = name
            .chars()
            .filter(|character| !matches!(character, '_' | '-' | '.'))
            .map(|character| character.to_ascii_lowercase())
            .collect();
        WHOLE.contains(&plain.as_str()) || PARTS.iter().any(|part| plain.contains(part))
    }

    /// The text without secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        // The longest first: one may be the beginning of another.
        let mut longest: Vec<_> = self.numbers.iter().collect();
        longest.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        for (secret, number) in longest {
            hidden = replace_words(&hidden, secret, &format!("redacted-{number}"));
        }
        hidden
    }

    /// What was hidden, and where.
    pub(super) fn told(&self) -> Vec<String> {
        self.places.iter().map(|place| self.hide(place)).collect()
    }

    fn look(&mut self, text: &str, place: &str) {
        match serde_json::from_str::<Json>(text) {
            Ok(json) => self.look_into(&json, place),
            Err(_) => self.scan(text, place),
        }
    }

    fn look_into(&mut self, json: &Json, place: &str) {
        match json {
            Json::Object(members) => {
                for (name, value) in members {
                    match value {
                        Json::String(secret) if Self::is_name(name) => {
                            self.add(secret, name, place);
                        }
                        other => self.look_into(other, place),
                    }
                }
            }
            Json::Array(items) => items.iter().for_each(|item| self.look_into(item, place)),
            Json::String(text) => self.scan(text, place),
            _ => {}
        }
    }

    /// Looks for `name=value`, `<name>value`, `name: value` and `Bearer value`, and for
    /// what has the form of a JSON Web Token.
    fn scan(&mut self, text: &str, place: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(is_of_word) {
            let word = rest.get(at..).unwrap_or_default();
            let end = word.find(|c| !is_of_word(c)).unwrap_or(word.len());
            let (word, behind) = word.split_at(end);
            rest = behind;
            if word.starts_with("eyJ") && word.matches('.').count() == 2 {
                self.add(word, "a JSON Web Token", place);
            } else if Self::is_name(word) {
                let value = match word.eq_ignore_ascii_case("bearer") {
                    true => behind.strip_prefix(' '),
                    false => behind.strip_prefix(['=', '>', ':']),
                };
                let value = value.map(|value| value.trim_start_matches([' ', '"']));
                let value = value.and_then(|value| value.split(ENDS).next());
                // Of `Authorization: Bearer …` the next word is looked at.
                if let Some(value) = value.filter(|value| !Self::is_name(value)) {
                    self.add(value, word, place);
                }
            }
        }
    }

    fn add(&mut self, secret: &str, name: &str, place: &str) {
        let secret = secret.trim();
        if secret.chars().count() < MIN_CHARACTERS || secret == REDACTED {
            return;
        }
        self.places.insert(format!("{name} in {place}"));
        if self.numbers.contains_key(secret) {
            return;
        }
        self.n_secrets += 1;
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let spaced = encoded.replace('+', "%20");
        for form in [secret.to_owned(), encoded, spaced] {
            self.numbers.insert(form, self.n_secrets);
        }
    }
}

/// Letters, digits, and what tokens have between them.
const fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// Replaces a text where it is no part of a longer word.
fn replace_words(text: &str, from: &str, to: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, behind) = rest.split_at(at);
        let behind = behind.get(from.len()..).unwrap_or_default();
        let is_in_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        let last = before
            .chars()
            .next_back()
            .or_else(|| replaced.chars().next_back());
        replaced.push_str(before);
        match is_in_word(last) || is_in_word(behind.chars().next()) {
            true => replaced.push_str(from),
            false => replaced.push_str(to),
        }
        rest = behind;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(answer: &str) -> Secrets {
        Secrets::of(&[RecordedExchange {
            method: "GET".to_owned(),
            path: "/v1/things?limit=200".to_owned(),
            body: None,
            status: Some(200),
            headers: BTreeMap::new(),
            answer: answer.as_bytes().to_vec(),
            is_whole: true,
        }])
    }

    #[test]
    fn a_secret_is_known_by_its_name_or_its_form_in_json_forms_and_xml() {
        for (text, secret) in [
            (r#"{"a":{"refresh_token":"5Aep861!x/y"}}"#, "5Aep861!x/y"),
            (r#"[{"clientSecret":"abc def"}]"#, "abc def"),
            (
                r#"{"url":"https://a.example/x?sid=00Dx0!AQ.y&n=1"}"#,
                "00Dx0!AQ.y",
            ),
            ("<r><sessionId>00D!AQcA.x</sessionId><b/></r>", "00D!AQcA.x"),
            ("grant=x&client_secret=s3cr3t&y=1", "s3cr3t"),
            ("Authorization: Bearer 1234abcd", "1234abcd"),
            (
                "see eyJhbGciOi.eyJzdWIiOi.c2ln here",
                "eyJhbGciOi.eyJzdWIiOi.c2ln",
            ),
        ] {
            let found = secrets(text);
            let hidden = found.hide(text);
            assert!(!hidden.contains(secret), "{text}: {hidden}");
            assert!(hidden.contains("redacted-1"), "{text}: {hidden}");
            assert_eq!(found.told().len(), 1, "{:?}", found.told());
            assert!(!found.told()[0].contains(secret));
        }
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_innocent_words_stay() {
        let found = secrets(r#"{"token":"a b+c","id":"12345","password":"1234"}"#);
        assert_eq!(
            found.hide("/x?at=a+b%2Bc&or=a%20b%2Bc&id=12345&pin=1234"),
            "/x?at=redacted-1&or=redacted-1&id=12345&pin=redacted-2"
        );
        let innocent = secrets(r#"{"Name":"Ann","done":true,"nextRecordsUrl":"/q/01g-2000"}"#);
        assert!(innocent.told().is_empty(), "{:?}", innocent.told());
    }

    #[test]
    fn a_credential_that_the_host_has_taken_out_is_told() {
        let told = secrets(r#"{"echo":"[redacted]"}"#).told();
        assert_eq!(
            told,
            ["a credential of the connection in the answer to GET /v1/things"]
        );
    }
}
