//! The `[[vendor.stream]]` parts of a connector's manifest: the endpoints of the
//! capability `stream`, and what of a connection their metadata carries.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::vendor::HostPattern;

/// The largest message of the contract, in bytes; gRPC's own default.
pub const MAX_MESSAGE_BYTES: u32 = 4 * 1024 * 1024;

/// More fields of metadata than any product asks for.
const MAX_FIELDS: usize = 16;

/// One endpoint that long-lived exchanges may be opened with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEndpoint {
    /// What the guest calls it: 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// Host and port, such as `events.example.com:7443`, reached over TLS. A
    /// local connection is served at its own API origin instead, so that nothing
    /// else can be reached.
    pub authority: String,
    /// Metadata that goes with every exchange: lower-case names, and what they
    /// hold.
    #[serde(default)]
    pub metadata: BTreeMap<String, Template>,
    /// The largest message in either direction, in bytes; 4 MiB unless given,
    /// and never more.
    #[serde(default = "default_max_message_bytes")]
    pub max_message_bytes: u32,
}

const fn default_max_message_bytes() -> u32 {
    MAX_MESSAGE_BYTES
}

/// A text with places: `{token}` for the access token, `{origin}` for the API
/// origin without a slash at its end, `{identity}` for the identity that the
/// token answer named, and `{identity/2}` for the second segment of its path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Template(pub String);

/// What the places of a template stand for in one connection.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) token: &'a SecretString,
    pub(crate) origin: &'a Url,
    pub(crate) identity: Option<&'a str>,
}

/// One place of a template.
#[derive(Clone, Copy)]
enum Place {
    Token,
    Origin,
    Identity,
    /// Counted from 1.
    Segment(usize),
}

impl Place {
    fn named(name: &str) -> Option<Self> {
        match name {
            "token" => Some(Self::Token),
            "origin" => Some(Self::Origin),
            "identity" => Some(Self::Identity),
            _ => {
                let number = name.strip_prefix("identity/")?.parse().ok()?;
                (1..=16).contains(&number).then_some(Self::Segment(number))
            }
        }
    }

    fn fill(self, text: &mut String, places: &Places<'_>) -> Option<()> {
        match self {
            Self::Token => text.push_str(places.token.expose_secret()),
            Self::Origin => text.push_str(&places.origin.origin().ascii_serialization()),
            Self::Identity => text.push_str(places.identity?),
            Self::Segment(number) => {
                let identity = Url::parse(places.identity?).ok()?;
                let mut segments = identity.path_segments()?;
                let segment = segments.nth(number - 1).filter(|text| !text.is_empty())?;
                text.push_str(segment);
            }
        }
        Some(())
    }
}

impl Template {
    /// The text with its places filled; `None` if the connection lacks one.
    pub(crate) fn fill(&self, places: &Places<'_>) -> Option<Zeroizing<String>> {
        // With room for a token, so that no copy of it is left behind.
        let room = self.0.len() + places.token.expose_secret().len() * self.0.matches('{').count();
        let mut text = Zeroizing::new(String::with_capacity(room));
        let mut rest = self.0.as_str();
        while let Some((plain, behind)) = rest.split_once('{') {
            text.push_str(plain);
            let (name, behind) = behind.split_once('}')?;
            Place::named(name)?.fill(&mut text, places)?;
            rest = behind;
        }
        text.push_str(rest);
        Some(text)
    }

    /// What is wrong with it.
    fn problem(&self) -> Option<String> {
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if self.0.is_empty() || self.0.len() > 1024 || !self.0.bytes().all(printable) {
            return Some("is not 1 to 1,024 printable characters of ASCII".to_owned());
        }
        let mut rest = self.0.as_str();
        while let Some((_, behind)) = rest.split_once('{') {
            // What is not closed is taken whole, brace and all, and fits nothing.
            let (name, behind) = behind.split_once('}').unwrap_or((rest, ""));
            if Place::named(name).is_none() {
                return Some(format!(
                    "has `{{{}}}`; only {{token}}, {{origin}}, {{identity}} and its segments, such as {{identity/2}}, can stand there",
                    name.escape_default()
                ));
            }
            rest = behind;
        }
        None
    }
}

impl StreamEndpoint {
    /// Every rule that this breaks.
    pub(super) fn problems(&self) -> Vec<String> {
        let member = format!("vendor.stream `{}`", self.name.escape_default());
        let mut problems = Vec::new();
        let is_name = (1..=64).contains(&self.name.len())
            && self
                .name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_name {
            problems.push(format!("{member}: name is not 1 to 64 of a-z, 0-9 and -"));
        }
        if !is_authority(&self.authority) {
            problems.push(format!(
                "{member}: authority `{}` is not a host name and a port such as events.example.com:443",
                self.authority.escape_default()
            ));
        }
        if !(1..=MAX_MESSAGE_BYTES).contains(&self.max_message_bytes) {
            problems.push(format!(
                "{member}: max_message_bytes {} is not 1 to {MAX_MESSAGE_BYTES}",
                self.max_message_bytes
            ));
        }
        if self.metadata.len() > MAX_FIELDS {
            problems.push(format!(
                "{member}: metadata has more than {MAX_FIELDS} fields"
            ));
        }
        for (name, template) in &self.metadata {
            let field = format!("{member}: metadata `{}`", name.escape_default());
            if !is_field(name) {
                problems.push(format!(
                    "{field} is not a lower-case name that is free for a product to use"
                ));
            }
            if let Some(problem) = template.problem() {
                problems.push(format!("{field} {problem}"));
            }
        }
        problems
    }
}

/// A name of the public internet with its port.
fn is_authority(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0)
        && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port && !host.starts_with('*') && HostPattern(host.to_owned()).is_sound()
}

/// Whether a product may have this field. The others frame the message, or are
/// gRPC's own; the values of `-bin` fields would have to be base64.
fn is_field(name: &str) -> bool {
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.')
        });
    let reserved = [
        "te",
        "content-type",
        "content-length",
        "user-agent",
        "host",
        "connection",
        "keep-alive",
        "upgrade",
        "transfer-encoding",
        "trailer",
        "expect",
    ];
    is_name
        && !reserved.contains(&name)
        && !name.starts_with("grpc-")
        && !name.starts_with("proxy-")
        && !name.ends_with("-bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        toml::from_str::<StreamEndpoint>(toml).unwrap().problems()
    }

    #[test]
    fn an_endpoint_that_keeps_the_rules_has_no_problems() {
        let endpoint = "name = 'events'\nauthority = 'api.events.example.com:7443'\n\
                        [metadata]\naccesstoken = '{token}'\ninstanceurl = '{origin}'\n\
                        tenantid = '{identity/2}'\nauthorization = 'Bearer {token}'\n";
        assert_eq!(problems(endpoint), Vec::<String>::new());
        let endpoint: StreamEndpoint = toml::from_str(endpoint).unwrap();
        assert_eq!(endpoint.max_message_bytes, MAX_MESSAGE_BYTES);
    }

    #[test]
    fn every_problem_of_an_endpoint_names_its_member() {
        let text = "name = 'Events'\nauthority = 'https://example.com'\nmax_message_bytes = 0\n\
                    [metadata]\n'grpc-timeout' = 'x'\nPlain = 'x'\nsecret = '{client_secret}'\n\
                    trace-bin = 'x'\nopen = '{token'\n";
        let problems = problems(text);
        for told in [
            "name is not",
            "authority `https://example.com`",
            "max_message_bytes 0",
            "metadata `grpc-timeout`",
            "metadata `Plain`",
            "metadata `secret` has `{client_secret}`",
            "metadata `trace-bin`",
            "metadata `open`",
        ] {
            let named = |problem: &&String| {
                problem.contains("vendor.stream `Events`") && problem.contains(told)
            };
            assert_eq!(
                problems.iter().filter(named).count(),
                1,
                "{told}: {problems:#?}"
            );
        }
        assert_eq!(problems.len(), 8, "{problems:#?}");
    }

    #[test]
    fn an_authority_is_one_public_name_with_its_port() {
        for good in ["example.com:443", "api.pubsub.example.com:7443"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in [
            "example.com",
            "example.com:0",
            "example.com:65536",
            "example.com:+443",
            "localhost:443",
            "*.example.com:443",
            "a@example.com:443",
            "example.com/:443",
            "[::1]:443",
        ] {
            assert!(!is_authority(bad), "{bad}");
        }
    }

    #[test]
    fn places_are_filled_and_a_missing_one_is_told() {
        let token = SecretString::from("secret-token");
        let origin = Url::parse("https://acme.example.com").unwrap();
        let mut places = Places {
            token: &token,
            origin: &origin,
            identity: Some("https://login.example.com/id/ORG/USER"),
        };
        let fill = |text: &str, places: &Places<'_>| {
            let filled = Template(text.to_owned()).fill(places);
            filled.map(|text| text.to_string())
        };
        for (text, filled) in [
            ("plain", "plain"),
            ("Bearer {token}", "Bearer secret-token"),
            ("{origin}", "https://acme.example.com"),
            ("{identity/2}:{identity/3}", "ORG:USER"),
            ("{identity}", "https://login.example.com/id/ORG/USER"),
        ] {
            assert_eq!(fill(text, &places).as_deref(), Some(filled));
        }
        assert_eq!(fill("{identity/4}", &places), None);
        places.identity = None;
        assert_eq!(fill("{identity/2}", &places), None);
    }
}
