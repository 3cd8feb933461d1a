// jsforce, unmodified, against a dev org: composite requests of all kinds,
// collections at their limits, searches, conditional requests, files, and the
// smaller resources. `node composite.mjs URL`.

import assert from "node:assert/strict";
import { check, codes, conn, refusal, run } from "./harness.mjs";

await conn.authorize({ grant_type: "client_credentials" });
const root = conn._baseUrl().replace(conn.instanceUrl, "");
const calls = () => conn.limitInfo.apiUsage.used;
const count = async (name) => (await conn.query(`SELECT COUNT() FROM Account WHERE Name LIKE '${name}%'`)).totalSize;

function part(method, url, referenceId, body) {
  return { method, url: `${root}${url}`, referenceId, body };
}

await check("composite with references between its parts is one call", async () => {
  await conn.limits();
  const before = calls();
  const answer = await conn.requestPost("/composite", {
    allOrNone: true,
    compositeRequest: [
      part("POST", "/sobjects/Account", "acme", { Name: `Composite ${run}` }),
      part("POST", "/sobjects/Contact", "jane", { LastName: "Doe", AccountId: "@{acme.id}" }),
      part("GET", "/query?q=SELECT+Id+FROM+Contact+WHERE+AccountId='@{acme.id}'", "found"),
      part("PATCH", "/sobjects/Contact/@{found.records[0].Id}", "titled", { Title: "CEO" }),
      part("GET", "/sobjects/Contact/@{jane.id}?fields=Title,AccountId", "read"),
    ],
  });
  assert.equal(calls(), before + 1);
  const [acme, jane, found, titled, read] = answer.compositeResponse;
  assert.deepEqual(
    [acme, jane, found, titled, read].map((each) => each.httpStatusCode),
    [201, 201, 200, 204, 200],
  );
  assert.equal(acme.httpHeaders.Location, `${root}/sobjects/Account/${acme.body.id}`);
  assert.equal(found.body.records[0].Id, jane.body.id);
  assert.equal(titled.body, null);
  assert.equal(read.body.Title, "CEO");
  assert.equal(read.body.AccountId, acme.body.id);
});

await check("composite all or none halts the innocent and keeps the culprit's error", async () => {
  const answer = await conn.requestPost("/composite", {
    allOrNone: true,
    compositeRequest: [
      part("POST", "/sobjects/Account", "good", { Name: `Undone ${run}` }),
      part("POST", "/sobjects/Contact", "bad", { FirstName: "Nobody" }),
    ],
  });
  const errors = answer.compositeResponse.map((each) => [each.httpStatusCode, each.body[0].errorCode]);
  assert.deepEqual(errors, [
    [400, "PROCESSING_HALTED"],
    [400, "REQUIRED_FIELD_MISSING"],
  ]);
  assert.equal(await count(`Undone ${run}`), 0);
});

await check("composite of 26 parts is over its limit", async () => {
  const compositeRequest = Array.from({ length: 26 }, (_, at) =>
    part("POST", "/sobjects/Account", `a${at}`, { Name: `Over ${run}` }),
  );
  const answer = await conn.requestPost("/composite", { compositeRequest });
  assert.equal(answer.compositeResponse[0].body[0].errorCode, "LIMIT_EXCEEDED");
  assert.equal(await count(`Over ${run}`), 0);
});

await check("graphs succeed and fail each by itself", async () => {
  const graph = (graphId, contact) => ({
    graphId,
    compositeRequest: [
      part("POST", "/sobjects/Account", "a", { Name: `Graph ${run} ${graphId}` }),
      part("POST", "/sobjects/Contact", "c", { ...contact, AccountId: "@{a.id}" }),
    ],
  });
  const answer = await conn.requestPost("/composite/graph", {
    graphs: [graph("good", { LastName: "Doe" }), graph("bad", { FirstName: "Nobody" })],
  });
  assert.deepEqual(
    answer.graphs.map((each) => [each.graphId, each.isSuccessful]),
    [
      ["good", true],
      ["bad", false],
    ],
  );
  const [halted, culprit] = answer.graphs[1].graphResponse.compositeResponse;
  assert.equal(halted.body[0].errorCode, "PROCESSING_HALTED");
  assert.equal(culprit.body[0].errorCode, "REQUIRED_FIELD_MISSING");
  assert.equal(await count(`Graph ${run}`), 1);
});

await check("a tree creates a parent and its children", async () => {
  const leaf = (type, referenceId, fields) => ({ attributes: { type, referenceId }, ...fields });
  const tree = (contact) => ({
    records: [leaf("Account", "root", { Name: `Tree ${run}`, Contacts: { records: [leaf("Contact", "leaf", contact)] } })],
  });
  const answer = await conn.requestPost("/composite/tree/Account", tree({ LastName: "Doe" }));
  assert.equal(answer.hasErrors, false);
  const ids = Object.fromEntries(answer.results.map((result) => [result.referenceId, result.id]));
  assert.equal((await conn.sobject("Contact").retrieve(ids.leaf)).AccountId, ids.root);
  const error = await refusal(conn.requestPost("/composite/tree/Account", tree({ FirstName: "Nobody" })));
  // An answer that is no list of errors is the message.
  assert.equal(error.errorCode, "ERROR_HTTP_400");
  const { hasErrors, results } = JSON.parse(error.message);
  assert.equal(hasErrors, true);
  assert.deepEqual(codes(results), ["REQUIRED_FIELD_MISSING"]);
  assert.equal(await count(`Tree ${run}`), 1);
});

await check("a batch answers each of its requests", async () => {
  const answer = await conn.requestPost("/composite/batch", {
    batchRequests: [
      { method: "GET", url: "v60.0/limits" },
      { method: "POST", url: "v60.0/sobjects/Account", richInput: { Name: `Batch ${run}` } },
      { method: "GET", url: "v60.0/query?q=SELECT+Nope+FROM+Account" },
    ],
  });
  assert.equal(answer.hasErrors, true);
  assert.deepEqual(
    answer.results.map((result) => result.statusCode),
    [200, 201, 400],
  );
  assert.equal(answer.results[0].result.DailyApiRequests.Max, 15000);
  assert.equal(answer.results[2].result[0].errorCode, "INVALID_FIELD");
});

await check("a collection takes 200 records and not 201, of up to ten types in a row", async () => {
  const record = (at) => ({ attributes: { type: "Account" }, Name: `Limit ${run} ${at}` });
  const send = (records) => conn.requestPost("/composite/sobjects", { allOrNone: false, records });
  const most = await send(Array.from({ length: 200 }, (_, at) => record(at)));
  assert.ok(most.every((result) => result.success));
  const error = await refusal(send(Array.from({ length: 201 }, (_, at) => record(at))));
  assert.equal(error.errorCode, "EXCEEDED_ID_LIMIT");
  const mixed = await send([record("mixed"), { attributes: { type: "Contact" }, LastName: `Mixed ${run}` }]);
  assert.deepEqual(
    mixed.map((result) => result.id.slice(0, 3)),
    ["001", "003"],
  );
});

await check("collections upsert, read with holes, and delete with results in order", async () => {
  const records = [1, 2].map((at) => ({
    attributes: { type: "Contact" },
    LastName: "Row",
    Email: `row.${at}.${run}@example.com`,
  }));
  const upsert = () =>
    conn.requestPatch("/composite/sobjects/Contact/Email", { allOrNone: false, records });
  assert.deepEqual((await upsert()).map((result) => result.created), [true, true]);
  const again = await upsert();
  assert.deepEqual(again.map((result) => result.created), [false, false]);
  const ids = again.map((result) => result.id);
  const read = await conn.requestPost("/composite/sobjects/Contact", {
    ids: [ids[1], "003000000000000AAA", ids[0]],
    fields: ["Email"],
  });
  assert.deepEqual(
    read.map((record) => record?.Email ?? null),
    [records[1].Email, null, records[0].Email],
  );
  const gone = await conn.requestDelete(
    `/composite/sobjects?ids=${ids[0]},003000000000000AAA,${ids[1]}&allOrNone=false`,
  );
  assert.deepEqual(gone.map((result) => result.success), [true, false, true]);
});

await check("related records by their relationship's name, both ways", async () => {
  const account = await conn.sobject("Account").create({ Name: `Related ${run}` });
  const contact = await conn.sobject("Contact").create({ LastName: "Child", AccountId: account.id });
  const parent = await conn.request(`/sobjects/Contact/${contact.id}/Account`);
  assert.equal(parent.Name, `Related ${run}`);
  const children = await conn.request(`/sobjects/Account/${account.id}/Contacts`);
  assert.deepEqual(children.records.map((record) => record.Id), [contact.id]);
});

await check("search by SOSL and by parameters", async () => {
  const name = `Zanzibar${run}`;
  const { id } = await conn.sobject("Account").create({ Name: `${name} Trading` });
  const found = await conn.search(`FIND {${name}*} IN NAME FIELDS RETURNING Account(Id, Name), Contact`);
  assert.deepEqual(
    found.searchRecords.map((record) => [record.attributes.type, record.Id, record.Name]),
    [["Account", id, `${name} Trading`]],
  );
  const simple = await conn.request(`/parameterizedSearch?q=${name}&sobject=Account&Account.fields=Id`);
  assert.deepEqual(simple.searchRecords.map((record) => record.Id), [id]);
  const posted = await conn.requestPost("/parameterizedSearch", {
    q: name,
    fields: ["Id"],
    sobjects: [{ name: "Account", limit: 1 }],
    overallLimit: 5,
  });
  assert.deepEqual(posted.searchRecords.map((record) => record.Id), [id]);
  const error = await refusal(conn.search("FIND Acme"));
  assert.equal(error.errorCode, "MALFORMED_SEARCH");
});

await check("describe that has not changed answers with nothing", async () => {
  const describe = (headers) => conn.request({ method: "GET", url: "/sobjects/Account/describe", headers });
  const now = new Date(Date.now() + 60_000).toUTCString();
  assert.ok(!(await describe({ "If-Modified-Since": now }))?.fields);
  const old = new Date(0).toUTCString();
  assert.ok((await describe({ "If-Modified-Since": old })).fields.length > 0);
});

await check("a write to what has changed since is refused", async () => {
  const { id } = await conn.sobject("Account").create({ Name: `Changed ${run}` });
  const update = (since) =>
    conn.request({
      method: "PATCH",
      url: `/sobjects/Account/${id}`,
      headers: { "Content-Type": "application/json", "If-Unmodified-Since": since.toUTCString() },
      body: JSON.stringify({ Phone: "1" }),
    });
  assert.equal((await refusal(update(new Date(0)))).errorCode, "PRECONDITION_FAILED");
  await update(new Date(Date.now() + 60_000));
});

await check("a file goes up in base64 and comes down in bytes", async () => {
  const text = `Zoë's file ${run}`;
  const { id } = await conn.sobject("ContentVersion").create({
    Title: "A file",
    PathOnClient: "file.txt",
    VersionData: Buffer.from(text).toString("base64"),
  });
  const stream = conn.sobject("ContentVersion").record(id).blob("VersionData");
  const chunks = await stream.toArray();
  assert.equal(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))).toString(), text);
});

await check("a file goes up beside its record, in a body of two parts", async () => {
  const text = `Two parts ${run}`;
  const record = {
    Title: "Two parts",
    PathOnClient: "parts.txt",
    VersionData: Buffer.from(text).toString("base64"),
  };
  const file = { filename: "parts.txt", contentType: "text/plain" };
  const { id } = await conn
    .sobject("ContentVersion")
    .create(record, { multipartFileFields: { VersionData: file } });
  const chunks = await conn.sobject("ContentVersion").record(id).blob("VersionData").toArray();
  assert.equal(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))).toString(), text);
});

await check("record counts, and recent items no more than asked for", async () => {
  const counts = await conn.request("/limits/recordCount?sObjects=Account,Contact");
  assert.deepEqual(counts.sObjects.map((each) => each.name).sort(), ["Account", "Contact"]);
  const recent = await conn.recent(3);
  assert.equal(recent.length, 3);
  assert.ok(recent.every((each) => each.attributes.type && each.Id && each.Name));
});

await check("layouts, and the picklist values of a record type", async () => {
  const layouts = await conn.sobject("Account").layouts();
  assert.ok(layouts.layouts.length > 0);
  const kind = layouts.recordTypeMappings[0].recordTypeId;
  const values = await conn.request(`/ui-api/object-info/Account/picklist-values/${kind}`);
  assert.ok(values.picklistFieldValues.Industry.values.length > 0);
});

await check("identity of the user, and the versions of the org", async () => {
  const versions = await conn.request(`${conn.instanceUrl}/services/data/`);
  assert.ok(versions.every((version) => version.url === `/services/data/v${version.version}`));
  const resources = await conn.request(conn._baseUrl());
  assert.equal(resources.sobjects, `${root}/sobjects`);
  assert.ok(resources.identity.includes("/id/00D"));
});

await check("an unknown address is NOT_FOUND, and a wrong method METHOD_NOT_ALLOWED", async () => {
  assert.equal((await refusal(conn.request("/nowhere"))).errorCode, "NOT_FOUND");
  assert.equal((await refusal(conn.requestPut("/limits", {}))).errorCode, "METHOD_NOT_ALLOWED");
});

await check("a body that is not JSON is JSON_PARSER_ERROR", async () => {
  const error = await refusal(
    conn.request({
      method: "POST",
      url: "/sobjects/Account",
      headers: { "Content-Type": "application/json" },
      body: '{"Name": ',
    }),
  );
  assert.equal(error.errorCode, "JSON_PARSER_ERROR");
});
