//! JSON Web Tokens with RS256: the assertions that apps log in with, and the
//! id tokens that the org signs itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::OauthError;
use super::key::VerifyingKey;
use super::rsa::SigningKey;

/// Clocks of two machines differ; Salesforce allows this much.
const LEEWAY_S: i64 = 180;

/// Audiences that stand for "a login host of Salesforce", which clients send
/// whatever host they really talk to.
const LOGIN_HOSTS: [&str; 2] = [
    "https://login.salesforce.com",
    "https://test.salesforce.com",
];

/// A token whose signature nobody has looked at yet.
pub(crate) struct Unchecked<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

impl<'a> Unchecked<'a> {
    /// Takes a token apart; `None` when it is none, or not RS256.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Map<String, Value> = decode(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return None;
        }
        Some(Self {
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            claims: decode(claims)?,
        })
    }

    /// A claim to find the app by, before anything is believed.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// The claims, if one of the keys has signed them.
    pub(crate) fn verify(self, keys: &[VerifyingKey]) -> Option<Map<String, Value>> {
        keys.iter()
            .any(|key| key.verifies(self.signed.as_bytes(), &self.signature))
            .then_some(self.claims)
    }
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The assertion has to be meant for a login host or for this org.
pub(crate) fn check_audience(
    claims: &Map<String, Value>,
    base_url: &str,
) -> Result<(), OauthError> {
    let ours = |audience: &Value| {
        audience.as_str().is_some_and(|audience| {
            let audience = audience.trim_end_matches('/');
            let host = audience.trim_end_matches("/services/oauth2/token");
            LOGIN_HOSTS.contains(&host) || host == base_url
        })
    };
    let meant = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(ours),
        Some(audience) => ours(audience),
        None => false,
    };
    match meant {
        true => Ok(()),
        false => Err(OauthError::new(
            "invalid_grant",
            "Audience validation failed",
        )),
    }
}

/// The assertion must not be over.
pub(crate) fn check_expiry(claims: &Map<String, Value>, now_ms: i64) -> Result<(), OauthError> {
    let expires = claims.get("exp").and_then(|exp| {
        exp.as_i64()
            .or_else(|| exp.as_str().and_then(|text| text.parse().ok()))
    });
    match expires {
        Some(expires) if expires + LEEWAY_S > now_ms / 1000 => Ok(()),
        _ => Err(OauthError::new("invalid_grant", "expired assertion")),
    }
}

/// Signs claims; `None` when the system has no randomness for it.
pub(crate) fn sign(claims: &Value, key: &SigningKey) -> Option<String> {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key.id() });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = key.sign(signed.as_bytes())?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_believed_only_under_the_registered_key() {
        let key = SigningKey::generate().unwrap();
        let other = SigningKey::generate().unwrap();
        let token = sign(&json!({ "sub": "ada@example.com" }), &key).unwrap();
        let parse = || Unchecked::parse(&token).unwrap();
        assert!(parse().verify(&[other.verifying_key()]).is_none());
        let claims = parse()
            .verify(&[other.verifying_key(), key.verifying_key()])
            .unwrap();
        assert_eq!(claims["sub"], "ada@example.com");
    }

    #[test]
    fn an_assertion_without_a_signature_algorithm_is_none() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let claims = URL_SAFE_NO_PAD.encode("{}");
        assert!(Unchecked::parse(&format!("{header}.{claims}.")).is_none());
    }

    #[test]
    fn the_audience_is_a_login_host_or_this_org() {
        let meant = |aud: &str| {
            let claims = json!({ "aud": aud });
            check_audience(claims.as_object().unwrap(), "http://127.0.0.1:9").is_ok()
        };
        assert!(meant("https://login.salesforce.com"));
        assert!(meant("http://127.0.0.1:9/"));
        assert!(!meant("https://example.com"));
    }
}
