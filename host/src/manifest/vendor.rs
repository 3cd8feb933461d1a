//! The `[vendor]` part of a connector's manifest: what the host must know of a
//! product to authorise, to guard its network and to keep its budget.

use serde::Deserialize;

use super::cookies::CookieRule;
use super::in_body::BodyCredential;
use super::stream::StreamEndpoint;

/// The particulars of one product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorManifest {
    /// How a connection is authorised.
    pub auth: AuthManifest,
    /// How the product counts calls, if it does.
    #[serde(default)]
    pub quota: Option<QuotaManifest>,
    /// Answers with a meaning that the host must know. The first that fits
    /// counts.
    #[serde(default)]
    pub signals: Vec<Signal>,
    /// Endpoints of the capability `stream`. Each may get the access token, as
    /// the hosts of `auth.origin_hosts` may.
    #[serde(default)]
    pub stream: Vec<StreamEndpoint>,
    /// Cookies by which the product tells clients apart on certain paths; all
    /// others are dropped.
    #[serde(default)]
    pub cookies: Vec<CookieRule>,
}

/// How a connection is authorised: OAuth 2.0 (RFC 6749) as the product does it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthManifest {
    /// Where people log in: the choices that a connection has.
    pub login: Vec<LoginHost>,
    /// Hosts that may ever get the client's credentials. Checked against the
    /// login host before anything is sent to it.
    pub login_hosts: Vec<HostPattern>,
    /// Hosts that may ever get an access token: the API origin must fit.
    pub origin_hosts: Vec<HostPattern>,
    /// Path of the authorization endpoint on the login host.
    pub authorize_path: String,
    /// Path of the token endpoint on the login host.
    pub token_path: String,
    /// Path of the revocation endpoint (RFC 7009), if there is one.
    #[serde(default)]
    pub revoke_path: Option<String>,
    /// The member of the token answer that names the API origin; without it the
    /// login origin is used.
    #[serde(default)]
    pub origin_member: Option<String>,
    /// The member of the token answer that names who authorised.
    #[serde(default)]
    pub identity_member: Option<String>,
    /// A signature over the token answer, if the product gives one.
    #[serde(default)]
    pub signature: Option<SignatureRule>,
    /// Scopes.
    pub scopes: ScopeSet,
    /// Values of `error` in a token answer that end a grant for good.
    #[serde(default = "default_dead_grant_errors")]
    pub dead_grant_errors: Vec<String>,
    /// Texts in `error_description` that make one of the above pass: such an
    /// answer is retried later.
    #[serde(default)]
    pub passing_descriptions: Vec<String>,
    /// JWT bearer grants (RFC 7523), if the product takes them.
    #[serde(default)]
    pub jwt_bearer: Option<JwtBearer>,
    /// Whether the product takes the client credentials grant.
    #[serde(default)]
    pub client_credentials: bool,
    /// Header that carries the access token, and what stands before it.
    #[serde(default = "default_token_header")]
    pub token_header: String,
    /// The scheme before the token, with its space.
    #[serde(default = "default_token_prefix")]
    pub token_prefix: String,
    /// Requests that carry the access token in their body as well.
    #[serde(default)]
    pub in_body: Vec<BodyCredential>,
}

fn default_dead_grant_errors() -> Vec<String> {
    vec!["invalid_grant".to_owned()]
}

fn default_token_header() -> String {
    "authorization".to_owned()
}

fn default_token_prefix() -> String {
    "Bearer ".to_owned()
}

/// One way to name the login host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginHost {
    /// What the user calls it: `production`, `sandbox`, `my-domain`.
    pub name: String,
    /// The origin, for instance `https://login.example.com`. `{subdomain}`
    /// stands for the user's own.
    pub origin: String,
}

/// A host name, or `*.` and a suffix of at least two labels. Compared without
/// regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct HostPattern(pub String);

impl HostPattern {
    /// Whether `host` is this name, or lies below this suffix.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let pattern = self.0.to_ascii_lowercase();
        match pattern.strip_prefix("*.") {
            Some(suffix) => host
                .strip_suffix(suffix)
                .is_some_and(|head| head.len() > 1 && head.ends_with('.')),
            None => host == pattern,
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let name = self.0.strip_prefix("*.").unwrap_or(&self.0);
        name.contains('.')
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
    }
}

/// `base64(HMAC-SHA256(client secret, members joined))` in a member of the token
/// answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureRule {
    /// The member that holds the signature.
    pub member: String,
    /// The members that are signed, in order.
    pub over: Vec<String>,
}

/// Scopes that can be asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSet {
    /// Asked for unless the connection says otherwise.
    pub default: Vec<String>,
    /// Can be asked for as well.
    #[serde(default)]
    pub optional: Vec<String>,
}

/// JWT bearer grants.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtBearer {
    /// How long an assertion is valid, in seconds. Products refuse long ones.
    pub lifetime_s: u32,
}

/// How the product counts calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaManifest {
    /// The answer's header that tells the count.
    pub header: String,
    /// The entry of that header: in `name=used/limit; other=…` the name.
    pub entry: String,
    /// The rolling window, in seconds.
    pub window_s: u64,
    /// Exactly these paths are not counted by the product.
    #[serde(default)]
    pub free_paths: Vec<String>,
}

/// An answer with a meaning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// The status that it comes with.
    pub status: u16,
    /// All of these texts stand in the body (its first 64 KiB).
    #[serde(default)]
    pub contains: Vec<String>,
    /// None of these stands in the body.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// What it means.
    pub means: Meaning,
}

/// What an answer means to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// The access token is no longer good: refresh once, send once more.
    SessionExpired,
    /// The window's budget is used up: park until calls free up.
    BudgetExhausted,
    /// Too much at once: back off for a moment.
    TooManyAtOnce,
}

impl VendorManifest {
    /// Every rule that this breaks.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let auth = &self.auth;
        for (key, patterns) in [
            ("login_hosts", &auth.login_hosts),
            ("origin_hosts", &auth.origin_hosts),
        ] {
            if patterns.is_empty() {
                problems.push(format!("vendor.auth.{key} is empty, so no host is allowed"));
            }
            for pattern in patterns.iter().filter(|pattern| !pattern.is_sound()) {
                problems.push(format!(
                    "vendor.auth.{key}: `{}` is not a host name or `*.` with two labels or more",
                    pattern.0.escape_default()
                ));
            }
        }
        if auth.login.is_empty() {
            problems.push("vendor.auth.login names no login host".to_owned());
        }
        for login in &auth.login {
            if !login.origin.starts_with("https://") {
                problems.push(format!("vendor.auth.login `{}` is not https", login.name));
            }
        }
        let paths = [
            Some(&auth.authorize_path),
            Some(&auth.token_path),
            auth.revoke_path.as_ref(),
        ];
        for path in paths.into_iter().flatten() {
            if !path.starts_with('/') || path.starts_with("//") || path.contains(['?', '#', '\\']) {
                problems.push(format!("vendor.auth: `{path}` is not a plain path"));
            }
        }
        for rule in &auth.in_body {
            problems.extend(rule.problems());
        }
        if let Some(quota) = &self.quota
            && quota.window_s == 0
        {
            problems.push("vendor.quota.window_s is 0".to_owned());
        }
        for rule in &self.cookies {
            problems.extend(rule.problems());
        }
        let mut names = std::collections::BTreeSet::new();
        for endpoint in &self.stream {
            problems.extend(endpoint.problems());
            if !names.insert(&endpoint.name) {
                problems.push(format!(
                    "vendor.stream names `{}` twice",
                    endpoint.name.escape_default()
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_matches_only_whole_labels_below_it() {
        let pattern = HostPattern("*.my.example.com".to_owned());
        assert!(pattern.matches("acme.my.example.com"));
        assert!(pattern.matches("ACME--dev.sandbox.my.example.com"));
        for evil in [
            "my.example.com",
            ".my.example.com",
            "evilmy.example.com",
            "acme.my.example.com.evil.net",
            "acme.my.example.com.",
        ] {
            assert!(!pattern.matches(evil), "{evil}");
        }
    }

    #[test]
    fn a_pattern_for_a_whole_top_level_domain_is_not_sound() {
        assert!(!HostPattern("*.com".to_owned()).is_sound());
        assert!(!HostPattern("*".to_owned()).is_sound());
        assert!(HostPattern("*.example.com".to_owned()).is_sound());
    }
}
