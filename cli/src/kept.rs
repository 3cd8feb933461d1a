//! What has a name and is kept with its connection: syncs and webhooks. Sealed, for
//! addresses may hold passwords, and erased with the connection.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lockgate::store::StoreError;
use lockgate::{Connection, ConnectionKey, Error, Host};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::exit::{advised, tenant_argument};

/// What one of a kind is.
pub(crate) trait Definition: Clone + Serialize + DeserializeOwned {
    /// What messages call the kind.
    const WORD: &'static str;
    /// The name under which all of a connection are kept.
    const KEPT: &'static str;
    /// What to do if there is none of a name.
    const ADVICE: &'static str;
}

/// One of a kind, with its name and its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept<D> {
    /// Unique for the tenant.
    pub(crate) name: String,
    pub(crate) connection: ConnectionKey,
    pub(crate) definition: D,
}

impl<D> Kept<D> {
    /// As messages call it, and unique among all tenants.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.connection.tenant(), self.name)
    }

    /// As commands take it.
    pub(crate) fn as_arguments(&self) -> String {
        format!("{}{}", self.name, tenant_argument(self.connection.tenant()))
    }
}

/// All of a kind of a tenant, or of all tenants.
pub(crate) async fn all<D: Definition>(host: &Host, tenant: Option<&str>) -> Result<Vec<Kept<D>>> {
    let mut all = Vec::new();
    for record in host.connections(tenant).await? {
        let connection = host
            .connection(record.key.tenant(), record.key.name())
            .await?;
        let (those, _) = of(&connection).await?;
        all.extend(those.into_iter().map(|(name, definition)| Kept {
            name,
            connection: record.key.clone(),
            definition,
        }));
    }
    Ok(all)
}

/// One by its name.
pub(crate) async fn find<D: Definition>(host: &Host, tenant: &str, name: &str) -> Result<Kept<D>> {
    let all = all(host, Some(tenant)).await?;
    all.into_iter()
        .find(|kept| kept.name == name)
        .ok_or_else(|| {
            let argument = tenant_argument(tenant);
            advised(
                format!("there is no {} `{name}`{argument}", D::WORD),
                D::ADVICE,
            )
        })
}

/// Refuses a name that is taken.
pub(crate) async fn must_be_new<D: Definition>(host: &Host, new: &Kept<D>) -> Result<()> {
    let others = all::<D>(host, Some(new.connection.tenant())).await?;
    if others.iter().any(|other| other.name == new.name) {
        return Err(advised(
            format!("there is a {} `{}` already", D::WORD, new.name),
            "give this one another name with --name",
        ));
    }
    Ok(())
}

/// Keeps one in the place of one of the same name, if there is one.
pub(crate) async fn keep<D: Definition>(host: &Host, kept: &Kept<D>) -> Result<()> {
    write(host, kept, Some(&kept.definition)).await
}

/// Forgets one.
pub(crate) async fn forget<D: Definition>(host: &Host, kept: &Kept<D>) -> Result<()> {
    write(host, kept, None).await
}

async fn write<D: Definition>(host: &Host, kept: &Kept<D>, definition: Option<&D>) -> Result<()> {
    let key = &kept.connection;
    let connection = host.connection(key.tenant(), key.name()).await?;
    loop {
        let (mut those, version) = of(&connection).await?;
        match definition {
            Some(definition) => those.insert(kept.name.clone(), definition.clone()),
            None => those.remove(&kept.name),
        };
        let bytes =
            serde_json::to_vec(&those).with_context(|| format!("cannot keep the {}", D::WORD))?;
        match connection.keep(D::KEPT, &bytes, version).await {
            // Somebody else was faster: on top of what they wrote.
            Err(Error::Store(StoreError::Conflict { .. })) => {}
            other => return Ok(other.map(|_| ())?),
        }
    }
}

async fn of<D: Definition>(connection: &Connection) -> Result<(BTreeMap<String, D>, Option<u64>)> {
    let Some(kept) = connection.kept(D::KEPT).await? else {
        return Ok((BTreeMap::new(), None));
    };
    let those = serde_json::from_slice(&kept.bytes).with_context(|| {
        let key = connection.key();
        format!(
            "the {}s of {key} were written by another version of lockgate",
            D::WORD
        )
    })?;
    Ok((those, Some(kept.version)))
}
