// The rules of rules.json, as somebody would write them who has JavaScript and not the
// scorer. The same file runs in rquickjs and in the guest.

const industries = ["engineering", "banking"];
const freeMail = ["gmail.com", "gmx.de"];

export function score(records) {
  for (const record of records) {
    let score = 0;
    if (record.NumberOfEmployees > 500) score += 25;
    if (record.AnnualRevenue > 1_000_000) score += 20;
    if (industries.includes(record.Industry?.toLowerCase())) score += 15;
    const host = record.Email?.split("@").pop().toLowerCase() ?? "";
    if (freeMail.some((domain) => host === domain || host.endsWith("." + domain))) score -= 15;
    record.Lead_Score__c = Math.min(Math.max(score, 0), 100);
    record.Rating = record.Lead_Score__c >= 40 ? "Hot" : "Cold";
  }
  return records;
}
