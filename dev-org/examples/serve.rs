//! Serves a dev org until its input ends: for checks that run clients in other
//! languages against it.
//!
//! `serve [--tls] [--records N] [--listen ADDR] [--ca-dir FOLDER]`

#![expect(
    clippy::print_stdout,
    reason = "the address is what the caller waits for"
)]

use anyhow::{Context as _, bail};
use dev_org::{Config, DevOrg};

fn main() -> anyhow::Result<()> {
    let mut config = Config::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--tls" {
            config.tls = true;
            continue;
        }
        let value = arguments
            .next()
            .with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--records" => config.records = value.parse()?,
            "--listen" => config.listen = value.parse()?,
            "--ca-dir" => config.ca_dir = Some(value.into()),
            _ => bail!("unknown argument {argument}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let org = DevOrg::start(config).await?;
        println!("listening on {}", org.url());
        // Ends when the one who started this does, however they end.
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
            .await??;
        org.stop().await;
        Ok(())
    })
}
