//! The three pages that a person sees: login, approval, and an error. Plain
//! forms without script, so that a test can post them like a browser does.

use axum::response::Response;
use hyper::header::HeaderValue;

use crate::http::answer;

/// Where the login form posts to.
const LOGIN: &str = "/services/oauth2/authorize/login";

/// Where the approval form posts to.
const APPROVE: &str = "/services/oauth2/authorize/approve";

/// Asks for username and password.
pub(crate) fn login(ticket: &str, username: &str, failed: bool) -> Response {
    let note = if failed {
        "<p role=\"alert\">Please check your username and password.</p>"
    } else {
        ""
    };
    page(
        200,
        "Log in",
        &format!(
            "{note}<form method=\"post\" action=\"{LOGIN}\">\
             <input type=\"hidden\" name=\"ticket\" value=\"{}\">\
             <p><label>Username <input name=\"username\" value=\"{}\" autocomplete=\"username\"></label></p>\
             <p><label>Password <input type=\"password\" name=\"password\" autocomplete=\"current-password\"></label></p>\
             <p><button type=\"submit\">Log In</button></p></form>",
            escape(ticket),
            escape(username)
        ),
    )
}

/// Asks whether the app may have what it wants.
pub(crate) fn approval(ticket: &str, app: &str, username: &str, scopes: &[String]) -> Response {
    let scopes: String = scopes
        .iter()
        .map(|scope| format!("<li>{}</li>", escape(scope)))
        .collect();
    page(
        200,
        "Allow access?",
        &format!(
            "<p>{} asks for access as {}:</p><ul>{scopes}</ul>\
             <form method=\"post\" action=\"{APPROVE}\">\
             <input type=\"hidden\" name=\"ticket\" value=\"{}\">\
             <p><button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button> \
             <button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button></p></form>",
            escape(app),
            escape(username),
            escape(ticket)
        ),
    )
}

/// Shows an error that must not be sent to an address nobody vouches for.
pub(crate) fn error(code: &str, description: &str) -> Response {
    page(
        400,
        "Error",
        &format!(
            "<p>We can't authorize you because of an OAuth error.</p>\
             <p>error={}&amp;error_description={}</p>",
            escape(code),
            escape(description)
        ),
    )
}

fn page(status: u16, title: &str, content: &str) -> Response {
    let mut response = answer::html(
        status,
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>{title} | Lockgate dev org</title></head>\
             <body><main><h1>{title}</h1>{content}</main></body></html>"
        ),
    );
    response.headers_mut().insert(
        hyper::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_request_cannot_become_markup() {
        assert_eq!(
            escape("\"><script>'&"),
            "&quot;&gt;&lt;script&gt;&#39;&amp;"
        );
    }
}
