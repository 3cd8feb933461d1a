-- The rules of rules.json, as somebody would write them who has Lua and not the scorer.

local industries = { engineering = true, banking = true }
local free_mail = { "gmail.com", "gmx.de" }

local function is_within(host, domain)
  return host == domain or host:sub(-#domain - 1) == "." .. domain
end

return function(records)
  for _, record in ipairs(records) do
    local score = 0
    if (record.NumberOfEmployees or 0) > 500 then score = score + 25 end
    if (record.AnnualRevenue or 0) > 1000000 then score = score + 20 end
    if industries[(record.Industry or ""):lower()] then score = score + 15 end
    local host = ((record.Email or ""):match("([^@]*)$")):lower()
    for _, domain in ipairs(free_mail) do
      if is_within(host, domain) then
        score = score - 15
        break
      end
    end
    score = math.min(math.max(score, 0), 100)
    record.Lead_Score__c = score
    record.Rating = score >= 40 and "Hot" or "Cold"
  end
end
