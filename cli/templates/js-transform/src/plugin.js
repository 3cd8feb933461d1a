// Puts e-mail addresses into one form, drops records of unwanted domains, and
// rejects records without an address.

import { write } from "lockgate:connector/log@0.2.0";
import { decode, encode } from "./utf8.js";

const settingsSchema = JSON.stringify({
  type: "object",
  properties: { drop_domains: { type: "array", items: { type: "string" } } },
  additionalProperties: false,
});

// Set once by `configure`: an instance has one set of settings.
let dropDomains = [];

export const batches = {
  describe() {
    return { summary: "Puts e-mail addresses into one form.", settingsSchema };
  },

  configure(text) {
    const domains = JSON.parse(text).drop_domains ?? [];
    if (!Array.isArray(domains) || domains.some((domain) => typeof domain !== "string")) {
      // What is thrown is the error of the contract: here a list of problems.
      throw [{ pointer: "/drop_domains", message: "is a list of texts" }];
    }
    dropDomains = domains;
  },

  apply(input) {
    let records;
    try {
      records = JSON.parse(decode(input.records));
    } catch (error) {
      throw { tag: "malformed", val: String(error) };
    }
    write("info", "took a batch", [["records", String(records.length)]]);
    let verdicts;
    try {
      verdicts = records.map(lookAt);
    } catch (error) {
      // Else a mistake in the code below would be a crash without a word.
      throw { tag: "failed", val: placeOf(error) };
    }
    const changed = records.filter((_, at) => verdicts[at].tag === "change");
    return { records: encode(JSON.stringify(changed)), verdicts };
  },
};

// Changes one record if it has to be, and says what becomes of it.
function lookAt(record) {
  if (typeof record.Email !== "string" || !record.Email.includes("@")) {
    return { tag: "reject", val: "it has no e-mail address" };
  }
  const email = record.Email.trim().toLowerCase();
  if (dropDomains.includes(email.split("@").pop())) {
    return { tag: "drop" };
  }
  if (email === record.Email) {
    return { tag: "keep" };
  }
  record.Email = email;
  return { tag: "change" };
}

// What went wrong where. Not the error's own words: they may quote a record.
function placeOf(error) {
  const [place] = String(error.stack).trim().split("\n");
  return `${error.name} ${place.trim()}`;
}
