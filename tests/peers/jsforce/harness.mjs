// What the checks with jsforce have in common: a connection, and one line for
// each check, `ok - NAME` or `not ok - NAME: REASON`.

import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.PEERS_FOLDER, "package.json"));
export const jsforce = require("jsforce");
export const url = process.argv[2];
/** Told apart from the records of other scripts. */
export const run = Date.now().toString(36);

export const oauth2 = {
  loginUrl: url,
  clientId: "dev-org-client",
  clientSecret: "dev-org-secret",
};
export const conn = new jsforce.Connection({ instanceUrl: url, oauth2, version: "60.0" });

export async function check(name, body) {
  try {
    await body();
    console.log(`ok - ${name}`);
  } catch (error) {
    process.exitCode = 1;
    const reason = String(error?.stack ?? error).split("\n").slice(0, 6).join(" | ");
    console.log(`not ok - ${name}: ${reason}`);
  }
}

/** What a promise is refused with. */
export async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("was not refused");
}

/** Steers the org, past the client; what it answers, if anything. */
export async function control(method, address, body) {
  const answer = await fetch(`${url}/__control/${address}`, {
    method,
    ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (!answer.ok) {
    throw new Error(`${method} ${address} answered ${answer.status}`);
  }
  return answer.status === 204 ? null : answer.json();
}

/** The codes of the errors in results of collections. */
export function codes(results) {
  return results.flatMap((result) => result.errors.map((each) => each.statusCode ?? each.errorCode));
}
