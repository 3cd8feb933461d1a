//! What a delete takes along, what stops it, and what it leaves.

use serde_json::json;

use super::*;

#[test]
fn an_accounts_children_go_with_it_into_the_recycle_bin() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let contact = json!({"LastName": "C", "AccountId": &*account});
    let contact = create(&mut org, &admin, "Contact", contact).unwrap();
    let task = create(&mut org, &admin, "Task", json!({"WhoId": &*contact})).unwrap();
    let sister = json!({"Name": "Sister", "ParentId": &*account});
    let sister = create(&mut org, &admin, "Account", sister).unwrap();
    let invoice = json!({"Amount__c": 1, "Account__c": &*account});
    let invoice = create(&mut org, &admin, "Invoice__c", invoice).unwrap();
    org.delete(&admin, "Account", &account).unwrap();
    for (object, id) in [
        ("Account", &account),
        ("Contact", &contact),
        ("Task", &task),
    ] {
        let row = org.table_of(object).get(id).unwrap();
        assert!(row.is_deleted(), "{object}");
        let column = org
            .schema
            .object(object)
            .unwrap()
            .column("IsDeleted")
            .unwrap();
        assert!(row.get(column).is_true(), "{object}");
    }
    assert_eq!(
        field(&org, &admin, "Account", &sister, "ParentId"),
        json!(null)
    );
    assert_eq!(
        field(&org, &admin, "Invoice__c", &invoice, "Account__c"),
        json!(null)
    );
}

#[test]
fn a_deleted_record_is_gone_for_reads_and_says_so_to_writes() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    org.delete(&admin, "Account", &id).unwrap();
    let fault = org.read(&admin, "Account", &id, None, "v60.0").unwrap_err();
    assert_eq!((fault.status, fault.code), (404, "NOT_FOUND"));
    let fault = org.delete(&admin, "Account", &id).unwrap_err();
    assert_eq!((fault.status, fault.code), (404, "ENTITY_IS_DELETED"));
    let fault = update(&mut org, &admin, "Account", &id, json!({})).unwrap_err();
    assert_eq!(fault.code, "ENTITY_IS_DELETED");
}

#[test]
fn a_contact_who_authorized_an_order_cannot_be_deleted() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let contact = create(&mut org, &admin, "Contact", json!({"LastName": "Boss"})).unwrap();
    let order = json!({"AccountId": &*account, "EffectiveDate": "2026-05-01", "Status": "Draft",
        "CustomerAuthorizedById": &*contact});
    create(&mut org, &admin, "Order", order).unwrap();
    let fault = org.delete(&admin, "Contact", &contact).unwrap_err();
    assert_eq!(fault.code, "DELETE_FAILED");
    assert_eq!(
        fault.message,
        "Your attempt to delete Boss could not be completed because it is associated with the \
         following orders.: 00000001\n"
    );
}

#[test]
fn users_and_setup_records_cannot_be_deleted() {
    let (mut org, admin) = org();
    let fault = org.delete(&admin, "User", &admin.id).unwrap_err();
    assert_eq!(fault.code, "INVALID_TYPE_FOR_OPERATION");
    let book = org.standard_pricebook_id();
    let fault = org.delete(&admin, "Pricebook2", &book).unwrap_err();
    assert_eq!(fault.code, "DELETE_FAILED");
}
