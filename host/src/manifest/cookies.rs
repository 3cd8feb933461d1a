//! The rule for products that tell clients apart by cookies: on which path, and
//! which of them.

use serde::Deserialize;

/// More than any product needs on one path.
const MAX_NAMES: usize = 8;
const MAX_NAME_BYTES: usize = 64;

/// Cookies that a call keeps.
///
/// What the product sets under these names in answers to requests to `path` goes
/// with the later requests of the same call to that path. The guest neither sees
/// nor sets them, and they end with the call. All other cookies are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CookieRule {
    /// The path, percent-encoded as it is sent.
    pub path: String,
    /// Names of cookies, with their case. Those that stand for a session do not
    /// belong here: the access token is all that a call goes by.
    pub names: Vec<String>,
}

impl CookieRule {
    /// Every rule that this breaks.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let is_plain = self.path.starts_with('/')
            && !self.path.starts_with("//")
            && !self.path.contains(['*', '?', '#', '\\']);
        if !is_plain {
            problems.push(format!(
                "vendor.cookies: `{}` is not a plain path",
                self.path.escape_default()
            ));
        }
        let is_name = |name: &String| {
            (1..=MAX_NAME_BYTES).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !(1..=MAX_NAMES).contains(&self.names.len()) || !self.names.iter().all(is_name) {
            problems.push(format!(
                "vendor.cookies: `{}` has not 1 to {MAX_NAMES} names of letters, digits, -, _ and .",
                self.path.escape_default()
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, names: &[&str]) -> usize {
        let rule = CookieRule {
            path: path.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        rule.problems().len()
    }

    #[test]
    fn a_rule_names_one_path_and_plain_cookies() {
        assert_eq!(problems("/events/1.0", &["CLIENT", "node-1.a_b"]), 0);
        for path in ["", "events", "//evil.example.net", "/events/*", "/e?x"] {
            assert_eq!(problems(path, &["CLIENT"]), 1, "{path}");
        }
        for names in [&[][..], &[""], &["a=b"], &["a;b"], &["a b"], &["x"; 9]] {
            assert_eq!(problems("/events", names), 1, "{names:?}");
        }
    }
}
