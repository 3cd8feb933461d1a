//! Where a request may go: the rules for URLs and for resolved addresses.
//!
//! Apart from the client, because these are pure rules and the place where an
//! attack that turns the host against its own network has to fail.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::error::Refusal;

/// Which addresses a connection may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    /// The public internet: https on port 443, and only names of which every
    /// address is public.
    Public,
    /// A connection that was declared local: exactly these origins (scheme, host
    /// and port), which may be http and may have private addresses.
    Local {
        /// The origins. Paths and queries in them mean nothing.
        origins: Vec<Url>,
    },
}

/// Names that resolvers answer from the machine or its network, and so never
/// belong to a product on the internet.
const LOCAL_SUFFIXES: [&str; 6] = [
    "localhost",
    "local",
    "internal",
    "localdomain",
    "home.arpa",
    "onion",
];

impl AddressPolicy {
    /// Checks all of a URL that can be known before its name is resolved.
    ///
    /// # Errors
    /// The rule that the URL breaks.
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        match self {
            Self::Public => {
                if url.scheme() != "https" {
                    return Err(Refusal::Scheme);
                }
                // The parser leaves the scheme's own port out.
                if let Some(port) = url.port() {
                    return Err(Refusal::Port(port));
                }
                match url.host() {
                    None => Err(Refusal::Name),
                    Some(Host::Domain(name)) => check_name(name),
                    Some(Host::Ipv4(address)) => check_public(IpAddr::V4(address)),
                    Some(Host::Ipv6(address)) => check_public(IpAddr::V6(address)),
                }
            }
            Self::Local { origins } => {
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(Refusal::Scheme);
                }
                if !origins.iter().any(|origin| origin.origin() == url.origin()) {
                    return Err(Refusal::Origin);
                }
                match url.host() {
                    None => Err(Refusal::Name),
                    Some(Host::Domain(_)) => Ok(()),
                    Some(Host::Ipv4(address)) => check_local(IpAddr::V4(address)),
                    Some(Host::Ipv6(address)) => check_local(IpAddr::V6(address)),
                }
            }
        }
    }
}

impl AddressPolicy {
    /// The same for an address of which the manifest names the port.
    pub(super) fn check_any_port(&self, url: &Url) -> Result<(), Refusal> {
        let mut plain = url.clone();
        if *self == Self::Public && plain.set_port(None).is_err() {
            return Err(Refusal::Name);
        }
        self.check(&plain)
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let local = !name.contains('.')
        || name.ends_with('.')
        || LOCAL_SUFFIXES.iter().any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|head| head.ends_with('.'))
        });
    if local { Err(Refusal::Name) } else { Ok(()) }
}

/// Refuses an address that is not of the public internet.
pub(super) fn check_public(address: IpAddr) -> Result<(), Refusal> {
    if is_public(address) {
        Ok(())
    } else {
        Err(Refusal::Address)
    }
}

/// Refuses what even a local connection has no business with: link-local, where
/// clouds serve their machines' credentials, and multicast.
pub(super) fn check_local(address: IpAddr) -> Result<(), Refusal> {
    let refused = match address {
        IpAddr::V4(v4) => is_never_local(v4),
        IpAddr::V6(v6) => {
            v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6 == AWS_METADATA_V6
                || v6.to_ipv4_mapped().is_some_and(is_never_local)
        }
    };
    if refused {
        Err(Refusal::Address)
    } else {
        Ok(())
    }
}

/// Where AWS serves a machine's credentials over IPv6. Unique-local, so the
/// public rule refuses it anyhow.
const AWS_METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Azure's wire server: a public address that answers each machine about itself.
const AZURE_WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Alibaba's metadata service, within the shared address space.
const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

fn is_never_local(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address == AZURE_WIRE_SERVER
        || address == ALIBABA_METADATA
}

/// Whether an address belongs to the public internet (IANA's special-purpose
/// registries, read so that a doubt means no).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private, loopback.
        (0 | 10 | 127, ..) => true,
        // Shared by carriers (RFC 6598).
        (100, 64..=127, _) => true,
        // Link-local, with the metadata services.
        (169, 254, _) => true,
        (172, 16..=31, _) | (192, 168, _) => true,
        // Protocol assignments, documentation, the old 6to4 relay.
        (192, 0, 0 | 2) | (192, 88, 99) => true,
        // Benchmarks.
        (198, 18 | 19, _) => true,
        // Documentation.
        (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224.., ..) => true,
        _ => false,
    };
    !special && address != AZURE_WIRE_SERVER
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only global unicast, 2000::/3. That leaves out loopback, unspecified,
    // v4-mapped and v4-compatible, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48),
    // discard, unique-local, link-local, site-local and multicast.
    if a & 0xe000 != 0x2000 {
        return false;
    }
    let special = match (a, b) {
        // Protocol assignments, Teredo and ORCHID among them.
        (0x2001, 0..=0x01ff) => true,
        // Documentation.
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) => true,
        // 6to4: carries any v4 address within.
        (0x2002, _) => true,
        _ => false,
    };
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(url: &str) -> Result<(), Refusal> {
        AddressPolicy::Public.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_address_of_the_manifest_may_have_any_port_and_is_public_all_the_same() {
        let any_port = |url: &str| AddressPolicy::Public.check_any_port(&Url::parse(url).unwrap());
        assert_eq!(any_port("https://events.example.com:7443/"), Ok(()));
        assert_eq!(any_port("https://10.0.0.1:7443/"), Err(Refusal::Address));
        assert_eq!(any_port("http://events.example.com/"), Err(Refusal::Scheme));
        let port = public("https://events.example.com:7443/");
        assert_eq!(port, Err(Refusal::Port(7443)));
    }

    #[test]
    fn addresses_outside_the_public_internet_are_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn urls_that_lead_inside_are_refused_however_they_are_written() {
        for url in [
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:169.254.169.254]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://2852039166/",
            "https://0xa9fea9fe/",
            "https://0251.0376.0251.0376/",
            "https://127.1/",
            "https://0/",
            "https://0x7f.0.0.1/",
            "https://[::1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
        ] {
            assert_eq!(public(url), Err(Refusal::Address), "{url}");
        }
        for url in [
            "https://localhost/",
            "https://LOCALHOST/",
            "https://localhost./",
            "https://api.localhost/",
            "https://metadata.google.internal/",
            "https://printer.local/",
            "https://intranet/",
            "https://api.example.com./",
        ] {
            assert_eq!(public(url), Err(Refusal::Name), "{url}");
        }
        for url in [
            "https://good.example.com@evil.example.net/",
            "https://user:pass@api.example.com/",
        ] {
            assert_eq!(public(url), Err(Refusal::UserInfo), "{url}");
        }
        assert_eq!(public("http://api.example.com/"), Err(Refusal::Scheme));
        assert_eq!(public("ftp://api.example.com/"), Err(Refusal::Scheme));
        for port in [22, 80, 8443] {
            let url = format!("https://api.example.com:{port}/");
            assert_eq!(public(&url), Err(Refusal::Port(port)), "{url}");
        }
        for url in [
            "https://api.example.com/",
            "https://API.Example.COM:443/a?b",
            "https://8.8.8.8/",
            "https://bücher.example/",
        ] {
            assert_eq!(public(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_local_connection_reaches_its_exact_origins_and_nothing_else() {
        let policy = AddressPolicy::Local {
            origins: vec![Url::parse("http://127.0.0.1:4000/ignored").unwrap()],
        };
        let check = |url: &str| policy.check(&Url::parse(url).unwrap());
        assert_eq!(check("http://127.0.0.1:4000/services?q=1"), Ok(()));
        for url in [
            "http://127.0.0.1:4001/",
            "http://127.0.0.1/",
            "https://127.0.0.1:4000/",
            "http://127.0.0.2:4000/",
            "http://localhost:4000/",
            "https://api.example.com/",
        ] {
            assert_eq!(check(url), Err(Refusal::Origin), "{url}");
        }
        assert_eq!(
            check("http://x@127.0.0.1:4000/"),
            Err(Refusal::UserInfo),
            "user information changes what people read as the host"
        );
    }

    #[test]
    fn not_even_a_local_connection_reaches_a_metadata_service() {
        for origin in [
            "http://169.254.169.254",
            "http://[fe80::1]",
            "http://[fd00:ec2::254]",
            "http://[::ffff:169.254.169.254]",
            "http://100.100.100.200",
        ] {
            let url = Url::parse(origin).unwrap();
            let policy = AddressPolicy::Local {
                origins: vec![url.clone()],
            };
            assert_eq!(policy.check(&url), Err(Refusal::Address), "{origin}");
        }
    }
}
