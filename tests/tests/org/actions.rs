//! What can be done beyond records, and what each action costs of the budget.

use dev_org::{FaultKind, FaultRule};
use lockgate::{Advice, Error, WriteOptions};
use lockgate_tests::org::{NAME, Site, TENANT, counted, create, demo_org, query, refused};
use serde_json::{Value as Json, json};

const TYPES: &str = r#"
[[record_type]]
object = "Account"
name = "Customer"
picklists = { Type = ["Other"] }
"#;

async fn typed() -> Site {
    let mut config = demo_org();
    config.schema = config.schema.map(|schema| format!("{schema}\n{TYPES}"));
    Site::with(config).await
}

#[tokio::test]
async fn records_are_found_by_their_words_whatever_signs_those_hold() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let name = "Acme & {Sons} \"OR\" (Söhne)";
    create(&crm, "Account", json!({"Name":name,"Industry":"Energy"})).await;
    create(&crm, "Account", json!({"Name":"Acme Sons OR Söhne"})).await;
    create(&crm, "Contact", json!({"LastName":"Acme"})).await;

    let sosl =
        json!({"sosl":"FIND {Acme} IN NAME FIELDS RETURNING Account(Id, Name), Contact(Id)"});
    let (found, calls) = counted(&site, &crm, "search", &sosl).await;
    assert_eq!(found["records"].as_array().unwrap().len(), 3, "{found}");
    assert_eq!(calls, 1);

    let account = json!({"object":"Account","fields":["Name"],"equals":{"Industry":"Energy"}});
    let input = json!({"text":name,"in":"name","objects":[account]});
    let (found, calls) = counted(&site, &crm, "parameterized-search", &input).await;
    assert_eq!(found["records"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["records"][0]["Name"], json!(name));
    assert_eq!(calls, 1);

    let input = json!({"text":"acm söh","prefix":true,"objects":[{"object":"Account"}],"limit":1});
    let (found, _) = counted(&site, &crm, "parameterized-search", &input).await;
    assert_eq!(found["records"].as_array().unwrap().len(), 1, "{found}");

    let problem = refused(&crm, "search", &json!({"sosl":"FIND Acme"})).await;
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::FixRecord, "MALFORMED_SEARCH")
    );
}

#[tokio::test]
async fn a_record_type_tells_which_values_its_picklists_take() {
    let site = typed().await;
    let crm = site.crm().await;
    let types = query(
        &crm,
        "SELECT Id FROM RecordType WHERE SobjectType = 'Account'",
    )
    .await;
    let input = json!({"object":"Account","record_type":types[0]["Id"],"field":"Type"});
    let (typed, calls) = counted(&site, &crm, "picklist-values", &input).await;
    assert_eq!(
        typed["fields"][0]["values"],
        json!([{"value":"Other","label":"Other"}])
    );
    assert_eq!(calls, 1);

    let (all, _) = counted(&site, &crm, "picklist-values", &json!({"object":"Account"})).await;
    let fields = all["fields"].as_array().unwrap();
    let of_type = fields.iter().find(|field| field["field"] == "Type");
    let of_type = of_type.unwrap()["values"].as_array().unwrap();
    assert!(fields.len() > 1 && of_type.len() > 1, "{all}");

    let input = json!({"object":"Account","record_type":"012000000000001AAA"});
    let problem = refused(&crm, "picklist-values", &input).await;
    assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");
}

#[tokio::test]
async fn windows_of_changes_give_ids_and_say_where_the_next_one_begins() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let id = create(&crm, "Account", json!({"Name":"A"})).await;
    crm.delete(
        "Account",
        std::slice::from_ref(&id),
        WriteOptions::default(),
    )
    .await
    .unwrap();
    let kept = create(&crm, "Account", json!({"Name":"B"})).await;
    let stamp = query(&crm, "SELECT CreatedDate FROM Account").await;
    let stamp = stamp[0]["CreatedDate"].as_str().unwrap();
    // Ends far away, so that midnight makes no difference.
    let day = &stamp[..10];
    let input = json!({
        "object": "Account",
        "start": format!("{day}T00:00:00Z"),
        "end": "2999-12-31T00:00:00Z",
    });
    let (changed, calls) = counted(&site, &crm, "updated", &input).await;
    assert_eq!((&changed["ids"], calls), (&json!([kept]), 1));
    assert!(changed["latest_covered"].is_string(), "{changed}");
    let (gone, calls) = counted(&site, &crm, "deleted", &input).await;
    assert_eq!((&gone["records"][0]["id"], calls), (&json!(id), 1));
    assert!(gone["earliest_available"].is_string(), "{gone}");

    // Less than a minute, and from before what is remembered.
    for (start, end) in [(stamp, stamp), ("2001-01-01T00:00:00Z", stamp)] {
        let input = json!({"object":"Account","start":start,"end":end});
        let problem = refused(&crm, "updated", &input).await;
        assert!(problem.message.contains("30 days"), "{problem:?}");
    }
}

#[tokio::test]
async fn allocations_within_others_and_objects_without_records_are_told_as_well() {
    let site = Site::start().await;
    let crm = site.crm().await;
    create(&crm, "Account", json!({"Name":"A"})).await;
    let (limits, calls) = counted(&site, &crm, "limits", &json!({})).await;
    assert_eq!(calls, 1);
    let named = |name: &str| {
        let mut limits = limits["limits"].as_array().unwrap().iter();
        limits.find(|limit| limit["name"] == name).cloned()
    };
    assert_eq!(named("DailyApiRequests").unwrap()["max"], 15_000);
    assert!(named("PermissionSets").is_some());
    assert!(named("PermissionSets.CreateCustom").is_some(), "{limits}");
    // Salesforce leaves out what has no records.
    let input = json!({ "objects": ["Contact", "Account"] });
    let (counts, calls) = counted(&site, &crm, "record-counts", &input).await;
    let expected = json!([{"object":"Contact","count":0},{"object":"Account","count":1}]);
    assert_eq!((&counts["counts"], calls), (&expected, 1));
}

/// A family of records that hang on one another; the opportunity's name is what
/// is given.
fn family(n: usize, deal: &str) -> Json {
    json!({ "nodes": [
        { "ref": "contact", "object": "Contact",
          "fields": { "LastName": format!("C{n}"), "AccountId": { "ref": "account" } } },
        { "ref": "account", "method": "upsert", "object": "Account", "key_field": "External_Id__c",
          "key": format!("family/{n}"), "fields": { "Name": format!("A{n}") } },
        { "ref": "deal", "object": "Opportunity",
          "fields": { "Name": deal, "StageName": "Prospecting", "CloseDate": "2030-01-31",
                      "AccountId": { "ref": "account" } } },
        { "ref": "task", "object": "Task",
          "fields": { "Subject": "Call", "WhoId": { "ref": "contact" }, "WhatId": { "ref": "deal" } } },
    ] })
}

fn outcomes(graph: &Json) -> Vec<&str> {
    let nodes = graph["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn dependent_records_are_saved_whole_or_not_at_all_in_one_call() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let too_long = "x".repeat(121);
    let input =
        json!({ "graphs": [family(0, "Deal"), family(1, &too_long), family(0, "Another")] });
    let (output, calls) = counted(&site, &crm, "save-graph", &input).await;
    assert_eq!((&output["saved"], calls), (&json!(2), 1), "{output}");
    let graphs = output["graphs"].as_array().unwrap();
    assert_eq!(outcomes(&graphs[0]), ["created"; 4]);
    assert_eq!(
        outcomes(&graphs[1]),
        ["rolled-back", "rolled-back", "failed", "rolled-back"]
    );
    assert_eq!(
        outcomes(&graphs[2]),
        ["created", "updated", "created", "created"]
    );
    let problem = &graphs[1]["nodes"][2]["problems"][0];
    assert_eq!(problem["code"], "STRING_TOO_LONG", "{problem}");
    assert_eq!(problem["fields"], json!(["Name"]));

    let contacts = query(
        &crm,
        "SELECT AccountId, (SELECT Id FROM Tasks) FROM Contact",
    )
    .await;
    assert_eq!(contacts.len(), 2);
    for contact in &contacts {
        assert_eq!(contact["AccountId"], graphs[0]["nodes"][1]["id"]);
        assert_eq!(contact["Tasks"]["totalSize"], 1);
    }

    // Changed and deleted in one, the deal by what was just written.
    let deal = &graphs[0]["nodes"][2]["id"];
    let task = &graphs[0]["nodes"][3]["id"];
    let input = json!({ "graphs": [{ "nodes": [
        { "ref": "new", "object": "Account", "fields": { "Name": "New" } },
        { "ref": "deal", "method": "update", "object": "Opportunity", "id": deal,
          "fields": { "AccountId": { "ref": "new" } } },
        { "ref": "again", "object": "Task", "fields": { "WhatId": { "ref": "deal" } } },
        { "ref": "task", "method": "delete", "object": "Task", "id": task },
    ] }] });
    let (output, _) = counted(&site, &crm, "save-graph", &input).await;
    assert_eq!(
        outcomes(&output["graphs"][0]),
        ["created", "updated", "created", "deleted"],
        "{output}"
    );
    let deals = query(
        &crm,
        "SELECT Account.Name FROM Opportunity WHERE Name = 'Deal'",
    )
    .await;
    assert_eq!(deals[0]["Account"]["Name"], "New");
}

#[tokio::test]
async fn many_graphs_fail_without_keeping_others_from_being_saved() {
    let site = Site::start().await;
    let crm = site.crm().await;
    // More failures than Salesforce bears in one request, and more nodes.
    let too_long = "x".repeat(121);
    let graphs: Vec<Json> = (0..130)
        .map(|n| family(n, if n < 40 { &too_long } else { "Deal" }))
        .collect();
    let (output, calls) = counted(&site, &crm, "save-graph", &json!({ "graphs": graphs })).await;
    assert_eq!(output["saved"], 90);
    let graphs = output["graphs"].as_array().unwrap();
    for (n, graph) in graphs.iter().enumerate() {
        let outcome = if n < 40 { "failed" } else { "saved" };
        assert_eq!(graph["outcome"], outcome, "{n}: {graph}");
    }
    assert_eq!(calls, 4);
    let accounts = query(&crm, "SELECT COUNT(Id) n FROM Account").await;
    assert_eq!(accounts[0]["n"], 90);
}

#[tokio::test]
async fn a_graph_whose_answer_was_lost_is_in_doubt_and_not_sent_twice() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, "SELECT Id FROM Account").await;
    let mut lost = FaultRule::next(1, "/composite/graph", FaultKind::Drop);
    lost.after = true;
    site.control.add_fault(lost);
    let error = crm
        .invoke("save-graph", &json!({ "graphs": [family(0, "Deal")] }))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "{error:?}");
    assert_eq!(query(&crm, "SELECT Id FROM Contact").await.len(), 1);
    assert_eq!(site.count("POST", "/composite/graph"), 1);
}

#[tokio::test]
async fn a_price_is_set_after_its_standard_price_and_an_order_activated_once_it_has_products() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let product = create(&crm, "Product2", json!({"Name":"Bolt","IsActive":true})).await;
    let book = create(&crm, "Pricebook2", json!({"Name":"Retail","IsActive":true})).await;
    let mut input =
        json!({"product":product,"price_book":book,"unit_price":9.5,"standard_price":10});
    let (set, calls) = counted(&site, &crm, "set-price", &input).await;
    assert_eq!(set["price"]["outcome"], "created");
    assert_eq!(set["standard"]["outcome"], "created");
    assert_eq!(calls, 4);
    let (again, calls) = counted(&site, &crm, "set-price", &input).await;
    assert_eq!(again["price"]["outcome"], "unchanged");
    assert_eq!(again["price"]["entry"], set["price"]["entry"]);
    assert_eq!(calls, 2);
    input["unit_price"] = json!(9);
    let (changed, calls) = counted(&site, &crm, "set-price", &input).await;
    assert_eq!(changed["price"]["outcome"], "updated");
    assert_eq!(calls, 3);
    let prices = query(
        &crm,
        "SELECT UnitPrice FROM PricebookEntry ORDER BY UnitPrice",
    )
    .await;
    assert_eq!(
        (prices[0]["UnitPrice"].as_f64(), prices.len()),
        (Some(9.0), 2)
    );
    assert_eq!(prices[1]["UnitPrice"].as_f64(), Some(10.0));

    let account = create(&crm, "Account", json!({"Name":"A"})).await;
    let order = json!({"AccountId":account,"EffectiveDate":"2030-01-01","Status":"Draft","Pricebook2Id":book});
    let order = create(&crm, "Order", order).await;
    let input = json!({ "order": order });
    let problem = refused(&crm, "activate-order", &input).await;
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::FixRecord, "FAILED_ACTIVATION")
    );
    let item = json!({"OrderId":order,"PricebookEntryId":set["price"]["entry"],"Quantity":2,"UnitPrice":9});
    create(&crm, "OrderItem", item).await;
    let (activated, calls) = counted(&site, &crm, "activate-order", &input).await;
    assert_eq!((&activated["status"], calls), (&json!("Activated"), 1));
    let orders = query(&crm, "SELECT StatusCode FROM Order").await;
    assert_eq!(orders[0]["StatusCode"], "Activated");
}

#[tokio::test]
async fn leads_are_converted_by_soap_also_after_the_session_has_expired() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let lead = |company: &str| json!({"LastName":"Roe","Company":company});
    let first = create(&crm, "Lead", lead("Initech & <Sons>")).await;
    let second = create(&crm, "Lead", lead("Globex")).await;
    let conversion = |lead: &str| json!({ "lead": lead, "status": "Closed - Converted", "opportunity_name": "A & B" });
    site.control.expire_sessions();
    let input = json!({ "leads": [conversion(&first), conversion(&second)] });
    let output = crm.invoke("convert-leads", &input).await.unwrap();
    assert_eq!(output["converted"], 2, "{output}");
    // Refused once with the old session, and sent once more with the new one.
    assert_eq!(site.count("POST", "/services/Soap/u/"), 2);
    let leads = query(
        &crm,
        "SELECT Id, IsConverted, ConvertedAccount.Name, ConvertedOpportunity.Name FROM Lead ORDER BY Company",
    )
    .await;
    assert_eq!(leads[1]["IsConverted"], true);
    assert_eq!(leads[1]["ConvertedAccount"]["Name"], "Initech & <Sons>");
    assert_eq!(leads[1]["ConvertedOpportunity"]["Name"], "A & B");

    // Each by itself: one is converted already, one is not there.
    let third = create(&crm, "Lead", lead("Umbrella")).await;
    let input = json!({ "leads": [conversion(&first), conversion(&third)] });
    let (output, calls) = counted(&site, &crm, "convert-leads", &input).await;
    assert_eq!((&output["converted"], calls), (&json!(1), 1), "{output}");
    assert_eq!(output["leads"][0]["outcome"], "failed");
    let problem = &output["leads"][0]["problems"][0];
    assert_eq!(problem["code"], "CANNOT_UPDATE_CONVERTED_LEAD", "{problem}");
    assert_eq!(output["leads"][1]["outcome"], "converted");

    let mut lost = FaultRule::next(1, "/services/Soap/u/", FaultKind::Drop);
    lost.after = true;
    site.control.add_fault(lost);
    let fourth = create(&crm, "Lead", lead("Hooli")).await;
    let input = json!({ "leads": [conversion(&fourth)] });
    let error = crm.invoke("convert-leads", &input).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "{error:?}");
}

#[tokio::test]
async fn leads_are_converted_by_a_class_of_the_org_where_settings_name_one() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let lead = create(&crm, "Lead", json!({"LastName":"Roe","Company":"Initech"})).await;
    let input = json!({"leads":[{"lead":lead,"status":"Closed - Converted"}]});
    let settings = |class: &str| json!({ "lead_conversion": class });
    site.host
        .change_connection(TENANT, NAME, Some(settings("NoSuchClass")), None)
        .await
        .unwrap();
    let crm = site.crm().await;
    let problem = refused(&crm, "convert-leads", &input).await;
    assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");

    site.host
        .change_connection(TENANT, NAME, Some(settings("echo")), None)
        .await
        .unwrap();
    let crm = site.crm().await;
    // Whatever answers there and is not what the class says may have converted.
    let error = crm.invoke("convert-leads", &input).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "{error:?}");
    // The org has no Apex: this is what the class would answer.
    let answer = json!([{ "leadId": lead, "success": true, "accountId": "001dM00003kRs59QAC" }]);
    let answer = FaultKind::Error {
        status: 200,
        code: None,
        message: None,
        body: Some(answer.to_string()),
    };
    site.control
        .add_fault(FaultRule::next(1, "/services/apexrest/echo", answer));
    let output = crm.invoke("convert-leads", &input).await.unwrap();
    assert_eq!(output["converted"], 1);
    assert_eq!(output["leads"][0]["account"], "001dM00003kRs59QAC");
    assert_eq!(site.count("POST", "/services/apexrest/echo"), 2);
}
