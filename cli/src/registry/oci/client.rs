//! The requests of the distribution specification: each is made again once with the
//! authorization that the registry asks for. Everything that comes back has a bound.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Deserialize;
use url::{Host, Url};

use super::auth::{self, Login};
use super::{Descriptor, digest};
use crate::exit::{advised, usage};
use crate::registry::Title;

/// The largest manifest, as registries have it, in bytes.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// The longest list of tags, and how many lists one package has at most.
const MAX_TAGS_BYTES: u64 = 4 * 1024 * 1024;
const MAX_TAG_PAGES: usize = 100;

const CONNECT: Duration = Duration::from_secs(10);

/// How long a registry may be silent.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Client {
    http: reqwest::Client,
    /// With the path below which its packages are, and a slash at the end.
    base: Url,
    path: String,
    login: Option<Login>,
    /// What the registry has accepted last.
    authorization: Mutex<Option<HeaderValue>>,
}

#[derive(Deserialize)]
struct Tags {
    /// null for a package that lost all of them.
    tags: Option<Vec<String>>,
}

impl Client {
    /// Of a registry by `HOST[:PORT][/PATH]`. Only one on this machine is spoken to
    /// without TLS.
    pub(super) fn new(address: &str) -> Result<Self> {
        let wrong = || usage(format!("`oci://{address}` is not like oci://HOST/PATH"));
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        let path = path.trim_end_matches('/');
        let is_plain = |part: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(plain)
        };
        if !path.is_empty() && !path.split('/').all(is_plain) {
            return Err(wrong());
        }
        let mut base = Url::parse(&format!("https://{host}/")).map_err(|_| wrong())?;
        if !base.username().is_empty() || base.password().is_some() || base.path() != "/" {
            return Err(wrong());
        }
        let is_here = is_loopback(&base);
        if is_here {
            base = Url::parse(&format!("http://{host}/")).map_err(|_| wrong())?;
        }
        let tls = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(!is_here)
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .user_agent(concat!("lockgate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let login = auth::kept(host)?;
        Ok(Self {
            http,
            base,
            path: match path {
                "" => String::new(),
                path => format!("{path}/"),
            },
            login,
            authorization: Mutex::default(),
        })
    }

    pub(super) fn log_in(&mut self, login: Login) {
        self.login = Some(login);
    }

    pub(super) async fn tags(&self, title: &Title) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let mut next = Some(self.url(title, "tags/list")?);
        for _ in 0..MAX_TAG_PAGES {
            let Some(url) = next.take() else {
                return Ok(all);
            };
            let answer = self.send(Method::GET, &url, |request| request).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(all);
            }
            let answer = self.expected(answer, StatusCode::OK).await?;
            next = self.next_page(&answer)?;
            let body = read(answer, MAX_TAGS_BYTES).await?;
            let tags: Tags = serde_json::from_slice(&body).context("its tags are no list")?;
            all.extend(tags.tags.into_iter().flatten());
        }
        bail!("{self} has more tags of {title} than are read: name the version");
    }

    /// `Link: </v2/…?n=100&last=0.1.0>; rel="next"`.
    fn next_page(&self, answer: &Response) -> Result<Option<Url>> {
        let link = answer
            .headers()
            .get("link")
            .and_then(|link| link.to_str().ok());
        let target = link.and_then(|link| link.split_once('<')?.1.split_once('>'));
        let Some((target, _)) = target.filter(|(_, rest)| rest.contains("next")) else {
            return Ok(None);
        };
        self.within(target).map(Some)
    }

    /// The manifest behind a tag; `None` if there is none.
    pub(super) async fn manifest(
        &self,
        title: &Title,
        tag: &str,
        media_type: &str,
    ) -> Result<Option<Vec<u8>>> {
        let url = self.url(title, &format!("manifests/{tag}"))?;
        let answer = self
            .send(Method::GET, &url, |request| {
                request.header(ACCEPT, media_type)
            })
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expected(answer, StatusCode::OK).await?;
        read(answer, MAX_MANIFEST_BYTES).await.map(Some)
    }

    /// What a descriptor names, held against its size and its digest.
    pub(super) async fn blob(
        &self,
        title: &Title,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>> {
        if descriptor.size > limit {
            bail!(
                "{title} has {} bytes; a component has at most {limit}",
                descriptor.size
            );
        }
        let url = self.url(title, &format!("blobs/{}", plain(&descriptor.digest)?))?;
        let answer = self.send(Method::GET, &url, |request| request).await?;
        let answer = self.expected(answer, StatusCode::OK).await?;
        let content = read(answer, descriptor.size).await?;
        if digest(&content) != descriptor.digest {
            return Err(advised(
                format!("what {self} gives for {title} is not what its digest says"),
                "try again; if it stays so, the registry or the way to it cannot be trusted",
            ));
        }
        Ok(content)
    }

    /// Puts content there in one piece, unless it is there already.
    pub(super) async fn upload(
        &self,
        title: &Title,
        descriptor: &Descriptor,
        content: Bytes,
    ) -> Result<()> {
        let there = self.url(title, &format!("blobs/{}", descriptor.digest))?;
        let known = self.send(Method::HEAD, &there, |request| request).await?;
        if known.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = self.url(title, "blobs/uploads/")?;
        let begun = self
            .send(Method::POST, &begin, |request| request.body(""))
            .await?;
        let begun = self.expected(begun, StatusCode::ACCEPTED).await?;
        let place = begun
            .headers()
            .get(LOCATION)
            .and_then(|to| to.to_str().ok());
        let mut place = self.within(place.context("it names no place to upload to")?)?;
        place
            .query_pairs_mut()
            .append_pair("digest", &descriptor.digest);
        let put = |request: RequestBuilder| {
            request
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(content.clone())
        };
        let done = self.send(Method::PUT, &place, put).await?;
        self.expected(done, StatusCode::CREATED).await?;
        Ok(())
    }

    pub(super) async fn put_manifest(
        &self,
        title: &Title,
        tag: &str,
        media_type: &str,
        manifest: Vec<u8>,
    ) -> Result<()> {
        let url = self.url(title, &format!("manifests/{tag}"))?;
        let put = |request: RequestBuilder| {
            let request = request.header(CONTENT_TYPE, media_type);
            request.body(manifest.clone())
        };
        let done = self.send(Method::PUT, &url, put).await?;
        self.expected(done, StatusCode::CREATED).await?;
        Ok(())
    }

    /// Sends a request, once more if the registry asks who it is from.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        let doing = || format!("cannot reach {self}");
        let request = |authorization: Option<HeaderValue>| {
            let request = self.http.request(method.clone(), url.clone());
            let request = match authorization {
                Some(authorization) => request.header(AUTHORIZATION, authorization),
                None => request,
            };
            complete(request)
        };
        let accepted = self.accepted().clone();
        let answer = request(accepted).send().await.with_context(doing)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenges = answer.headers().get_all("www-authenticate").iter();
        let challenges: Vec<&str> = challenges.filter_map(|value| value.to_str().ok()).collect();
        let answered = auth::answer(
            &self.http,
            &challenges,
            self.login.as_ref(),
            is_loopback(&self.base),
        );
        let Some(answered) = answered.await? else {
            return Ok(answer);
        };
        let answer = request(Some(answered.clone()))
            .send()
            .await
            .with_context(doing)?;
        *self.accepted() = Some(answered);
        Ok(answer)
    }

    fn accepted(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, if it has this status.
    async fn expected(&self, answer: Response, status: StatusCode) -> Result<Response> {
        let got = answer.status();
        match got {
            got if got == status => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(advised(
                format!("{self} does not allow it ({got})"),
                "say who you are with --user NAME --password-file FILE, or log in with \
                 `docker login`, whose file is read",
            )),
            StatusCode::TOO_MANY_REQUESTS => Err(advised(
                format!("{self} gets too many requests"),
                "run the same command again in a minute",
            )),
            got => {
                let said = read(answer, 4 * 1024).await.unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                bail!("{self} answers {got} instead of {status}: {}", said.trim())
            }
        }
    }

    fn url(&self, title: &Title, what: &str) -> Result<Url> {
        let (path, namespace, name) = (&self.path, &title.namespace, &title.name);
        Ok(self
            .base
            .join(&format!("v2/{path}{namespace}/{name}/{what}"))?)
    }

    /// Where the registry leads to, which is at the registry: what is sent there has the
    /// authorization for it.
    fn within(&self, target: &str) -> Result<Url> {
        let url = self.base.join(target).context("it leads to no address")?;
        if url.origin() != self.base.origin() {
            bail!(
                "{self} leads to another host: {}",
                url.origin().ascii_serialization()
            );
        }
        Ok(url)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.base.host_str().unwrap_or_default();
        let port = self
            .base
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        write!(f, "oci://{host}{port}/{}", self.path.trim_end_matches('/'))
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// A digest that may stand in an address.
fn plain(digest: &str) -> Result<&str> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("`{}` is no digest by SHA-256", digest.escape_default());
    }
    Ok(digest)
}

/// A body of at most so many bytes.
pub(super) async fn read(mut answer: Response, limit: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    while let Some(part) = answer.chunk().await.context("the answer broke off")? {
        content.extend_from_slice(&part);
        if content.len() as u64 > limit {
            bail!("the answer holds more than {limit} bytes");
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_registry_on_this_machine_is_spoken_to_without_tls() {
        let base = |address: &str| Client::new(address).unwrap().base.to_string();
        assert_eq!(base("127.0.0.1:5000/acme"), "http://127.0.0.1:5000/");
        assert_eq!(base("localhost"), "http://localhost/");
        assert_eq!(base("[::1]:5000"), "http://[::1]:5000/");
        for elsewhere in ["ghcr.io/acme", "10.0.0.1:5000", "localhost.example.com"] {
            assert!(base(elsewhere).starts_with("https://"), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_registry_is_refused() {
        for wrong in [
            "", "/a", "h/../x", "h/A", "h/a?b", "u:p@h/a", "h/a//b", "h/a#b", "h b",
        ] {
            assert!(Client::new(wrong).is_err(), "{wrong}");
        }
        let client = Client::new("ghcr.io/acme/").unwrap();
        assert_eq!(client.to_string(), "oci://ghcr.io/acme");
        let title = Title::new("tools", "tidy").unwrap();
        let url = client.url(&title, "tags/list").unwrap();
        assert_eq!(url.as_str(), "https://ghcr.io/v2/acme/tools/tidy/tags/list");
        assert!(client.within("https://elsewhere.example.com/x").is_err());
        assert!(client.within("http://ghcr.io/x").is_err());
        client.within("/v2/x?y=z").unwrap();
        assert!(plain("sha256:../../x").is_err());
    }
}
