//! Things that must not work: a connector without its grant, plugins that run
//! away, and another tenant's hands on the connection.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use lockgate::{Error, Grant, Limit, PackageError, Records};
use serde_json::json;

use super::report::Refusal;
use super::stage::{NAME, Stage};
use crate::{packages, session};

impl Stage {
    /// Loads the connector without `http`, into a host of its own.
    pub(super) async fn refuse_grant(&mut self) -> Result<String> {
        let data = tempfile::tempdir()?;
        let host = session::open_in(data.path()).await?;
        let connector = packages::built_in("salesforce").context("the connector is missing")??;
        let grants = connector
            .asked_grants()
            .into_iter()
            .filter(|grant| *grant != Grant::Http);
        let began = Instant::now();
        match host.load(&connector, grants).await {
            Err(
                error @ Error::Package(PackageError::NotGranted {
                    grant: Grant::Http, ..
                }),
            ) => Ok(self.refused("load the connector without the grant http", began, &error)),
            Err(other) => bail!("refused for another reason: {other}"),
            Ok(()) => bail!("the connector was loaded without its grant"),
        }
    }

    /// Has a plugin spin for ever, and one eat memory.
    pub(super) async fn stop_runaways(&mut self) -> Result<String> {
        let hostile = packages::hostile()?;
        self.host.load(&hostile, []).await?;
        let runaways = [
            ("spin", Limit::Cpu, "run a plugin that never returns"),
            (
                "allocate",
                Limit::Memory,
                "run a plugin that takes all memory",
            ),
        ];
        let mut told = Vec::new();
        for (attack, expected, attempt) in runaways {
            let transform = self
                .host
                .transform(hostile.name(), &json!({ "do": attack }))
                .await?;
            let began = Instant::now();
            match transform.apply("Lead", &Records::from_json("[{}]")?).await {
                Err(error @ Error::LimitExceeded { limit, .. }) if limit == expected => {
                    told.push(self.refused(attempt, began, &error));
                }
                Err(other) => bail!("{attempt}: ended otherwise: {other}"),
                Ok(_) => bail!("{attempt}: it was not stopped"),
            }
        }
        Ok(told.join("; "))
    }

    /// Asks for the connection as somebody else.
    pub(super) async fn refuse_stranger(&mut self) -> Result<String> {
        let began = Instant::now();
        match self.host.connection("another-tenant", NAME).await {
            Err(error @ Error::NoConnection { .. }) => {
                Ok(self.refused("use the connection as another tenant", began, &error))
            }
            Err(other) => bail!("refused for another reason: {other}"),
            Ok(_) => bail!("another tenant got the connection"),
        }
    }

    /// After all that, everything still works.
    pub(super) async fn still_works(&mut self) -> Result<String> {
        let objects = self.connection()?.objects().await?;
        let transform = self
            .host
            .transform("contact-normalizer", &json!({}))
            .await?;
        let batch = Records::from_json(r#"[{"Email":"A@Example.com"}]"#)?;
        let after = transform.apply("Contact", &batch).await?;
        if after.records.as_bytes() != &br#"[{"Email":"a@example.com"}]"#[..] {
            bail!("the plugin answers otherwise than before");
        }
        Ok(format!(
            "connector and plugins answer as before; {} objects",
            objects.len()
        ))
    }

    fn refused(&mut self, attempt: &'static str, began: Instant, error: &Error) -> String {
        let answer = error.to_string();
        let seconds = began.elapsed().as_secs_f64();
        self.refusals.push(Refusal {
            attempt,
            answer: answer.clone(),
            seconds,
        });
        answer
    }
}
