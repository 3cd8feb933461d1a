//! Ways to be authorised: by a person, by the app's own secret, by a signed
//! assertion; and what a token answer may not do.

use dev_org::{App, Config, DevOrg, FaultKind, FaultRule, SigningKey, VerifyingKey};
use lockgate::{
    AuthError, AuthorizationHints, Callback, ConnectionState, Error, Flow, LoginTo, NewConnection,
};
use lockgate_tests::org::{NAME, Site, TENANT, approve, demo_org, query};
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
use lockgate_tests::secrets::files_with;
use serde_json::json;

const TOKEN: &str = "/services/oauth2/token";

#[tokio::test]
async fn a_person_authorises_with_pkce_and_the_state_can_be_used_once() {
    let site = Site::unconnected(demo_org()).await;
    let crm = site
        .host
        .add_connection(site.by_person(TENANT, NAME))
        .await
        .unwrap();
    let start = site
        .host
        .begin_authorization(TENANT, NAME, &AuthorizationHints::default())
        .await
        .unwrap();
    let parameter = |name: &str| {
        let found = start.url.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    };
    assert_eq!(parameter("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(parameter("state").as_deref(), Some(start.state.as_str()));
    for scope in [
        "api",
        "refresh_token",
        "offline_access",
        "id",
        "profile",
        "email",
        "openid",
        "chatter_api",
    ] {
        assert!(
            parameter("scope")
                .unwrap()
                .split(' ')
                .any(|asked| asked == scope),
            "{scope}"
        );
    }
    let returned = approve(start.url.as_str()).await;
    let connected = site
        .host
        .finish_authorization(&Callback::from_query(&returned))
        .await
        .unwrap();
    assert_eq!(connected.key.to_string(), "acme/crm");
    assert!(connected.identity.unwrap().contains("/id/00D"));
    assert_eq!(
        connected.origin.as_str().trim_end_matches('/'),
        site.org.url()
    );
    query(&crm, "SELECT Id FROM Account").await;

    let again = site
        .host
        .finish_authorization(&Callback::from_query(&returned))
        .await
        .unwrap_err();
    assert!(
        matches!(again, Error::Auth(AuthError::UnknownState)),
        "{again:?}"
    );
    assert_eq!(site.count("POST", TOKEN), 1);
}

#[tokio::test]
async fn a_forged_or_declined_callback_asks_for_no_token() {
    let site = Site::unconnected(demo_org()).await;
    let crm = site
        .host
        .add_connection(site.by_person(TENANT, NAME))
        .await
        .unwrap();
    let start = site
        .host
        .begin_authorization(TENANT, NAME, &AuthorizationHints::default())
        .await
        .unwrap();
    for query in ["code=stolen", "code=stolen&state=guessed", ""] {
        let error = site
            .host
            .finish_authorization(&Callback::from_query(query))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::Auth(AuthError::MissingState | AuthError::UnknownState)
            ),
            "{error:?}"
        );
    }
    let declined = format!(
        "error=access_denied&error_description=no&state={}",
        start.state
    );
    let error = site
        .host
        .finish_authorization(&Callback::from_query(&declined))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("access_denied"), "{error}");
    assert_eq!(site.count("POST", TOKEN), 0);
    assert!(matches!(
        crm.record().await.unwrap().state,
        ConnectionState::Pending
    ));
    let error = crm.objects().await.unwrap_err();
    assert!(matches!(error, Error::NeedsReconnect { .. }), "{error:?}");
}

#[tokio::test]
async fn client_credentials_work_without_a_person_and_are_asked_anew_when_the_session_ends() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, "SELECT Id FROM Account").await;
    site.control.expire_sessions();
    query(&crm, "SELECT Id FROM Account").await;
    assert_eq!(site.count("POST", TOKEN), 1);
}

#[tokio::test]
async fn a_wrong_client_secret_says_where_to_mend_it() {
    let site = Site::unconnected(demo_org()).await;
    let new = site
        .by_client(TENANT, NAME)
        .client_secret("wrong-secret-4711");
    site.host.add_connection(new).await.unwrap();
    let error = site.host.authorize_client(TENANT, NAME).await.unwrap_err();
    assert!(error.to_string().contains("client"), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong-secret-4711"));
    assert!(!error.is_retryable());
}

/// An org with an app that logs in by signed assertions, and the key that signs.
async fn signing_site() -> (Site, SigningKey) {
    let key = SigningKey::generate().unwrap();
    let app = App {
        keys: vec![VerifyingKey::from_pem(&key.public_pem()).unwrap()],
        ..App::new("robot", "unused")
    };
    let apps = vec![app];
    let site = Site::unconnected(Config { apps, ..demo_org() }).await;
    (site, key)
}

fn by_assertion(site: &Site, key: &SigningKey) -> NewConnection {
    let origin = site.org.url();
    let login = LoginTo::Local { origin };
    NewConnection {
        private_key: Some(key.private_pem().into()),
        username: Some("leads@example.com".to_owned()),
        ..NewConnection::new(TENANT, NAME, "salesforce", login, "robot").flow(Flow::JwtBearer)
    }
}

#[tokio::test]
async fn a_signed_assertion_logs_a_user_in_without_a_secret_and_the_key_is_sealed() {
    let (site, key) = signing_site().await;
    let new = by_assertion(&site, &key);
    let crm = site.host.add_connection(new).await.unwrap();
    site.host.authorize_client(TENANT, NAME).await.unwrap();
    query(&crm, "SELECT Id FROM Account").await;
    let mut requests = site.control.requests().into_iter().rev();
    let user = requests.find_map(|request| request.user);
    assert_eq!(user.as_deref(), Some("leads@example.com"));
    site.control.expire_sessions();
    query(&crm, "SELECT Id FROM Account").await;
    assert_eq!(site.count("POST", TOKEN), 2);
    for line in key.private_pem().lines().filter(|line| line.len() >= 16) {
        let found = files_with(site.host.data_dir(), line.as_bytes());
        assert!(found.is_empty(), "the private key is in {found:?}");
    }
}

#[tokio::test]
async fn assertions_are_good_whatever_our_clock_says_and_nobody_has_to_reconnect() {
    const HOUR_MS: i64 = 60 * 60 * 1000;
    let (site, key) = signing_site().await;
    let new = by_assertion(&site, &key);
    let crm = site.host.add_connection(new).await.unwrap();
    site.host.authorize_client(TENANT, NAME).await.unwrap();
    for (ahead_ms, asked) in [(0, 1), (HOUR_MS, 2)] {
        site.control.set_clock_offset_ms(ahead_ms);
        site.control.expire_sessions();
        let before = site.count("POST", TOKEN);
        query(&crm, "SELECT Id FROM Account").await;
        assert_eq!(site.count("POST", TOKEN) - before, asked);
    }
    // A user who may not log in is refused by either clock.
    let refusal = FaultKind::Error {
        status: 400,
        code: None,
        message: None,
        body: Some(r#"{"error":"invalid_grant","error_description":"inactive user"}"#.to_owned()),
    };
    site.control.add_fault(FaultRule::next(2, TOKEN, refusal));
    site.control.expire_sessions();
    let refused = crm.query("SELECT Id FROM Account", Default::default());
    let refused = refused.await.unwrap_err();
    assert!(
        matches!(refused, Error::NeedsReconnect { .. }),
        "{refused:?}"
    );
}

fn token_answer(instance: &str) -> FaultRule {
    let body = json!({
        "access_token": "00Dxx0000001gPL!sixteen.or.more.characters",
        "instance_url": instance,
        "token_type": "Bearer",
    });
    let answer = FaultKind::Error {
        status: 200,
        code: None,
        message: None,
        body: Some(body.to_string()),
    };
    FaultRule::next(9, TOKEN, answer)
}

#[tokio::test]
async fn an_instance_url_on_a_foreign_host_is_refused_and_nothing_is_sent_there() {
    let foreign = DevOrg::start(demo_org()).await.unwrap();
    // Assertions, since the answers of other flows are signed: a forged one
    // would be refused for that already.
    let (site, key) = signing_site().await;
    let new = by_assertion(&site, &key);
    let crm = site.host.add_connection(new).await.unwrap();
    for instance in [
        foreign.url().as_str(),
        "https://login.evil.example",
        "not a url",
    ] {
        site.control.add_fault(token_answer(instance));
        let error = site.host.authorize_client(TENANT, NAME).await;
        let error = error.unwrap_err();
        let shown = format!("{error} {error:?}");
        let Error::Auth(AuthError::BadAnswer { what, .. }) = error else {
            panic!("{instance}: {shown}");
        };
        assert!(what.contains("API origin"), "{instance}: {what}");
        assert!(!shown.contains("sixteen.or.more"), "{shown}");
        assert!(crm.objects().await.is_err());
        site.control.clear_faults();
    }
    assert!(foreign.control().requests().is_empty());
    site.host.authorize_client(TENANT, NAME).await.unwrap();
}

#[tokio::test]
async fn a_token_answer_without_the_products_signature_is_refused() {
    let site = Site::unconnected(demo_org()).await;
    let new = site.by_client(TENANT, NAME);
    site.host.add_connection(new).await.unwrap();
    site.control.add_fault(token_answer(&site.org.url()));
    let error = site.host.authorize_client(TENANT, NAME).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("sign"), "{error}");
    assert!(site.crm().await.objects().await.is_err());
}

#[tokio::test]
async fn a_login_host_outside_of_the_manifest_is_refused_before_any_secret_is_kept() {
    let host = TestHost::new().await;
    host.load(&package("salesforce")).await;
    let to = |login| {
        NewConnection::new("t", "c", "salesforce", login, "id")
            .client_secret("kept-nowhere-4711")
            .redirect_uri("http://localhost/")
    };
    for login in [
        LoginTo::Host("elsewhere".to_owned()),
        LoginTo::Subdomain {
            host: "my-domain".to_owned(),
            subdomain: "evil.example/".to_owned(),
        },
    ] {
        let error = host.add_connection(to(login)).await.unwrap_err();
        assert!(
            matches!(error, Error::Auth(AuthError::BadLogin(_))),
            "{error:?}"
        );
    }
    let without_subdomain = LoginTo::Host("my-domain".to_owned());
    let error = host.add_connection(to(without_subdomain)).await;
    assert!(
        matches!(error, Err(Error::Auth(AuthError::NeedsSubdomain(ref host))) if host == "my-domain"),
        "{error:?}"
    );
    assert!(host.connections(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_org_with_its_own_authority_works_with_it_as_trust_root_and_is_refused_without() {
    let place = tempfile::tempdir().unwrap();
    let config = || Config {
        tls: true,
        ca_dir: Some(place.path().to_owned()),
        ..demo_org()
    };
    let org = DevOrg::start(config()).await.unwrap();
    assert!(org.url().starts_with("https://"));
    let ca = std::fs::read(org.ca_pem_path().unwrap()).unwrap();
    for trusted in [true, false] {
        let host = TestHost::with(|builder| match trusted {
            true => builder.trust_root(ca.clone()),
            false => builder,
        })
        .await;
        host.load(&package("salesforce")).await;
        let login = LoginTo::Local { origin: org.url() };
        let new = NewConnection::new("t", "c", "salesforce", login, "dev-org-client")
            .client_secret("dev-org-secret")
            .flow(Flow::ClientCredentials);
        let crm = host.add_connection(new).await.unwrap();
        let authorised = host.authorize_client("t", "c").await;
        if trusted {
            authorised.unwrap();
            query(&crm, "SELECT Id FROM Account").await;
        } else {
            let error = authorised.unwrap_err();
            assert!(error.to_string().contains("certificate"), "{error}");
        }
    }
}
