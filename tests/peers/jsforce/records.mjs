// jsforce, unmodified, against a dev org: logins, describe, records, queries.
// `node records.mjs URL`.

import assert from "node:assert/strict";
import { check, codes, conn, control, jsforce, oauth2, refusal, run, url } from "./harness.mjs";

await check("login by client credentials", async () => {
  const user = await conn.authorize({ grant_type: "client_credentials" });
  assert.match(user.id, /^005.{15}$/);
  assert.match(user.organizationId, /^00D.{15}$/);
  assert.equal(conn.instanceUrl, url);
});

await check("a given token on another connection", async () => {
  const other = new jsforce.Connection({
    instanceUrl: url,
    accessToken: conn.accessToken,
    version: "60.0",
  });
  const result = await other.query("SELECT Id FROM Account LIMIT 1");
  assert.equal(result.records.length, 1);
});

await check("identity", async () => {
  const identity = await conn.identity();
  assert.equal(identity.user_id, conn.userInfo.id);
  assert.ok(identity.urls.rest.includes("/services/data/"));
});

await check("wrong client secret is refused with invalid_client", async () => {
  const other = new jsforce.Connection({
    instanceUrl: url,
    oauth2: { ...oauth2, clientSecret: "wrong" },
  });
  const error = await refusal(other.authorize({ grant_type: "client_credentials" }));
  assert.equal(error.name, "invalid_client");
});

await check("login and logout by SOAP", async () => {
  const other = new jsforce.Connection({ loginUrl: url, version: "60.0" });
  const user = await other.login("admin@example.com", "dev-org-password");
  assert.match(user.id, /^005.{15}$/);
  assert.match(user.organizationId, /^00D.{15}$/);
  assert.equal((await other.query("SELECT Id FROM Account LIMIT 1")).records.length, 1);
  await other.logout();
  const error = await refusal(other.login("admin@example.com", "wrong"));
  assert.match(error.message, /^INVALID_LOGIN: Invalid username, password, security token/);
});

await check("versions", async () => {
  const versions = await conn.request("/services/data");
  assert.ok(versions.some((version) => version.version === "60.0"));
});

await check("describeGlobal", async () => {
  const global = await conn.describeGlobal();
  assert.equal(global.maxBatchSize, 200);
  const account = global.sobjects.find((object) => object.name === "Account");
  assert.equal(account.keyPrefix, "001");
});

await check("describe", async () => {
  const account = await conn.sobject("Account").describe();
  const name = account.fields.find((field) => field.name === "Name");
  assert.equal(name.type, "string");
  assert.equal(name.nillable, false);
  assert.ok(account.childRelationships.some((child) => child.relationshipName === "Contacts"));
});

await check("limits and the usage from the header", async () => {
  const limits = await conn.limits();
  assert.equal(limits.DailyApiRequests.Max, 15000);
  assert.equal(limits.PermissionSets.CreateCustom.Max, 1000);
  assert.equal(conn.limitInfo.apiUsage.limit, 15000);
  assert.ok(conn.limitInfo.apiUsage.used > 0);
});

let accountId;
await check("create", async () => {
  const created = await conn.sobject("Account").create({ Name: `Peer ${run}` });
  assert.equal(created.success, true);
  assert.deepEqual(created.errors, []);
  assert.match(created.id, /^001.{15}$/);
  accountId = created.id;
});

await check("retrieve", async () => {
  const account = await conn.sobject("Account").retrieve(accountId);
  assert.equal(account.Name, `Peer ${run}`);
  assert.equal(account.attributes.type, "Account");
});

await check("update", async () => {
  const updated = await conn.sobject("Account").update({ Id: accountId, Phone: "1" });
  assert.equal(updated.success, true);
  const account = await conn.sobject("Account").retrieve(accountId, { fields: ["Phone"] });
  assert.equal(account.Phone, "1");
});

await check("upsert creates and then updates", async () => {
  const email = `peer.${run}@example.com`;
  const contacts = conn.sobject("Contact");
  const first = await contacts.upsert({ Email: email, LastName: "Peer" }, "Email");
  assert.equal(first.success, true);
  assert.equal(first.created, true);
  const second = await contacts.upsert({ Email: email, LastName: "Again" }, "Email");
  assert.equal(second.id, first.id);
  assert.equal(second.created, false);
  const contact = await contacts.retrieve(first.id);
  assert.equal(contact.LastName, "Again");
});

let ids = [];
await check("create 250 records, which takes two collections", async () => {
  const records = Array.from({ length: 250 }, (_, at) => ({ Name: `Many ${run} ${at}` }));
  const results = await conn.sobject("Account").create(records, { allowRecursive: true });
  assert.equal(results.length, 250);
  assert.ok(results.every((result) => result.success));
  ids = results.map((result) => result.id);
});

await check("retrieve many", async () => {
  const records = await conn.sobject("Account").retrieve(ids.slice(0, 20));
  assert.deepEqual(records.map((record) => record.Id), ids.slice(0, 20));
});

await check("update many keeps the order and tells failures apart", async () => {
  const records = [
    { Id: ids[0], Phone: "10" },
    { Id: ids[1], NumberOfEmployees: "many" },
    { Id: ids[2], Phone: "12" },
  ];
  const results = await conn.sobject("Account").update(records);
  assert.deepEqual(results.map((result) => result.success), [true, false, true]);
  assert.ok(results[1].errors[0].statusCode ?? results[1].errors[0].errorCode);
});

await check("allOrNone undoes everything", async () => {
  const name = `Rolled ${run}`;
  const records = [{ Name: name }, { Phone: "without a name" }];
  const results = await conn.sobject("Account").create(records, { allOrNone: true });
  assert.deepEqual(codes(results), ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]);
  const left = await conn.query(`SELECT Id FROM Account WHERE Name = '${name}'`);
  assert.equal(left.totalSize, 0);
});

await check("upsert many by external id", async () => {
  const records = [1, 2, 3].map((at) => ({
    Email: `many.${at}.${run}@example.com`,
    LastName: `Many ${at}`,
  }));
  const first = await conn.sobject("Contact").upsert(records, "Email");
  assert.ok(first.every((result) => result.success && result.created), JSON.stringify(first));
  const second = await conn.sobject("Contact").upsert(records, "Email");
  assert.ok(second.every((result) => result.success && !result.created));
});

await check("query with a parent and a child relationship", async () => {
  await conn.sobject("Contact").create({ LastName: `Child ${run}`, AccountId: accountId });
  const contacts = await conn.query(
    `SELECT Id, Account.Name FROM Contact WHERE LastName = 'Child ${run}'`,
  );
  assert.equal(contacts.records[0].Account.Name, `Peer ${run}`);
  const accounts = await conn.query(
    `SELECT Id, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '${accountId}'`,
  );
  assert.equal(accounts.records[0].Contacts.records[0].LastName, `Child ${run}`);
});

await check("query with autoFetch goes through the pages of children", async () => {
  const contacts = Array.from({ length: 450 }, (_, at) => ({ LastName: `Page ${at}`, AccountId: accountId }));
  await conn.sobject("Contact").create(contacts, { allowRecursive: true });
  const accounts = await conn
    .query(`SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Id = '${accountId}'`)
    .execute({ autoFetch: true, headers: { "Sforce-Query-Options": "batchSize=200" } });
  const children = (accounts.records ?? accounts)[0].Contacts.records;
  assert.equal(new Set(children.map((child) => child.Id)).size, 451);
});

let total = 0;
await check("query pages by queryMore", async () => {
  let page = await conn.query("SELECT Id FROM Contact", { headers: { "Sforce-Query-Options": "batchSize=500" } });
  total = page.totalSize;
  assert.equal(page.done, false);
  assert.equal(page.records.length, 500);
  const seen = new Set(page.records.map((record) => record.Id));
  while (!page.done) {
    page = await conn.queryMore(page.nextRecordsUrl);
    for (const record of page.records) {
      seen.add(record.Id);
    }
  }
  assert.equal(seen.size, total);
});

await check("query with autoFetch", async () => {
  const records = await conn
    .query("SELECT Id, Name FROM Contact")
    .execute({ autoFetch: true, maxFetch: 100000, headers: { "Sforce-Query-Options": "batchSize=300" } });
  assert.equal(records.length ?? records.records.length, total);
});

await check("find with conditions", async () => {
  const found = await conn
    .sobject("Account")
    .find({ Name: { $like: `Many ${run}%` } }, ["Id", "Name"])
    .sort({ Name: 1 })
    .limit(5)
    .execute();
  assert.equal(found.length, 5);
  assert.equal(found[0].Name, `Many ${run} 0`);
});

await check("count and aggregates", async () => {
  const count = await conn.query(`SELECT COUNT() FROM Account WHERE Name LIKE 'Many ${run}%'`);
  assert.equal(count.totalSize, 250);
  assert.deepEqual(count.records, []);
  const groups = await conn.query("SELECT StageName, COUNT(Id) n FROM Opportunity GROUP BY StageName");
  assert.ok(groups.records.length > 0);
  assert.equal(groups.records[0].attributes.type, "AggregateResult");
});

await check("query errors carry Salesforce's codes", async () => {
  const field = await refusal(conn.query("SELECT Nope FROM Account"));
  assert.equal(field.errorCode, "INVALID_FIELD");
  assert.match(field.message, /No such column 'Nope' on entity 'Account'/);
  const type = await refusal(conn.query("SELECT Id FROM Nope"));
  assert.equal(type.errorCode, "INVALID_TYPE");
  const text = await refusal(conn.query("SELECT FROM"));
  assert.equal(text.errorCode, "MALFORMED_QUERY");
});

await check("a missing required field is REQUIRED_FIELD_MISSING", async () => {
  const error = await refusal(conn.sobject("Account").create({ Phone: "1" }));
  assert.equal(error.errorCode, "REQUIRED_FIELD_MISSING");
});

await check("an ambiguous key is MULTIPLE_CHOICES with the addresses of the records", async () => {
  const twin = { LastName: "Twin", Email: `twin.${run}@example.com` };
  const headers = { "Sforce-Duplicate-Rule-Header": "allowSave=true" };
  await conn.sobject("Contact").create([twin, twin], { headers });
  const error = await refusal(conn.sobject("Contact").upsert(twin, "Email"));
  assert.equal(error.errorCode, "MULTIPLE_CHOICES");
  assert.equal(error.data.length, 2);
  assert.match(error.data[0], /\/sobjects\/Contact\/003/);
});

await check("a record that somebody else writes to is UNABLE_TO_LOCK_ROW", async () => {
  await control("POST", "locks", { ids: [accountId] });
  try {
    const error = await refusal(conn.sobject("Account").update({ Id: accountId, Phone: "2" }));
    assert.equal(error.errorCode, "UNABLE_TO_LOCK_ROW");
  } finally {
    await control("DELETE", "locks");
  }
});

await check("a used-up quota is REQUEST_LIMIT_EXCEEDED", async () => {
  const { used } = await control("GET", "quota");
  await control("PUT", "quota", { used: 15000 });
  try {
    const error = await refusal(conn.query("SELECT Id FROM Account"));
    assert.equal(error.errorCode, "REQUEST_LIMIT_EXCEEDED");
  } finally {
    await control("PUT", "quota", { used });
  }
});

await check("a record that is not there is NOT_FOUND", async () => {
  const error = await refusal(conn.sobject("Account").retrieve("001000000000000AAA"));
  assert.equal(error.errorCode, "NOT_FOUND");
});

await check("recent", async () => {
  const recent = await conn.recent("Account", 5);
  assert.ok(Array.isArray(recent));
});

await check("updated and deleted", async () => {
  const start = new Date(Date.now() - 3600_000);
  const end = new Date(Date.now() + 120_000);
  const updated = await conn.sobject("Account").updated(start, end);
  assert.ok(updated.ids.includes(accountId));
  const gone = await conn.sobject("Account").destroy(ids[249]);
  assert.equal(gone.success, true);
  const deleted = await conn.sobject("Account").deleted(start, end);
  assert.ok(deleted.deletedRecords.some((record) => record.id === ids[249]));
});

await check("destroy many", async () => {
  const results = await conn.sobject("Account").destroy(ids.slice(0, 249), { allowRecursive: true });
  assert.ok(results.every((result) => result.success));
  const deleted = await conn.query(
    `SELECT Id FROM Account WHERE Name LIKE 'Many ${run}%' AND IsDeleted = true`,
    { scanAll: true },
  );
  assert.equal(deleted.totalSize, 250);
});

await check("an expired session is refreshed and the request repeated", async () => {
  let refreshed = 0;
  const other = new jsforce.Connection({
    instanceUrl: url,
    accessToken: "00D000000000000!expired",
    version: "60.0",
    refreshFn: async (_, done) => {
      refreshed += 1;
      done(null, conn.accessToken);
    },
  });
  const result = await other.query("SELECT Id FROM Account LIMIT 1");
  assert.equal(result.records.length, 1);
  assert.equal(refreshed, 1);
});

await check("logout ends the session", async () => {
  const other = new jsforce.Connection({ instanceUrl: url, oauth2, version: "60.0" });
  await other.authorize({ grant_type: "client_credentials" });
  const token = other.accessToken;
  await other.logoutByOAuth2();
  const ended = new jsforce.Connection({ instanceUrl: url, accessToken: token, version: "60.0" });
  const error = await refusal(ended.query("SELECT Id FROM Account LIMIT 1"));
  assert.equal(error.errorCode, "INVALID_SESSION_ID");
});
