//! A registry that speaks the distribution specification of OCI, with packages as the
//! Wasm artifacts of the CNCF: one layer `application/wasm`, which is the component.
//!
//! Manifest and signature of a package are annotations, since `wkg` takes an artifact
//! with a second layer for none. Six kinds of request are all that this takes, over the client
//! that the program has anyway; see ARCHITECTURE.md for what a crate would have cost.

mod auth;
mod client;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};
use lockgate::{Error, MAX_COMPONENT_BYTES, Package};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Title;
use crate::exit::advised;
pub(crate) use auth::Login;
use client::Client;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// The annotations that hold the rest of a package: `package.toml`, and the signature.
const PACKAGE: &str = "lockgate.package";
const SIGNATURE: &str = "lockgate.signature";

pub(crate) struct Oci {
    client: Client,
}

/// An image manifest, as far as it matters here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What is somewhere else, by its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    /// `sha256:` and 64 hexadecimal digits.
    digest: String,
    /// In bytes.
    size: u64,
}

impl Oci {
    /// `HOST`, `HOST:PORT`, `HOST/PATH`.
    pub(super) fn at(address: &str) -> Result<Self> {
        Ok(Self {
            client: Client::new(address)?,
        })
    }

    /// The same for who has an account there.
    pub(super) fn logged_in(mut self, login: Login) -> Self {
        self.client.log_in(login);
        self
    }

    pub(super) async fn versions(&self, title: &Title) -> Result<Vec<Version>> {
        let tags = self.client.tags(title).await?;
        // Others are of other programs, signatures for instance.
        let versions = tags
            .iter()
            .filter_map(|tag| Version::parse(&from_tag(tag)).ok());
        Ok(versions.collect())
    }

    /// A version of a package; `None` if it is not there.
    pub(super) async fn get(&self, title: &Title, version: &str) -> Result<Option<Package>> {
        let Some(manifest) = self
            .client
            .manifest(title, &to_tag(version), MANIFEST)
            .await?
        else {
            return Ok(None);
        };
        let manifest: Manifest = serde_json::from_slice(&manifest)
            .context("what is there is no image manifest of OCI")?;
        let [layer] = manifest.layers.as_slice() else {
            return Err(no_package(title, version, "it has not one layer"));
        };
        if manifest.config.media_type != CONFIG || layer.media_type != LAYER {
            return Err(no_package(title, version, "its layer is no WebAssembly"));
        }
        let Some(text) = manifest.annotations.get(PACKAGE) else {
            return Err(no_package(title, version, "it has no manifest of one"));
        };
        let component = self.client.blob(title, layer, MAX_COMPONENT_BYTES).await?;
        let package = Package::from_parts(text, component).map_err(Error::from)?;
        let Some(signature) = manifest.annotations.get(SIGNATURE) else {
            return Ok(Some(package));
        };
        let signature = signature.parse().map_err(Error::from)?;
        Ok(Some(package.with_signature(signature)))
    }

    /// Puts a version there. It is there with its tag, which comes last.
    pub(super) async fn put(&self, title: &Title, version: &str, package: &Package) -> Result<()> {
        let component = package.component().clone();
        let layer = Descriptor::of(LAYER, &component);
        let config = config(package, &layer)?;
        let config_is = Descriptor::of(CONFIG, &config);
        self.client.upload(title, &layer, component).await?;
        self.client.upload(title, &config_is, config.into()).await?;
        let head = &package.manifest().package;
        let mut annotations = BTreeMap::new();
        let mut annotate = |name: &str, value: &str| {
            annotations.insert(name.to_owned(), value.to_owned());
        };
        annotate(PACKAGE, package.manifest_text());
        annotate("org.opencontainers.image.title", &head.name);
        annotate("org.opencontainers.image.version", &head.version);
        annotate("org.opencontainers.image.description", &head.description);
        if let Some(signature) = package.signature() {
            annotate(SIGNATURE, &signature.to_text());
        }
        let manifest = serde_json::to_vec(&Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            config: config_is,
            layers: vec![layer],
            annotations,
        })?;
        let tag = to_tag(version);
        self.client
            .put_manifest(title, &tag, MANIFEST, manifest)
            .await
    }
}

impl fmt::Display for Oci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

impl Descriptor {
    fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest(content),
            size: content.len() as u64,
        }
    }
}

fn digest(content: &[u8]) -> String {
    let hex = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256:{hex}")
}

/// What the artifact says of its component, as others look it up.
fn config(package: &Package, layer: &Descriptor) -> Result<Vec<u8>> {
    let inspection = package.inspect().map_err(Error::from)?;
    let names = |interfaces: &[lockgate::Interface]| -> Vec<String> {
        interfaces.iter().map(ToString::to_string).collect()
    };
    Ok(serde_json::to_vec(&json!({
        "created": OffsetDateTime::now_utc().format(&Rfc3339)?,
        "author": null,
        "architecture": "wasm",
        // What the CNCF calls all components, also those without WASI.
        "os": "wasip2",
        "layerDigests": [layer.digest],
        "component": {
            "exports": names(&inspection.exports),
            "imports": names(&inspection.imports),
            "target": null,
        },
    }))?)
}

/// Tags have no `+`, which versions may have.
fn to_tag(version: &str) -> String {
    version.replace('+', "_")
}

fn from_tag(tag: &str) -> String {
    tag.replace('_', "+")
}

fn no_package(title: &Title, version: &str, why: &str) -> anyhow::Error {
    advised(
        format!("{title}@{version} is no package of Lockgate: {why}"),
        "publish packages with `lockgate package publish`",
    )
}
