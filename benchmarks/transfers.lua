-- Single transfers for wrk, each with accounts and an amount of its own. `done` prints what was measured as JSON.

local accounts = tonumber(os.getenv("BENCH_ACCOUNTS"))
local headers = {["Content-Type"] = "application/json"}

function init(args)
   math.randomseed(os.time())
end

function request()
   local debit = math.random(0, accounts - 1)
   local credit = (debit + math.random(1, accounts - 1)) % accounts
   local body = string.format('{"debit":"account-%d","credit":"account-%d","amount_minor":%d}',
                              debit, credit, math.random(1, 1000))
   return wrk.format("POST", "/commands/Transfer", headers, body)
end

function done(summary, latency, requests)
   local failed = summary.errors.connect + summary.errors.read + summary.errors.write
                  + summary.errors.status + summary.errors.timeout
   io.write(string.format('\n{"requests":%d,"microseconds":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
                          summary.requests, summary.duration, failed,
                          latency:percentile(50), latency:percentile(99)))
end
