//! Ways to be authorised: by a person, by the app's own secret, by a signed
//! assertion; and what a token answer may not do.

use dev_org::{App, Config, DevOrg, FaultKind, FaultRule, SigningKey, VerifyingKey};
use lockgate::{
    AuthError, AuthorizationHints, Callback, ConnectionState, Error, Flow, LoginTo, NewConnection,
};
use lockgate_tests::org::{NAME, Site, TENANT, approve, demo_org, query};
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
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

#[tokio::test]
async fn a_signed_assertion_logs_a_user_in_without_a_secret() {
    let key = SigningKey::generate().unwrap();
    let app = App {
        keys: vec![VerifyingKey::from_pem(&key.public_pem()).unwrap()],
        ..App::new("robot", "unused")
    };
    let site = Site::unconnected(Config {
        apps: vec![app],
        ..demo_org()
    })
    .await;
    let login = LoginTo::Local {
        origin: site.org.url(),
    };
    let new = NewConnection {
        private_key: Some(key.private_pem().into()),
        username: Some("leads@example.com".to_owned()),
        ..NewConnection::new(TENANT, NAME, "salesforce", login, "robot").flow(Flow::JwtBearer)
    };
    let crm = site.host.add_connection(new).await.unwrap();
    site.host.authorize_client(TENANT, NAME).await.unwrap();
    query(&crm, "SELECT Id FROM Account").await;
    let user = site
        .control
        .requests()
        .into_iter()
        .rev()
        .find_map(|request| request.user);
    assert_eq!(user.as_deref(), Some("leads@example.com"));
    site.control.expire_sessions();
    query(&crm, "SELECT Id FROM Account").await;
    assert_eq!(site.count("POST", TOKEN), 2);
}

#[tokio::test]
async fn an_instance_url_on_a_foreign_host_is_refused_and_nothing_is_sent_there() {
    let foreign = DevOrg::start(demo_org()).await.unwrap();
    for instance in [
        foreign.url(),
        "https://login.evil.example".to_owned(),
        "not a url".to_owned(),
    ] {
        let site = Site::unconnected(demo_org()).await;
        let crm = site
            .host
            .add_connection(site.by_client(TENANT, NAME))
            .await
            .unwrap();
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
        site.control.add_fault(FaultRule::next(9, TOKEN, answer));
        let error = site.host.authorize_client(TENANT, NAME).await.unwrap_err();
        assert!(
            matches!(&error, Error::Auth(AuthError::BadAnswer { .. })),
            "{instance}: {error:?}"
        );
        assert!(
            !format!("{error:?} {error}").contains("sixteen.or.more"),
            "{error}"
        );
        assert!(crm.objects().await.is_err());
    }
    assert!(foreign.control().requests().is_empty());
}

#[tokio::test]
async fn a_login_host_outside_of_the_manifest_is_refused_before_any_secret_is_kept() {
    let host = TestHost::new().await;
    host.load(&package("salesforce")).await;
    for login in [
        LoginTo::Host("elsewhere".to_owned()),
        LoginTo::Subdomain {
            host: "my-domain".to_owned(),
            subdomain: "evil.example/".to_owned(),
        },
        LoginTo::Host("my-domain".to_owned()),
    ] {
        let new = NewConnection::new("t", "c", "salesforce", login, "id")
            .client_secret("kept-nowhere-4711")
            .redirect_uri("http://localhost/");
        let error = host.add_connection(new).await.unwrap_err();
        assert!(
            matches!(error, Error::Auth(AuthError::BadLogin(_))),
            "{error:?}"
        );
    }
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
