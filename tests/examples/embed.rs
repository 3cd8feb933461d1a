//! A small app with Lockgate in it: a tenant connects an org, its contacts are
//! read through a plugin, and the tenant leaves. Give it the org's address; the
//! packages lie in `packages`, the state goes to `data`.

#![expect(clippy::print_stdout, reason = "it talks to whoever runs it")]

use anyhow::Context as _;
use lockgate::{AuthorizationHints, Callback, Host, LoginTo, NewConnection, Package, QueryOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = Host::builder().data_dir("data").allow_unsigned();
    let host = host.build().await?;
    for name in ["salesforce-connector", "contact-normalizer"] {
        let package = Package::open(format!("packages/{name}"))?;
        host.load(&package, package.asked_grants()).await?;
    }
    // A tenant connects. For a real org: LoginTo::Host("production".into()).
    let origin = std::env::args().nth(1).context("give the org's address")?;
    let org = LoginTo::Local { origin };
    let new = NewConnection::new("acme", "crm", "salesforce", org, "dev-org-client")
        .client_secret("dev-org-secret")
        .redirect_uri("http://localhost:1717/callback");
    let crm = host.add_connection(new).await?;
    let hints = AuthorizationHints::default();
    let start = host.begin_authorization("acme", "crm", &hints).await?;
    println!("send the person to {}", start.url);
    // What the web handler of the redirect URI does with the query that it gets.
    let mut query = String::new();
    std::io::stdin().read_line(&mut query)?;
    let callback = Callback::from_query(query.trim());
    host.finish_authorization(&callback).await?;
    // Pages come as they are asked for, each through the plugin.
    let settings = serde_json::json!({ "default_country": "US" });
    let normalizer = host.transform("contact-normalizer", &settings).await?;
    let soql = "SELECT Id, Name, Email, Phone FROM Contact";
    let pages = crm.query(soql, QueryOptions::default()).await?;
    let mut pages = pages.through(&normalizer, "Contact");
    while let Some(page) = pages.next_page().await? {
        println!("{} contacts", page.records.len());
    }
    // The tenant leaves: its tokens are revoked, everything of it is erased.
    host.remove_tenant("acme").await?;
    Ok(())
}
