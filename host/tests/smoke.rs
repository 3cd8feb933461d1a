//! temporary
use lockgate::*;
#[tokio::test(flavor = "multi_thread")]
async fn loads() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::builder()
        .data_dir(dir.path().join("d"))
        .build()
        .await
        .unwrap();
    for p in ["contact-normalizer", "lead-scorer"] {
        let package = Package::open(format!("/tmp/pk/{p}")).unwrap();
        println!("{:?}", package.inspect().unwrap());
        host.load(&package, []).await.unwrap();
    }
    let t = host
        .transform("contact-normalizer", &serde_json::json!({}))
        .await
        .unwrap();
    println!("{:?}", t.describe().await.unwrap().summary);
    let out = t.apply("Contact", &Records::from_json(r#"[{"attributes":{"type":"Contact"},"FirstName":"JOHN","LastName":"o'neil","Phone":"(415) 555-0199","MailingCountry":"Germany"}]"#).unwrap()).await.unwrap();
    println!("{out:?}");
    let package = Package::open("/tmp/pk/salesforce").unwrap();
    println!("{:?}", package.inspect().unwrap());
    let e = host.load(&package, []).await.unwrap_err();
    println!("{e}");
    host.load(&package, package.asked_grants()).await.unwrap();
}
