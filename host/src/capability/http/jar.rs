//! The cookies of one call: those that the manifest names, on the path that it
//! names, and no others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

use crate::manifest::CookieRule;

/// A longer value is none that tells clients apart.
const MAX_VALUE_BYTES: usize = 1024;

/// Cookies by their paths and names. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Jar(Arc<Mutex<BTreeMap<(String, String), String>>>);

impl std::fmt::Debug for Jar {
    /// Shows how many there are: nobody is served by their values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jar({})", self.lock().len())
    }
}

impl Jar {
    /// A panic of another holder leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the cookies of a path into a request to it.
    pub(super) fn add(&self, rules: &[CookieRule], path: &str, headers: &mut HeaderMap) {
        let Some(rule) = rules.iter().find(|rule| rule.path == path) else {
            return;
        };
        let cookies = self.lock();
        let mut line = String::new();
        for name in &rule.names {
            if let Some(value) = cookies.get(&(rule.path.clone(), name.clone())) {
                let divider = if line.is_empty() { "" } else { "; " };
                let _written = write!(line, "{divider}{name}={value}");
            }
        }
        if line.is_empty() {
            return;
        }
        if let Ok(mut value) = HeaderValue::from_str(&line) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// Keeps what an answer from a path sets of its cookies.
    pub(super) fn keep(&self, rules: &[CookieRule], path: &str, headers: &HeaderMap) {
        let Some(rule) = rules.iter().find(|rule| rule.path == path) else {
            return;
        };
        for line in headers.get_all(SET_COOKIE) {
            let Some((name, value, is_over)) = line.to_str().ok().and_then(read) else {
                continue;
            };
            if !rule.names.iter().any(|known| known == name) {
                continue;
            }
            let key = (rule.path.clone(), name.to_owned());
            if is_over {
                self.lock().remove(&key);
            } else {
                self.lock().insert(key, value.to_owned());
            }
        }
    }
}

/// The name and the value of a cookie, and whether it is to be forgotten.
fn read(line: &str) -> Option<(&str, &str, bool)> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_plain = value.len() <= MAX_VALUE_BYTES
        && value
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b'\\'));
    let is_over = value.is_empty()
        || parts.any(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            key.trim().eq_ignore_ascii_case("max-age")
                && value
                    .trim()
                    .parse::<i64>()
                    .is_ok_and(|seconds| seconds <= 0)
        });
    is_plain.then_some((name, value, is_over))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> [CookieRule; 1] {
        [CookieRule {
            path: "/events".to_owned(),
            names: vec!["CLIENT".to_owned(), "node".to_owned()],
        }]
    }

    /// What goes to a path after answers from another one that set these.
    fn sent(from: &str, set: &[&str], to: &str) -> Option<String> {
        let jar = Jar::default();
        let mut answer = HeaderMap::new();
        for line in set {
            answer.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        jar.keep(&rules(), from, &answer);
        let mut request = HeaderMap::new();
        jar.add(&rules(), to, &mut request);
        let value = request.get(COOKIE)?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_cookies_of_the_manifest_go_back_to_where_they_came_from() {
        let set = ["CLIENT=a1; Path=/events; HttpOnly", "node=n-2;Secure"];
        let line = sent("/events", &set, "/events");
        assert_eq!(line.as_deref(), Some("CLIENT=a1; node=n-2"));
        assert_eq!(sent("/events", &set, "/data"), None);
        assert_eq!(sent("/data", &set, "/events"), None);
    }

    #[test]
    fn other_cookies_are_dropped() {
        for line in [
            "sid=secret",
            "client=a1",
            "CLIENT",
            "CLIENT=a,b",
            "CLIENT=a\\b",
        ] {
            assert_eq!(sent("/events", &[line], "/events"), None, "{line}");
        }
        let long = format!("CLIENT={}", "a".repeat(MAX_VALUE_BYTES + 1));
        assert_eq!(sent("/events", &[&long], "/events"), None);
    }

    #[test]
    fn a_later_value_takes_the_place_of_an_earlier_one_or_ends_it() {
        let line = sent("/events", &["CLIENT=a", "CLIENT=b"], "/events");
        assert_eq!(line.as_deref(), Some("CLIENT=b"));
        for end in ["CLIENT=", "CLIENT=b; Max-Age=0", "CLIENT=b; max-age=-1"] {
            assert_eq!(
                sent("/events", &["CLIENT=a", end], "/events"),
                None,
                "{end}"
            );
        }
    }

    #[test]
    fn debug_output_has_no_values() {
        let jar = Jar::default();
        let mut answer = HeaderMap::new();
        answer.append(SET_COOKIE, HeaderValue::from_static("CLIENT=secret"));
        jar.keep(&rules(), "/events", &answer);
        assert_eq!(format!("{jar:?}"), "Jar(1)");
    }
}
