//! Goes through a login as a browser would: reads the forms of the pages, fills
//! them in, posts them, and follows where it is sent.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Response};
use rustls::RootCertStore;
use url::Url;

/// Pages on the way: a login, an approval, and room for one more.
const MAX_PAGES: usize = 4;

/// A person who logs in and allows.
#[derive(Debug)]
pub(crate) struct Browser {
    username: String,
    password: String,
}

/// A form with the fields that a browser would send.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Opens the page, logs in, allows, and ends at the callback.
    pub(crate) async fn visit(&self, start: &Url) -> Result<()> {
        let client = client()?;
        let mut at = start.clone();
        let mut page = client.get(at.clone()).send().await?;
        for _ in 0..MAX_PAGES {
            if let Some(to) = redirect(&at, &page)? {
                let last = client.get(to).send().await?;
                if !last.status().is_success() {
                    bail!("the callback page answered {}", last.status());
                }
                return Ok(());
            }
            let status = page.status();
            let text = page.text().await?;
            let form = form(&text)
                .with_context(|| format!("the page at {} has no form ({status})", at.path()))?;
            at = at.join(&form.action).context("the form leads nowhere")?;
            page = client
                .post(at.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(self.fill(&form.fields))
                .send()
                .await?;
        }
        bail!("the login does not end after {MAX_PAGES} pages")
    }

    fn fill(&self, fields: &[(String, String)]) -> String {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            let value = match name.as_str() {
                "username" => &self.username,
                "password" => &self.password,
                _ => value,
            };
            body.append_pair(name, value);
        }
        body.finish()
    }
}

/// Follows nothing by itself, and keeps no proxy in between: all is on loopback.
pub(crate) fn client() -> Result<Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?)
}

fn redirect(at: &Url, page: &Response) -> Result<Option<Url>> {
    if !page.status().is_redirection() {
        return Ok(None);
    }
    let location = page
        .headers()
        .get("location")
        .context("a redirect that leads nowhere")?;
    Ok(Some(at.join(location.to_str()?)?))
}

/// The first form of a page. Of its buttons the first is pressed.
fn form(page: &str) -> Option<Form> {
    let start = page.find("<form")?;
    let rest = page.get(start..)?;
    let form = rest.get(..rest.find("</form>")?)?;
    let action = attribute(form.get(..form.find('>')?)?, "action")?;
    let mut fields = Vec::new();
    let mut pressed = false;
    for tag in form.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let is_button = tag.starts_with("button");
        if !(tag.starts_with("input") || is_button && !pressed) {
            continue;
        }
        pressed |= is_button;
        if let Some(name) = attribute(tag, "name") {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    Some(Form { action, fields })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag.get(start..)?.split('"').next()?;
    let plain = value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_sent_with_its_hidden_fields_and_its_first_button() {
        let page = "<p>x</p><form method=\"post\" action=\"/approve\">\
            <input type=\"hidden\" name=\"ticket\" value=\"a&amp;b\">\
            <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\
            <button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button></form>";
        let fields =
            [("ticket", "a&b"), ("decision", "allow")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let expected = Form {
            action: "/approve".to_owned(),
            fields: fields.to_vec(),
        };
        assert_eq!(form(page), Some(expected));
        assert_eq!(form("<p>nothing</p>"), None);
    }
}
