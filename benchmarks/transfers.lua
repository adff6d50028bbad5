-- Single transfers for wrk, each with an id, accounts and an amount of its own; every answer is looked at.
-- `done` prints what was measured as JSON.

local accounts = tonumber(os.getenv("BENCH_ACCOUNTS"))
local round = os.getenv("BENCH_ROUND")
local headers = {["Content-Type"] = "application/json"}
local form = '[{"id":"%s%012d","debit_account_id":"%d","credit_account_id":"%d","amount":"%d","ledger":1,"code":1}]'

function setup(thread)
   only = thread
end

function init(args)
   math.randomseed(tonumber(round))
   sent = 0
   refused = 0
end

function request()
   sent = sent + 1
   local debit = math.random(0, accounts - 1)
   local credit = (debit + math.random(1, accounts - 1)) % accounts
   local body = string.format(form, round, sent, debit + 1, credit + 1, math.random(1, 1000))
   return wrk.format("POST", "/ledger/transfers", headers, body)
end

function response(status, answered, body)
   if status ~= 200 or not body:find('"created"', 1, true) then
      refused = refused + 1
   end
end

function done(summary, latency, requests)
   local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   io.write(string.format('\n{"requests":%d,"microseconds":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
                          summary.requests, summary.duration, failed + only:get("refused"),
                          latency:percentile(50), latency:percentile(99)))
end
