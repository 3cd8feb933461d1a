// jsforce as a client of `cargo xtask bench-peers`: `node bench.mjs TASK URL ROWS [check]`.
// It says `ready VERSION`, works after a line of input, says what came of it as
// `done ROWS LENGTH`, and ends with its input.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const require = createRequire(path.join(process.env.PEERS_FOLDER, "package.json"));
const jsforce = require("jsforce");
const { version } = require("jsforce/package.json");
const [task, url, rowsText, mode] = process.argv.slice(2);
const rows = Number(rowsText);
const soql = process.env.PEERS_SOQL;

/** The most records that one request writes. */
const COLLECTION = 200;

/** Page by page: `autoFetch` would keep all records until the end. */
async function query(each) {
  let page = await conn.query(soql);
  for (;;) {
    for (const record of page.records) {
      each(record);
    }
    if (page.done) {
      return;
    }
    page = await conn.queryMore(page.nextRecordsUrl);
  }
}

async function readAll() {
  let count = 0;
  let length = 0;
  await query((record) => {
    count += 1;
    length += record.Email.length;
  });
  return [count, length];
}

async function listAll() {
  let count = 0;
  let lines = [];
  await query((record) => {
    count += 1;
    lines.push(`row ${record.Id} ${record.Email} ${record.FirstName}\n`);
  });
  process.stdout.write(lines.join(""));
  return [count, 0];
}

async function writeAll() {
  const templates = JSON.parse(readFileSync(new URL("contacts.json", import.meta.url)));
  const contact = conn.sobject("Contact");
  let written = 0;
  for (let from = 0; from < rows; from += COLLECTION) {
    const records = [];
    for (let n = from; n < Math.min(from + COLLECTION, rows); n += 1) {
      const number = String(n).padStart(7, "0");
      records.push({
        ...templates[n % templates.length],
        LastName: `Peer ${number}`,
        Email: `peer.${number}@example.com`,
      });
    }
    const results = await contact.create(records);
    written += results.filter((result) => result.success).length;
  }
  return [written, 0];
}

const oauth2 = { loginUrl: url, clientId: "dev-org-client", clientSecret: "dev-org-secret" };
const conn = new jsforce.Connection({ instanceUrl: url, oauth2, version: "60.0" });
await conn.authorize({ grant_type: "client_credentials" });
await conn.query("SELECT Id FROM Contact LIMIT 1");
console.log(`ready ${version}`);
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
await input.next();
const work = { query: mode === "check" ? listAll : readAll, write: writeAll }[task];
const [count, length] = await work();
console.log(`done ${count} ${length}`);
await input.next();
process.exit(0);
