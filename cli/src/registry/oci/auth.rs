//! Who asks a registry: the answer to its challenge, which is a name and a password, or
//! a token that those are exchanged for at a place that it names.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value as Json;
use url::Url;

use super::client::{self, read};

/// The longest answer with a token, in bytes.
const MAX_TOKEN_BYTES: u64 = 1024 * 1024;

/// An account at a registry.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The account that `docker login`, `podman login` and the like have kept for a registry
/// in the file that they share.
pub(super) fn kept(host: &str) -> Result<Option<Login>> {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let Some(directory) = directory.or_else(home) else {
        return Ok(None);
    };
    let Ok(text) = std::fs::read_to_string(directory.join("config.json")) else {
        return Ok(None);
    };
    let doing = || format!("cannot use {}", directory.join("config.json").display());
    let config: Json = serde_json::from_str(&text).with_context(doing)?;
    let encoded = config
        .get("auths")
        .and_then(|auths| auths.get(host)?.get("auth")?.as_str());
    let Some(encoded) = encoded.filter(|encoded| !encoded.is_empty()) else {
        return Ok(None);
    };
    let decoded = STANDARD.decode(encoded).with_context(doing)?;
    let decoded = String::from_utf8(decoded).with_context(doing)?;
    let login = decoded.split_once(':').map(|(user, password)| Login {
        user: user.to_owned(),
        password: SecretString::from(password),
    });
    Ok(login)
}

/// What answers the challenges of a registry; `None` if nothing does.
pub(super) async fn answer(
    http: &reqwest::Client,
    challenges: &[&str],
    login: Option<&Login>,
    is_loopback: bool,
) -> Result<Option<HeaderValue>> {
    let mut challenges = challenges.iter().filter_map(|text| challenge(text));
    match (challenges.next(), login) {
        (Some(Challenge::Basic), Some(login)) => Ok(Some(basic(login)?)),
        (
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }),
            login,
        ) => {
            let realm = Url::parse(&realm).context("the registry names no place for tokens")?;
            if realm.scheme() != "https" && !(is_loopback && client::is_loopback(&realm)) {
                bail!("the registry wants a password to be sent in the clear, to {realm}");
            }
            let mut url = realm;
            for (name, value) in [("service", service), ("scope", scope)] {
                if let Some(value) = value {
                    url.query_pairs_mut().append_pair(name, &value);
                }
            }
            token(http, url, login).await.map(Some)
        }
        (Some(Challenge::Basic), None) | (None, _) => Ok(None),
    }
}

async fn token(http: &reqwest::Client, url: Url, login: Option<&Login>) -> Result<HeaderValue> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let mut request = http.get(url);
    if let Some(login) = login {
        request = request.header(reqwest::header::AUTHORIZATION, basic(login)?);
    }
    let answer = request
        .send()
        .await
        .with_context(|| format!("cannot get a token for the registry from {host}"))?;
    if !answer.status().is_success() {
        bail!(
            "{host} gives no token for the registry: it answers {}",
            answer.status()
        );
    }
    let body = read(answer, MAX_TOKEN_BYTES).await?;
    // The cause would quote the body.
    let given = serde_json::from_slice::<Token>(&body).ok();
    let token = given.and_then(|given| given.token.or(given.access_token));
    let token = token.with_context(|| format!("{host} gives no token for the registry"))?;
    secret(format!("Bearer {token}"))
}

fn basic(login: &Login) -> Result<HeaderValue> {
    let both = format!("{}:{}", login.user, login.password.expose_secret());
    secret(format!("Basic {}", STANDARD.encode(both)))
}

fn secret(text: String) -> Result<HeaderValue> {
    let value = HeaderValue::try_from(text);
    let mut value = value
        .ok()
        .context("what authorizes it cannot be sent in a header")?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Bearer realm="https://…",service="…",scope="…"`.
fn challenge(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut scope) = (None, None, None);
    let mut rest = rest;
    while let Some((name, value)) = rest.split_once("=\"") {
        let (value, after) = value.split_once('"')?;
        match name.trim_matches([',', ' ']) {
            "realm" => realm = Some(value.to_owned()),
            "service" => service = Some(value.to_owned()),
            "scope" => scope = Some(value.to_owned()),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge::Bearer {
        realm: realm?,
        service,
        scope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_word_them() {
        let text = "Bearer realm=\"https://auth.example.com/token\",service=\"example.com\",\
                    scope=\"repository:acme/tidy:pull,push\"";
        let bearer = Challenge::Bearer {
            realm: "https://auth.example.com/token".to_owned(),
            service: Some("example.com".to_owned()),
            scope: Some("repository:acme/tidy:pull,push".to_owned()),
        };
        assert_eq!(challenge(text), Some(bearer));
        assert_eq!(challenge("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(challenge("basic"), Some(Challenge::Basic));
        for none in [
            "",
            "Digest realm=\"x\"",
            "Bearer",
            "Bearer realm=\"x",
            "Bearer service=\"x\"",
        ] {
            assert_eq!(challenge(none), None, "{none}");
        }
    }

    #[tokio::test]
    async fn no_password_goes_where_it_would_be_seen() {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(
                rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
            )
            .build()
            .unwrap();
        let login = Login {
            user: "someone".to_owned(),
            password: SecretString::from("secret"),
        };
        for (realm, is_loopback) in [
            ("http://auth.example.com/token", true),
            ("http://127.0.0.1:9/token", false),
        ] {
            let challenge = format!("Bearer realm=\"{realm}\"");
            let answered = answer(&http, &[&challenge], Some(&login), is_loopback).await;
            let refused = answered.unwrap_err().to_string();
            assert!(refused.contains("in the clear"), "{refused}");
        }
        let nothing = answer(&http, &["Basic realm=\"x\""], None, true)
            .await
            .unwrap();
        assert!(nothing.is_none());
    }
}
