//! Parameters of a login request, from the query string and the form body,
//! with client credentials from either the form or basic authentication.

use std::collections::HashMap;

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header;

use crate::http::body;

/// The parameters by name.
#[derive(Debug, Default)]
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// Reads query string and form; a form's value wins.
    pub(crate) async fn read(request: Request) -> Self {
        let (parts, content) = request.into_parts();
        let mut params = HashMap::new();
        let query = parts.uri.query().unwrap_or_default();
        params.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
        // A body that cannot be read has no parameters, and what is missing
        // then is reported as missing.
        if let Ok(form) = body::read(&parts.headers, content, body::LIMIT).await {
            params.extend(url::form_urlencoded::parse(&form).into_owned());
        }
        if let Some((id, secret)) = basic(&parts.headers) {
            params.entry("client_id".to_owned()).or_insert(id);
            params.entry("client_secret".to_owned()).or_insert(secret);
        }
        Self(params)
    }

    /// A parameter that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = plain.split_once(':')?;
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((decode(id), decode(secret)))
}
