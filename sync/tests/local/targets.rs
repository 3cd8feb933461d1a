//! Addresses of databases: what is taken, what is refused, and what is never told.

use std::process::Command;

use lockgate_sync::{Database, DatabaseError, Target};
use test_postgres::Server;

use crate::place::{KEYED, plan};

#[test]
fn an_address_that_is_none_is_told_without_its_password() {
    for address in [
        "contacts.db",
        "sqlite:",
        "mysql://me:secret@host/x",
        "postgres://me:secret@host:port/x",
    ] {
        let error = Target::parse(address).unwrap_err().to_string();
        assert!(
            error.contains("write sqlite:FILE or postgres://"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
    let target = Target::parse("postgres:postgres://me:secret@localhost/x").unwrap();
    assert!(!format!("{target:?}").contains("secret"));
    assert!(Target::parse("postgresql://me@localhost/x?sslmode=require").is_ok());
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_may_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no/such/folder/x.db");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for address in [
        format!("sqlite:{}", file.display()),
        format!("postgres://me:secret@127.0.0.1:{port}/x"),
    ] {
        let target = Target::parse(&address).unwrap();
        let error = Database::open(&target, &plan(KEYED)).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Unreachable(_)), "{error}");
        assert!(error.is_passing());
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let notes = "some notes of mine, long enough to be taken for a header of a file".repeat(30);
    std::fs::write(&file, &notes).unwrap();
    let target = Target::sqlite(file.path());
    let error = Database::open(&target, &plan(KEYED)).await.unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), notes);
}

/// The address for the child below.
const ADDRESS: &str = "LOCKGATE_SYNC_TLS_ADDRESS";

#[tokio::test]
async fn a_server_is_spoken_to_by_tls_only_if_the_platform_knows_its_issuer() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let Some(server) = Server::start_with(Some((&certificate, &key.serialize_pem()))) else {
        return;
    };
    let address = server.database();
    let address = address.replace("sslmode=disable", "sslmode=require");
    let target = Target::parse(&address).unwrap();
    let error = Database::open(&target, &plan(KEYED)).await.unwrap_err();
    let DatabaseError::Unreachable(source) = error else {
        panic!("{error}");
    };
    let said = format!("{source:?}");
    assert!(said.contains("UnknownIssuer"), "{said}");

    // Where the platform's roots are is a variable of a process.
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&roots, &certificate).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["targets::opens_a_database_by_tls", "--exact", "--ignored"])
        .env("SSL_CERT_FILE", roots.path())
        .env(ADDRESS, &address)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

#[ignore = "the child of the test above, which starts it"]
#[tokio::test]
async fn opens_a_database_by_tls() {
    let target = Target::parse(&std::env::var(ADDRESS).unwrap()).unwrap();
    Database::open(&target, &plan(KEYED)).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server
        .database()
        .replace("sslmode=disable", "sslmode=require");
    let target = Target::parse(&address).unwrap();
    let error = Database::open(&target, &plan(KEYED)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unreachable(_)), "{error}");
    let address = address.replace("sslmode=require", "sslmode=prefer");
    let target = Target::parse(&address).unwrap();
    Database::open(&target, &plan(KEYED)).await.unwrap();
}
