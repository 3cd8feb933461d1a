//! Names to addresses. The guard stands between the resolver and the socket, so
//! that the addresses that were checked are the ones that are connected to: a
//! name that changes its mind between two look-ups gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{check_local, check_public};
use super::error::Refusal;

/// Looks up names. A seam for tests, and for embedders with a resolver of their
/// own; whatever it returns is checked all the same.
#[async_trait]
pub trait Resolver: Send + Sync + fmt::Debug {
    /// All addresses of a name.
    ///
    /// # Errors
    /// When the name does not resolve.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// What the addresses of a name are held to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    Public,
    Local,
}

/// A resolver whose answers are checked, all of them: a name of which one
/// address is refused is refused whole, since the choice among them is not ours.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    inner: Arc<dyn Resolver>,
    rule: Rule,
}

impl Guard {
    pub(super) fn new(inner: Arc<dyn Resolver>, rule: Rule) -> Self {
        Self { inner, rule }
    }

    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = self
            .inner
            .resolve(name)
            .await
            .map_err(ResolveError::Failed)?;
        if found.is_empty() {
            return Err(ResolveError::Failed(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no addresses",
            )));
        }
        found
            .into_iter()
            .map(|address| {
                match self.rule {
                    Rule::Public => check_public(address),
                    Rule::Local => check_local(address),
                }
                .map_err(ResolveError::Refused)?;
                // Port 0 stands for the port of the URL.
                Ok(SocketAddr::new(address, 0))
            })
            .collect()
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Why a name gave no addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error(transparent)]
    Refused(Refusal),
    #[error("the name does not resolve: {0}")]
    Failed(io::Error),
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Answers each look-up with the next of its lists.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Vec<IpAddr>>>);

    #[async_trait]
    impl Resolver for Scripted {
        async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            let mut answers = self.0.lock().unwrap();
            Ok(if answers.is_empty() {
                Vec::new()
            } else {
                answers.remove(0)
            })
        }
    }

    fn guard(answers: &[&[&str]]) -> Guard {
        let parse = |list: &&[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        Guard::new(
            Arc::new(Scripted(Mutex::new(answers.iter().map(parse).collect()))),
            Rule::Public,
        )
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused() {
        let result = guard(&[&["10.0.0.7"]]).addresses("api.example.com").await;
        assert!(matches!(
            result,
            Err(ResolveError::Refused(Refusal::Address))
        ));
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_refuses_the_name() {
        let result = guard(&[&["8.8.8.8", "2606:4700::1111", "::1"]])
            .addresses("api.example.com")
            .await;
        assert!(matches!(
            result,
            Err(ResolveError::Refused(Refusal::Address))
        ));
    }

    #[tokio::test]
    async fn a_name_that_turns_private_after_the_first_look_up_is_refused_at_the_second() {
        let guard = guard(&[&["8.8.8.8"], &["127.0.0.1"]]);
        let first = guard.addresses("rebind.example.com").await.unwrap();
        assert_eq!(first, ["8.8.8.8:0".parse().unwrap()]);
        assert!(matches!(
            guard.addresses("rebind.example.com").await,
            Err(ResolveError::Refused(Refusal::Address))
        ));
    }

    #[tokio::test]
    async fn a_name_without_addresses_does_not_resolve() {
        let result = guard(&[&[]]).addresses("api.example.com").await;
        assert!(matches!(result, Err(ResolveError::Failed(_))));
    }
}
