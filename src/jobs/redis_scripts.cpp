#include "jobs/redis_scripts.hpp"

namespace simul::detail {
namespace {

constexpr std::string_view prelude = R"lua(
local call = redis.call
local clock = call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2]) + tonumber(ARGV[1])
local now = math.floor(now_us / 1000000)
local argi = 1
local function arg() argi = argi + 1; return ARGV[argi] end

local function iso(us)
  local s = math.floor(us / 1000000)
  local days = math.floor(s / 86400)
  local rest = s - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local d = doy - math.floor((153 * mp + 2) / 5) + 1
  local m = mp < 10 and mp + 3 or mp - 9
  local y = yoe + era * 400 + (m <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', y, m, d, math.floor(rest / 3600),
    math.floor(rest / 60) % 60, rest % 60, us - s * 1000000)
end
local function whole(us) return string.format('%.0f', us) end
local function jobkey(id) return 'rq:job:' .. id end
local function number_or(text, default)
  local n = text and tonumber(text)
  if not n then return default end
  return n
end
-- A lifetime or a pause that a record says, as job_duration_max (100 years) limits it.
local function seconds_or(text, default)
  return math.min(number_or(text, default), 3153600000)
end

local function expire_job(id, ttl)
  call('EXPIRE', jobkey(id), ttl)
  call('EXPIRE', jobkey(id) .. ':dependents', ttl)
  call('EXPIRE', 'rq:job::' .. id .. ':dependencies', ttl)
end
-- The job's lifetime does not end by itself any more, nor what is known of who waits for it.
local function keep_job(id)
  if call('PERSIST', jobkey(id)) == 1 then
    call('PERSIST', jobkey(id) .. ':dependents')
    call('PERSIST', 'rq:job::' .. id .. ':dependencies')
  end
end
local function waits_for(id) return call('SMEMBERS', 'rq:job::' .. id .. ':dependencies') end
-- dependencies.hpp says what counts as met; `status` is false where there is no record.
local function is_met(status, tolerant)
  return not status or status == 'finished' or (tolerant and status == 'failed')
end
local function all_met(id, tolerant)
  for _, other in ipairs(waits_for(id)) do
    if not is_met(call('HGET', jobkey(other), 'status'), tolerant) then return false end
  end
  return true
end
-- The deferred jobs that wait for `id`, in the order in which they were made.
local function deferred_on(id)
  local found = {}
  for _, d in ipairs(call('SMEMBERS', jobkey(id) .. ':dependents')) do
    local v = call('HMGET', jobkey(d), 'status', 'origin', 'allow_dependency_failures', 'enqueue_at_front', 'created_at')
    if v[1] == 'deferred' and v[2] then
      found[#found + 1] = {id = d, queue = v[2], tolerant = v[3] == '1', front = v[4] == '1', made = v[5] or ''}
    end
  end
  table.sort(found, function(a, b) return a.made < b.made or (a.made == b.made and a.id < b.id) end)
  return found
end
local function defer(id, queue)
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('HSET', jobkey(id), 'status', 'deferred')
  -- RQ 2.3 fails the deferred jobs whose score is past; other releases do not look at it.
  call('ZADD', 'rq:deferred:' .. queue, '+inf', id)
end
local function wait_on(id, other)
  local key = jobkey(other) .. ':dependents'
  call('SADD', key, id)
  -- The set ends with the record it belongs to.
  local left = call('PTTL', jobkey(other))
  if left > 0 then call('PEXPIRE', key, left) else call('PERSIST', key) end
end
-- The way from `start` back to it along waits_of(id), as an error; or nothing.
local function find_cycle(start, walk_max, waits_of)
  local came, open, walked = {}, {start}, 0
  while #open > 0 do
    local id = table.remove(open)
    walked = walked + 1
    if walked > walk_max then return redis.error_reply('WALK ' .. start) end
    for _, other in ipairs(waits_of(id)) do
      if other == start then
        local way, at = start, id
        while at ~= start do
          way = at .. ' ' .. way
          at = came[at]
        end
        return redis.error_reply('CYCLE ' .. start .. ' ' .. way)
      end
      if not came[other] then
        came[other] = id
        open[#open + 1] = other
      end
    end
  end
end
local function cancel_one(id, queue)
  call('LREM', 'rq:queue:' .. queue, 1, id)
  call('ZREM', 'rq:scheduled:' .. queue, id)
  call('ZREM', 'rq:deferred:' .. queue, id)
  call('HSET', jobkey(id), 'status', 'canceled')
  keep_job(id)
  call('ZADD', 'rq:canceled:' .. queue, now, id)
  -- RQ before 2.0 would release it all the same when what it waits for ends; a requeue says it anew.
  for _, other in ipairs(waits_for(id)) do call('SREM', jobkey(other) .. ':dependents', id) end
end
-- The record and every mention of the id go. Whoever still waits for it would wait for ever, and is canceled.
local function delete_job(id)
  local status = call('HGET', jobkey(id), 'status')
  for _, d in ipairs(deferred_on(id)) do
    if not is_met(status, d.tolerant) then cancel_one(d.id, d.queue) end
  end
  for _, other in ipairs(waits_for(id)) do call('SREM', jobkey(other) .. ':dependents', id) end
  for _, ex in ipairs(call('ZRANGE', 'rq:executions:' .. id, 0, -1)) do
    call('DEL', 'rq:execution:' .. id .. ':' .. ex)
  end
  call('DEL', jobkey(id), jobkey(id) .. ':dependents', 'rq:job::' .. id .. ':dependencies', 'rq:results:' .. id,
    'rq:executions:' .. id)
end
local function push(id, queue, front)
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('HSET', jobkey(id), 'status', 'queued', 'enqueued_at', iso(now_us))
  call(front and 'LPUSH' or 'RPUSH', 'rq:queue:' .. queue, id)
  -- Its waiting time begins now.
  local ttl = seconds_or(call('HGET', jobkey(id), 'ttl'), -1)
  if ttl > 0 then expire_job(id, ttl) end
end
-- All four records that RQ keeps of an execution, and simul's own.
local function clear_execution(id, ex, queue, worker)
  local member = id .. ':' .. ex
  call('DEL', 'rq:execution:' .. member)
  call('ZREM', 'rq:wip:' .. queue, member)
  call('ZREM', 'rq:executions:' .. id, ex)
  call('SREM', 'rq:worker:' .. worker .. ':executions', member)
  call('HDEL', 'simul:running:' .. worker, member)
end
local function show_what_runs(worker)
  local one = call('HKEYS', 'simul:running:' .. worker)[1]
  if call('EXISTS', 'rq:worker:' .. worker) == 0 then return end
  if one then
    call('HSET', 'rq:worker:' .. worker, 'state', 'busy', 'current_job', string.match(one, '^(.*):'))
  else
    call('HSET', 'rq:worker:' .. worker, 'state', 'idle')
    call('HDEL', 'rq:worker:' .. worker, 'current_job')
  end
end
-- A deferred job waits for nothing any more.
local function release(d)
  call('ZREM', 'rq:deferred:' .. d.queue, d.id)
  for _, other in ipairs(waits_for(d.id)) do call('SREM', jobkey(other) .. ':dependents', d.id) end
  push(d.id, d.queue, d.front)
end
-- `id` has ended as its record says: those that waited for nothing else go to their queues.
local function release_dependents(id)
  for _, d in ipairs(deferred_on(id)) do
    if all_met(d.id, d.tolerant) then release(d) end
  end
end
local function add_result(id, ttl, fields)
  call('XADD', 'rq:results:' .. id, 'MAXLEN', '~', 10, '*', unpack(fields))
  if ttl > 0 then call('EXPIRE', 'rq:results:' .. id, ttl) else call('PERSIST', 'rq:results:' .. id) end
end
-- A failed run: tried again where retries are left, else recorded. Returns kind, due, kept.
-- One that was stopped is never tried again, and what waits for it goes on waiting.
local function fail(id, queue, may_retry, exc, worker, ex, started, ended, stopped)
  local v = call('HMGET', jobkey(id), 'retries_left', 'retry_intervals', 'enqueue_at_front_on_retry', 'failure_ttl')
  local left = number_or(v[1], 0)
  call('HDEL', jobkey(id), 'simul_execution')
  call('HSET', jobkey(id), 'ended_at', iso(now_us), 'last_heartbeat', iso(now_us))
  if may_retry and not stopped and left > 0 then
    local pause = 0
    local ok, intervals = pcall(cjson.decode, v[2] or '[]')
    if ok and type(intervals) == 'table' and #intervals > 0 then
      pause = seconds_or(intervals[math.min(math.max(#intervals - left, 0) + 1, #intervals)], 0)
    end
    call('HSET', jobkey(id), 'retries_left', left - 1)
    if pause <= 0 then
      push(id, queue, v[3] == '1')
      return {'requeued', '', ''}
    end
    call('SADD', 'rq:queues', 'rq:queue:' .. queue)
    call('HSET', jobkey(id), 'status', 'scheduled')
    call('ZADD', 'rq:scheduled:' .. queue, now + pause, id)
    return {'scheduled', whole((now + pause) * 1000000), ''}
  end
  local ttl = seconds_or(v[4], 31536000)
  call('HSET', jobkey(id), 'status', stopped and 'stopped' or 'failed')
  if ttl == 0 then
    release_dependents(id)
    delete_job(id)
    return {'discarded', '', '0'}
  end
  if ttl > 0 then
    expire_job(id, ttl)
    call('ZADD', 'rq:failed:' .. queue, now + ttl, id)
  else
    call('ZADD', 'rq:failed:' .. queue, ttl, id)
  end
  local fields = {'type', 2, 'worker_name', worker}
  if exc ~= '' then fields[#fields + 1] = 'exc_string'; fields[#fields + 1] = exc end
  if ex ~= '' then fields[#fields + 1] = 'execution_id'; fields[#fields + 1] = ex end
  if started ~= '' then
    fields[#fields + 1] = 'execution_started_at'; fields[#fields + 1] = started
    fields[#fields + 1] = 'execution_ended_at'; fields[#fields + 1] = ended
  end
  add_result(id, ttl, fields)
  release_dependents(id)
  return {'recorded', '', string.format('%d', ttl)}
end
local function put_back(id, queue)
  call('HDEL', jobkey(id), 'simul_execution')
  call('HSET', jobkey(id), 'status', 'queued', 'started_at', '', 'worker_name', '')
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('LPUSH', 'rq:queue:' .. queue, id)
  local ttl = seconds_or(call('HGET', jobkey(id), 'ttl'), -1)
  if ttl > 0 then expire_job(id, ttl) end
end
-- True if `ex` is the run of `id` that counts, and it is this worker's.
local function is_current(id, ex, worker)
  local v = call('HMGET', jobkey(id), 'simul_execution', 'worker_name', 'status', 'origin')
  local mine = v[1] == ex and v[2] == worker and call('HEXISTS', 'simul:running:' .. worker, id .. ':' .. ex) == 1
  return mine, v[3], v[4]
end
-- simul:running:W maps ID:EX to ORDER:QUEUE, where ORDER tells which was taken first.
local function queue_of_run(worker, id, ex)
  local v = call('HGET', 'simul:running:' .. worker, id .. ':' .. ex)
  return v and string.match(v, '^%d+:(.*)$')
end
local function runs_of(worker)
  local flat, runs = call('HGETALL', 'simul:running:' .. worker), {}
  for i = 1, #flat, 2 do
    local id, ex = string.match(flat[i], '^(.*):(.*)$')
    local order, queue = string.match(flat[i + 1], '^(%d+):(.*)$')
    runs[#runs + 1] = {id = id, ex = ex, queue = queue, order = order}
  end
  table.sort(runs, function(a, b) return a.order < b.order end)
  return runs
end
-- A failed, stopped or canceled job waits again, as if it had just been enqueued.
local function put_again(id, queue)
  call('ZREM', 'rq:failed:' .. queue, id)
  call('ZREM', 'rq:canceled:' .. queue, id)
  call('HDEL', jobkey(id), 'simul_deaths', 'simul_execution')
  call('HSET', jobkey(id), 'started_at', '', 'ended_at', '')
  keep_job(id)
  push(id, queue, false)
end
local function forget_worker(worker)
  for _, q in ipairs(call('LRANGE', 'simul:queues:' .. worker, 0, -1)) do
    call('SREM', 'rq:workers:' .. q, 'rq:worker:' .. worker)
  end
  call('SREM', 'rq:workers', 'rq:worker:' .. worker)
  if call('EXISTS', 'rq:worker:' .. worker) == 1 then
    call('HSET', 'rq:worker:' .. worker, 'death', iso(now_us))
    call('HDEL', 'rq:worker:' .. worker, 'current_job')
    call('EXPIRE', 'rq:worker:' .. worker, 60)
  end
  call('DEL', 'rq:worker:' .. worker .. ':executions', 'simul:worker:' .. worker, 'simul:running:' .. worker,
    'simul:queues:' .. worker)
  call('ZREM', 'simul:workers', worker)
end
)lua";

constexpr std::string_view enqueue_text = R"lua(
local dependents_max, walk_max, n = tonumber(arg()), tonumber(arg()), tonumber(arg())
local jobs, place, receipts = {}, {}, {}
for i = 1, n do
  local id, queue, due, front, created, tolerant, nwaits = arg(), arg(), arg(), arg(), arg(), arg(), tonumber(arg())
  local j = {id = id, queue = queue, due = due, front = front == '1', created = created, tolerant = tolerant == '1', waits = {}}
  for w = 1, nwaits do j.waits[w] = arg() end
  j.nfields = tonumber(arg())
  j.fields = argi
  local data
  for f = 1, j.nfields do
    local name, value = arg(), arg()
    if name == 'data' then data = value end
  end
  local v = call('HMGET', jobkey(id), 'status', 'created_at', 'data', 'origin')
  if v[1] and v[3] then
    if v[2] == created and v[3] == data then
      j.repeated = true
    elseif v[1] ~= 'finished' and v[1] ~= 'failed' and v[1] ~= 'canceled' and v[1] ~= 'stopped' then
      return redis.error_reply('IDINUSE ' .. id .. ' ' .. v[1])
    else
      j.replaces = v[4] or ''
    end
  end
  jobs[i] = j
  if not j.repeated then place[id] = i end
end
-- Nothing is written before all of them are known to be good: a script is not undone.
local function waits_of(id)
  if place[id] then return jobs[place[id]].waits end
  if call('HGET', jobkey(id), 'status') == 'deferred' then return waits_for(id) end
  return {}
end
local named = {}
for i, j in ipairs(jobs) do
  if not j.repeated and #j.waits > 0 then
    for _, other in ipairs(j.waits) do
      if place[other] and place[other] > i then
        return find_cycle(j.id, walk_max, waits_of) or redis.error_reply('LATER ' .. j.id .. ' ' .. other)
      end
      if not place[other] and call('HEXISTS', jobkey(other), 'data') == 0 then
        return redis.error_reply('NODEPENDENCY ' .. j.id .. ' ' .. other)
      end
      named[other] = (named[other] or 0) + 1
      if call('SCARD', jobkey(other) .. ':dependents') + named[other] > dependents_max then
        return redis.error_reply('DEPENDENTS ' .. j.id .. ' ' .. other)
      end
    end
    -- Who waits for this id already waits for it still: it was used before, or its record is gone.
    if call('EXISTS', jobkey(j.id) .. ':dependents') == 1 then
      local cycle = find_cycle(j.id, walk_max, waits_of)
      if cycle then return cycle end
    end
  end
end
for i, j in ipairs(jobs) do
  local id = j.id
  receipts[i] = '0-0'
  if not j.repeated then
    if j.replaces then
      for _, registry in ipairs({'finished', 'failed', 'canceled'}) do
        call('ZREM', 'rq:' .. registry .. ':' .. j.replaces, id)
      end
      call('DEL', jobkey(id), 'rq:job::' .. id .. ':dependencies')
      call('PERSIST', jobkey(id) .. ':dependents')
    end
    local fields = {}
    argi = j.fields
    for f = 1, j.nfields * 2 do fields[f] = arg() end
    local last = call('XREVRANGE', 'rq:results:' .. id, '+', '-', 'COUNT', 1)
    if last[1] then receipts[i] = last[1][1] end
    call('HSET', jobkey(id), 'created_at', j.created, 'simul_client', '1', unpack(fields))
    local waits = false
    for _, other in ipairs(j.waits) do
      if not is_met(call('HGET', jobkey(other), 'status'), j.tolerant) then waits = true end
    end
    if waits then
      defer(id, j.queue)
      for _, other in ipairs(j.waits) do
        call('SADD', 'rq:job::' .. id .. ':dependencies', other)
        wait_on(id, other)
      end
    elseif j.due ~= '' then
      call('SADD', 'rq:queues', 'rq:queue:' .. j.queue)
      call('HSET', jobkey(id), 'status', 'scheduled')
      call('ZADD', 'rq:scheduled:' .. j.queue, j.due, id)
    else
      push(id, j.queue, j.front)
    end
  end
end
return receipts
)lua";

constexpr std::string_view take_text = R"lua(
local worker, limit, again, nqueues = arg(), tonumber(arg()), arg() == '1', tonumber(arg())
local queues, skip, executions, taken = {}, {}, {}, {}
for i = 1, nqueues do queues[i] = arg() end
for i = 1, tonumber(arg()) do skip[arg()] = true end
for i = 1, limit do executions[i] = arg() end
if again then
  -- The answer to the first call was lost: these executions may exist.
  local known = {}
  for _, ex in ipairs(executions) do known[ex] = true end
  for _, run in ipairs(runs_of(worker)) do
    if known[run.ex] then taken[#taken + 1] = {run.id, run.ex, run.queue, call('HGETALL', jobkey(run.id))} end
  end
  if #taken > 0 then return {'ok', unpack(taken)} end
end
if call('EXISTS', 'rq:suspended') == 1 then return {'suspended'} end
if call('EXISTS', 'simul:worker:' .. worker) == 0 then return {'unknown'} end
local skipped = false
for _, queue in ipairs(queues) do
  local list = 'rq:queue:' .. queue
  for _, id in ipairs(call('LRANGE', list, 0, limit + 99)) do
    if #taken >= limit then break end
    if skip[id] then
      skipped = true
    else
      call('LREM', list, 1, id)
      local v = call('HMGET', jobkey(id), 'data', 'status', 'origin', 'timeout')
      if v[1] and v[2] ~= 'canceled' then
        local ex = executions[#taken + 1]
        local member = id .. ':' .. ex
        local origin = queue
        if v[3] and v[3] ~= '' then origin = v[3] end
        local timeout = number_or(v[4], 180)
        local hb = 60 + (timeout > 0 and math.floor(math.min(timeout, 30)) or 30)
        local at = string.format('%.6f', now_us / 1000000)
        call('HSET', 'rq:execution:' .. member, 'id', ex, 'job_id', id, 'created_at', at, 'last_heartbeat', at,
          'worker_name', worker)
        call('EXPIRE', 'rq:execution:' .. member, hb)
        call('ZADD', 'rq:executions:' .. id, now + hb + 60, ex)
        call('EXPIRE', 'rq:executions:' .. id, hb + 60)
        call('ZADD', 'rq:wip:' .. origin, now + hb, member)
        call('SADD', 'rq:worker:' .. worker .. ':executions', member)
        call('EXPIRE', 'rq:worker:' .. worker .. ':executions', hb + 60)
        call('HSET', 'simul:running:' .. worker, member, string.format('%016.0f%04d:', now_us, #taken) .. origin)
        call('HSET', jobkey(id), 'status', 'started', 'started_at', iso(now_us), 'last_heartbeat', iso(now_us),
          'worker_name', worker, 'simul_execution', ex)
        keep_job(id)
        taken[#taken + 1] = {id, ex, origin, call('HGETALL', jobkey(id))}
      end
    end
  end
end
if #taken > 0 then show_what_runs(worker) end
local state = 'ok'
if #taken == 0 and skipped then state = 'skipped' end
return {state, unpack(taken)}
)lua";

constexpr std::string_view finish_text = R"lua(
local worker, n = arg(), tonumber(arg())
local answers = {}
for i = 1, n do
  local id, ex, success, may_retry, stopped = arg(), arg(), arg() == '1', arg() == '1', arg() == '1'
  local value, exc, started, ended, started_f, ended_f = arg(), arg(), arg(), arg(), arg(), arg()
  local mine, status, origin = is_current(id, ex, worker)
  local queue = queue_of_run(worker, id, ex) or origin or ''
  clear_execution(id, ex, queue, worker)
  if not mine then
    answers[i] = {'refused', '', ''}
  else
    if call('EXISTS', 'rq:worker:' .. worker) == 1 then
      call('HINCRBY', 'rq:worker:' .. worker, success and 'successful_job_count' or 'failed_job_count', 1)
      call('HINCRBYFLOAT', 'rq:worker:' .. worker, 'total_working_time',
        string.format('%.6f', math.max(0, tonumber(ended_f) - tonumber(started_f))))
    end
    if status ~= 'started' then
      -- Canceled while it ran: that stands.
      call('HDEL', jobkey(id), 'simul_execution')
      answers[i] = {'refused', '', ''}
    elseif not success then
      answers[i] = fail(id, queue, may_retry, exc, worker, ex, started_f, ended_f, stopped)
    else
      local ttl = seconds_or(call('HGET', jobkey(id), 'result_ttl'), 500)
      if ttl == 0 then
        call('HSET', jobkey(id), 'status', 'finished')
        release_dependents(id)
        delete_job(id)
        answers[i] = {'discarded', '', '0'}
      else
        call('HDEL', jobkey(id), 'simul_execution', 'simul_deaths')
        call('HSET', jobkey(id), 'status', 'finished', 'started_at', started, 'ended_at', ended,
          'last_heartbeat', iso(now_us))
        local fields = {'type', 1, 'worker_name', worker}
        if value ~= '' then fields[#fields + 1] = 'return_value'; fields[#fields + 1] = value end
        for _, f in ipairs({'execution_id', ex, 'execution_started_at', started_f, 'execution_ended_at', ended_f}) do
          fields[#fields + 1] = f
        end
        add_result(id, ttl, fields)
        if ttl > 0 then
          call('ZADD', 'rq:finished:' .. queue, now + ttl, id)
          expire_job(id, ttl)
        else
          call('ZADD', 'rq:finished:' .. queue, '+inf', id)
        end
        release_dependents(id)
        answers[i] = {'recorded', '', string.format('%d', ttl)}
      end
    end
  end
end
show_what_runs(worker)
return answers
)lua";

constexpr std::string_view hand_back_text = R"lua(
local worker, n = arg(), tonumber(arg())
local list, done = {}, 0
for i = 1, n do list[i] = {arg(), arg()} end
for i = n, 1, -1 do
  local id, ex = list[i][1], list[i][2]
  local mine, status, origin = is_current(id, ex, worker)
  local queue = queue_of_run(worker, id, ex) or origin or ''
  clear_execution(id, ex, queue, worker)
  if mine and status == 'started' then
    put_back(id, queue)
    done = done + 1
  end
end
show_what_runs(worker)
return done
)lua";

constexpr std::string_view register_worker_text = R"lua(
local worker, lease, nqueues = arg(), tonumber(arg()), tonumber(arg())
local queues, shown, own = {}, {}, {}
for i = 1, nqueues do queues[i] = arg() end
for i = 1, tonumber(arg()) * 2 do shown[i] = arg() end
for i = 1, tonumber(arg()) * 2 do own[i] = arg() end
local identity
for i = 1, #own, 2 do if own[i] == 'identity' then identity = own[i + 1] end end
if call('EXISTS', 'simul:worker:' .. worker) == 1 then
  if call('HGET', 'simul:worker:' .. worker, 'identity') ~= identity then
    return redis.error_reply('NAMETAKEN ' .. worker)
  end
elseif call('EXISTS', 'rq:worker:' .. worker) == 1 and call('HEXISTS', 'rq:worker:' .. worker, 'death') == 0 then
  return redis.error_reply('NAMETAKEN ' .. worker)
end
call('DEL', 'rq:worker:' .. worker)
call('HSET', 'rq:worker:' .. worker, 'birth', iso(now_us), 'last_heartbeat', iso(now_us), 'state', 'started',
  unpack(shown))
call('EXPIRE', 'rq:worker:' .. worker, 480)
call('SADD', 'rq:workers', 'rq:worker:' .. worker)
call('DEL', 'simul:queues:' .. worker)
for _, q in ipairs(queues) do
  call('SADD', 'rq:workers:' .. q, 'rq:worker:' .. worker)
  call('RPUSH', 'simul:queues:' .. worker, q)
end
local lease_until = now_us + lease * 1000000
call('HSET', 'simul:worker:' .. worker, 'birth', whole(now_us), 'last_heartbeat', whole(now_us), 'lease_until',
  whole(lease_until), 'state', 'started', unpack(own))
call('ZADD', 'simul:workers', lease_until / 1000000, worker)
return 'ok'
)lua";

constexpr std::string_view unregister_worker_text = R"lua(
local worker = arg()
local runs = runs_of(worker)
for i = #runs, 1, -1 do
  local run = runs[i]
  local mine, status = is_current(run.id, run.ex, worker)
  clear_execution(run.id, run.ex, run.queue, worker)
  if mine and status == 'started' then put_back(run.id, run.queue) end
end
forget_worker(worker)
return 'ok'
)lua";

constexpr std::string_view heartbeat_text = R"lua(
local worker, lease, rq, state, host, overdue = arg(), tonumber(arg()), arg() == '1', arg(), arg(), tonumber(arg())
local stopping = arg() == '1'
local own = 'simul:worker:' .. worker
local suspended = call('EXISTS', 'rq:suspended')
local known = call('EXISTS', own)
if known == 1 then
  local lease_until = now_us + lease * 1000000
  call('HSET', own, 'last_heartbeat', whole(now_us), 'lease_until', whole(lease_until), 'state', state)
  call('ZADD', 'simul:workers', lease_until / 1000000, worker)
  local shown = 'rq:worker:' .. worker
  if stopping and call('EXISTS', shown) == 1 and call('HEXISTS', shown, 'shutdown_requested_date') == 0 then
    call('HSET', shown, 'shutdown_requested_date', iso(now_us))
  end
  if rq then
    local key = 'rq:worker:' .. worker
    local busy = call('HLEN', 'simul:running:' .. worker) > 0
    if call('EXISTS', key) == 0 then
      local v = call('HMGET', own, 'birth', 'pid', 'host', 'version')
      call('HSET', key, 'birth', iso(tonumber(v[1])), 'queues',
        table.concat(call('LRANGE', 'simul:queues:' .. worker, 0, -1), ','), 'pid', v[2], 'hostname', v[3],
        'ip_address', 'unknown', 'version', v[4], 'python_version', v[4])
      call('SADD', 'rq:workers', key)
      for _, q in ipairs(call('LRANGE', 'simul:queues:' .. worker, 0, -1)) do call('SADD', 'rq:workers:' .. q, key) end
    end
    call('HSET', key, 'last_heartbeat', iso(now_us), 'state', busy and 'busy' or state)
    call('EXPIRE', key, busy and 90 or 480)
    call('EXPIRE', key .. ':executions', 480)
    local at = string.format('%.6f', now_us / 1000000)
    for _, run in ipairs(runs_of(worker)) do
      local id, ex, queue, member = run.id, run.ex, run.queue, run.id .. ':' .. run.ex
      if call('EXISTS', jobkey(id)) == 1 then
        call('HSET', 'rq:execution:' .. member, 'id', ex, 'job_id', id, 'last_heartbeat', at, 'worker_name', worker)
        if call('HEXISTS', 'rq:execution:' .. member, 'created_at') == 0 then
          call('HSET', 'rq:execution:' .. member, 'created_at', at)
        end
        call('EXPIRE', 'rq:execution:' .. member, 90)
        call('ZADD', 'rq:wip:' .. queue, 'XX', now + 90, member)
        call('ZADD', 'rq:executions:' .. id, now + 150, ex)
        call('EXPIRE', 'rq:executions:' .. id, 150)
        call('HSET', jobkey(id), 'last_heartbeat', iso(now_us))
      end
    end
  end
end
local peers, due = {}, ''
for _, q in ipairs(call('LRANGE', 'simul:queues:' .. worker, 0, -1)) do
  local first = call('ZRANGE', 'rq:scheduled:' .. q, 0, 0, 'WITHSCORES')
  if first[2] and (due == '' or tonumber(first[2]) * 1000000 < tonumber(due)) then
    due = whole(tonumber(first[2]) * 1000000)
  end
end
-- Only those that may be dead: all of them on this host, elsewhere who missed a heartbeat.
for _, name in ipairs(call('ZRANGE', 'simul:workers', 0, -1)) do
  if name ~= worker then
    local v = call('HMGET', 'simul:worker:' .. name, 'host', 'last_heartbeat')
    if not v[2] then
      call('ZREM', 'simul:workers', name)
    elseif v[1] == host or now_us - tonumber(v[2]) > overdue then
      peers[#peers + 1] = {name, call('HGETALL', 'simul:worker:' .. name)}
    end
  end
end
return {known, suspended, whole(now_us), due, peers}
)lua";

constexpr std::string_view recover_text = R"lua(
local worker, seen, evidence, deaths_max, rerun, poison, abandoned =
  arg(), arg(), arg(), tonumber(arg()), arg() == '1', arg(), arg()
local v = call('HMGET', 'simul:worker:' .. worker, 'last_heartbeat', 'lease_until')
if not v[1] or v[1] ~= seen then return {0, {}, {}} end
if evidence == 'lease' and tonumber(v[2]) > now_us then return {0, {}, {}} end
local requeued, failed = {}, {}
local runs = runs_of(worker)
for i = #runs, 1, -1 do  -- the last one first: each goes to the head
  local id, ex, queue = runs[i].id, runs[i].ex, runs[i].queue
  local mine, status = is_current(id, ex, worker)
  clear_execution(id, ex, queue, worker)
  if mine and status == 'started' then
    local deaths = call('HINCRBY', jobkey(id), 'simul_deaths', 1)
    local from_rq = call('HEXISTS', jobkey(id), 'simul_client') == 0
    local kind
    if from_rq and not rerun then
      kind = fail(id, queue, true, abandoned, '', ex, '', '')[1]
    elseif deaths >= deaths_max then
      kind = fail(id, queue, false, poison, worker, ex, '', '')[1]
    else
      put_back(id, queue)
      kind = 'requeued'
    end
    if kind == 'requeued' or kind == 'scheduled' then
      requeued[#requeued + 1] = id
    else
      failed[#failed + 1] = id
    end
  end
end
forget_worker(worker)
return {1, requeued, failed}
)lua";

constexpr std::string_view maintain_text = R"lua(
local cleanup, abandoned_exc, stuck_exc, nqueues = arg() == '1', arg(), arg(), tonumber(arg())
local due_ids, abandoned, expired, next_due = {}, {}, 0, ''
for i = 1, nqueues do
  local queue = arg()
  -- A scheduler of RQ that holds the lock does this step itself, and does not see ours.
  if call('EXISTS', 'rq:scheduler-lock:' .. queue) == 0 then
    local scheduled = 'rq:scheduled:' .. queue
    for _, id in ipairs(call('ZRANGEBYSCORE', scheduled, 0, now, 'LIMIT', 0, 500)) do
      call('ZREM', scheduled, id)
      local v = call('HMGET', jobkey(id), 'data', 'enqueue_at_front', 'enqueue_at_front_on_retry', 'ended_at', 'status')
      if v[1] and v[5] ~= 'canceled' then
        local again = v[4] and v[4] ~= ''
        push(id, queue, (again and v[3] == '1') or (not again and v[2] == '1'))
        due_ids[#due_ids + 1] = id
      end
    end
    local first = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
    if first[2] and (next_due == '' or tonumber(first[2]) * 1000000 < tonumber(next_due)) then
      next_due = whole(tonumber(first[2]) * 1000000)
    end
  end
  if cleanup then
    for _, registry in ipairs({'finished', 'failed'}) do
      local key = 'rq:' .. registry .. ':' .. queue
      for _, id in ipairs(call('ZRANGEBYSCORE', key, 0, now, 'LIMIT', 0, 500)) do
        call('ZREM', key, id)
        expired = expired + 1
        -- The server has expired the record itself, unless a test moved the clock.
        local status = call('HGET', jobkey(id), 'status')
        if status == registry or (registry == 'failed' and status == 'stopped') then delete_job(id) end
      end
    end
    local wip = 'rq:wip:' .. queue
    for _, member in ipairs(call('ZRANGEBYSCORE', wip, 0, now, 'LIMIT', 0, 500)) do
      local id, ex = string.match(member, '^(.*):(.*)$')
      if not id then id, ex = member, '' end
      local v = call('HMGET', jobkey(id), 'status', 'simul_execution', 'worker_name')
      -- simul's own runs are recovered by their lease, never by this score.
      if not (v[1] == 'started' and v[2] and v[2] == ex) then
        call('ZREM', wip, member)
        if ex ~= '' then
          call('DEL', 'rq:execution:' .. member)
          call('ZREM', 'rq:executions:' .. id, ex)
        end
        if v[1] == 'started' and not v[2] then
          fail(id, queue, true, abandoned_exc, '', ex, '', '')
          abandoned[#abandoned + 1] = id
        end
      elseif call('HEXISTS', 'simul:running:' .. (v[3] or ''), member) == 1 then
        call('ZADD', wip, 'XX', now + 90, member)
      end
    end
    local list = 'rq:queue:' .. queue .. ':intermediate'
    for _, id in ipairs(call('LRANGE', list, 0, 99)) do
      local v = call('HMGET', jobkey(id), 'data', 'status')
      if not v[1] or (v[2] ~= 'queued' and v[2] ~= 'started') then
        call('LREM', list, 1, id)
      elseif v[2] == 'queued' then
        local seen = list .. ':first_seen:' .. id
        if not call('SET', seen, string.format('%.6f', now_us / 1000000), 'EX', 86400, 'NX') then
          if now_us / 1000000 - number_or(call('GET', seen), now_us / 1000000) > 60 then
            fail(id, queue, false, stuck_exc, '', '', '', '')
            call('LREM', list, 1, id)
            call('DEL', seen)
            abandoned[#abandoned + 1] = id
          end
        end
      end
    end
    -- Dependencies met, but the worker of RQ that saw it did not come to the second of its two steps.
    for _, id in ipairs(call('ZRANGE', 'rq:ready:' .. queue, 0, 499)) do
      call('ZREM', 'rq:ready:' .. queue, id)
      local v = call('HMGET', jobkey(id), 'status', 'enqueue_at_front')
      if v[1] == 'ready_to_enqueue' then push(id, queue, v[2] == '1') end
    end
    -- Deferred jobs that nobody will release: some each time. Those of the last minute may be half registered by RQ.
    local looks, lately = 1000, iso(now_us - 60000000)
    for _, id in ipairs(call('ZRANDMEMBER', 'rq:deferred:' .. queue, 100)) do
      local v = call('HMGET', jobkey(id), 'status', 'allow_dependency_failures', 'enqueue_at_front', 'simul_client',
        'created_at')
      if looks > 0 and (v[5] or '') <= lately then
        local tolerant, others, gone, waits = v[2] == '1', {}, false, false
        if v[1] == 'deferred' then
          others = waits_for(id)
        else
          call('ZREM', 'rq:deferred:' .. queue, id)  -- its record has expired
        end
        for _, other in ipairs(others) do
          looks = looks - 1
          local status = call('HGET', jobkey(other), 'status')
          if not status then gone = true end
          if not is_met(status, tolerant) then waits = true; break end
        end
        if #others > 0 and not waits then
          if not gone then
            release({id = id, queue = queue, front = v[3] == '1'})
          elseif v[4] then
            -- What it waited for expired or was deleted without having met it. RQ's own jobs stay, as in RQ.
            cancel_one(id, queue)
          end
        end
      end
    end
    for _, key in ipairs(call('SMEMBERS', 'rq:workers:' .. queue)) do
      if call('EXISTS', key) == 0 then
        call('SREM', 'rq:workers:' .. queue, key)
        call('SREM', 'rq:workers', key)
      end
    end
  end
end
return {due_ids, expired, abandoned, next_due}
)lua";

constexpr std::string_view cancel_text = R"lua(
local id, enqueue_dependents = arg(), arg() == '1'
local v = call('HMGET', jobkey(id), 'status', 'origin', 'data')
if not v[3] then return redis.error_reply('NOJOB ' .. id) end
local status, queue = v[1] or 'created', v[2] or ''
if status ~= 'canceled' or not enqueue_dependents then
  if status == 'canceled' or status == 'finished' or status == 'failed' or status == 'stopped' then
    return redis.error_reply('WRONGSTATE ' .. id .. ' ' .. status)
  end
  cancel_one(id, queue)
end
if enqueue_dependents then
  for _, d in ipairs(deferred_on(id)) do
    call('SREM', 'rq:job::' .. d.id .. ':dependencies', id)
    call('SREM', jobkey(id) .. ':dependents', d.id)
    if all_met(d.id, d.tolerant) then release(d) end
  end
end
return 'ok'
)lua";

constexpr std::string_view stop_text = R"lua(
local id, quoted = arg(), arg()
local v = call('HMGET', jobkey(id), 'status', 'data', 'worker_name', 'simul_execution')
if not v[2] then return redis.error_reply('NOJOB ' .. id) end
if v[1] ~= 'started' then return redis.error_reply('WRONGSTATE ' .. id .. ' ' .. (v[1] or 'created')) end
local worker, ex = v[3] or '', v[4] or ''
if worker == '' then return {0, ''} end
local text = '{"command": "stop-job", "job_id": ' .. quoted .. '}'
-- A worker of simul is told the run, too. RQ before 2.8 knows no other word than stop-job.
if ex ~= '' and call('EXISTS', 'simul:worker:' .. worker) == 1 then
  text = '{"command": "stop-execution", "job_id": ' .. quoted .. ', "execution_id": ' .. cjson.encode(ex) .. '}'
end
return {call('PUBLISH', 'rq:pubsub:' .. worker, text), worker}
)lua";

constexpr std::string_view requeue_text = R"lua(
local id, walk_max = arg(), tonumber(arg())
local v = call('HMGET', jobkey(id), 'status', 'origin', 'data', 'enqueued_at', 'allow_dependency_failures')
if not v[3] then return redis.error_reply('NOJOB ' .. id) end
local status, queue = v[1] or 'created', v[2] or ''
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then
  return redis.error_reply('WRONGSTATE ' .. id .. ' ' .. status)
end
local waits = status == 'canceled' and (v[4] or '') == '' and not all_met(id, v[5] == '1')
if waits then
  -- What it waits for may have come to wait for it while it was canceled.
  local cycle = find_cycle(id, walk_max, function(at)
    if at == id or call('HGET', jobkey(at), 'status') == 'deferred' then return waits_for(at) end
    return {}
  end)
  if cycle then return cycle end
end
if waits then
  call('ZREM', 'rq:canceled:' .. queue, id)
  call('HDEL', jobkey(id), 'simul_deaths', 'simul_execution')
  call('HSET', jobkey(id), 'started_at', '', 'ended_at', '')
  keep_job(id)
  defer(id, queue)
  for _, other in ipairs(waits_for(id)) do wait_on(id, other) end
else
  put_again(id, queue)
end
return 'ok'
)lua";

constexpr std::string_view remove_text = R"lua(
local id = arg()
local v = call('HMGET', jobkey(id), 'origin', 'data')
if not v[2] then return redis.error_reply('NOJOB ' .. id) end
local queue = v[1] or ''
call('LREM', 'rq:queue:' .. queue, 0, id)
for _, registry in ipairs({'finished', 'failed', 'deferred', 'scheduled', 'canceled', 'ready'}) do
  call('ZREM', 'rq:' .. registry .. ':' .. queue, id)
end
for _, ex in ipairs(call('ZRANGE', 'rq:executions:' .. id, 0, -1)) do call('ZREM', 'rq:wip:' .. queue, id .. ':' .. ex) end
delete_job(id)
return 'ok'
)lua";

constexpr std::string_view dependents_text = R"lua(
local id, limit = arg(), tonumber(arg())
local ids = {}
for _, d in ipairs(call('SMEMBERS', jobkey(id) .. ':dependents')) do
  if #ids >= limit then break end
  if call('HGET', jobkey(d), 'status') == 'deferred' then ids[#ids + 1] = d end
end
return ids
)lua";

constexpr std::string_view overview_text = R"lua(
local queues, workers = {}, {}
local names = call('SMEMBERS', 'rq:queues')
table.sort(names)
for _, key in ipairs(names) do
  local q = string.sub(key, 10)
  local function live(registry)
    return call('ZCARD', 'rq:' .. registry .. ':' .. q) - call('ZCOUNT', 'rq:' .. registry .. ':' .. q, 0, now)
  end
  queues[#queues + 1] = {q, call('LLEN', key), call('ZCARD', 'rq:wip:' .. q), live('finished'), live('failed'),
    call('ZCARD', 'rq:deferred:' .. q), call('ZCARD', 'rq:scheduled:' .. q), call('ZCARD', 'rq:canceled:' .. q)}
end
local keys = call('SMEMBERS', 'rq:workers')
table.sort(keys)
for _, key in ipairs(keys) do
  local name = string.sub(key, 11)
  if call('EXISTS', key) == 1 then
    workers[#workers + 1] = {name, call('HGETALL', key), call('HGETALL', 'simul:worker:' .. name),
      call('SMEMBERS', key .. ':executions')}
  end
end
return {whole(now_us), call('PTTL', 'rq:suspended'), queues, workers}
)lua";

// How many are left of those that waited at the first piece: jobs that come meanwhile do not prolong it.
constexpr std::string_view empty_text = R"lua(
local queue, from, limit = arg(), arg(), tonumber(arg())
local list = 'rq:queue:' .. queue
local left = from == '' and call('LLEN', list) or tonumber(from)
local done = 0
for _ = 1, math.min(left, limit) do
  local id = call('LPOP', list)
  if not id then return {done, ''} end
  left = left - 1
  local v = call('HMGET', jobkey(id), 'data', 'status')
  -- RQ may name an id twice, or leave it behind: a job that runs, has ended or waits elsewhere keeps its record.
  if v[2] ~= 'started' and v[2] ~= 'finished' and v[2] ~= 'failed' and v[2] ~= 'stopped' and v[2] ~= 'canceled' and
      v[2] ~= 'scheduled' and v[2] ~= 'deferred' then
    if v[1] then done = done + 1 end
    call('ZREM', 'rq:finished:' .. queue, id)
    delete_job(id)
  end
end
return {done, left > 0 and whole(left) or ''}
)lua";

// The place is CUTOFF:OFFSET:LEFT. What ended after the cutoff has failed again, and is passed over.
constexpr std::string_view requeue_failed_text = R"lua(
local queue, from, limit = arg(), arg(), tonumber(arg())
local registry = 'rq:failed:' .. queue
local cutoff, offset, left = string.match(from, '^(%d+):(%d+):(%d+)$')
cutoff, offset, left = tonumber(cutoff or now_us), tonumber(offset or 0), tonumber(left or call('ZCARD', registry))
local done = 0
local ids = call('ZRANGE', registry, offset, offset + limit - 1)
for _, id in ipairs(ids) do
  if left == 0 then break end
  local v = call('HMGET', jobkey(id), 'status', 'data', 'ended_at')
  if not v[2] then
    call('ZREM', registry, id)  -- its record has expired
    left = left - 1
  elseif (v[1] ~= 'failed' and v[1] ~= 'stopped') or (v[3] and v[3] ~= '' and v[3] > iso(cutoff)) then
    offset = offset + 1
  else
    put_again(id, queue)
    done, left = done + 1, left - 1
  end
end
if #ids < limit or left == 0 then return {done, ''} end
return {done, whole(cutoff) .. ':' .. whole(offset) .. ':' .. whole(left)}
)lua";

struct entry {
    std::string_view name;
    std::string_view body;
};
constexpr std::array<entry, redis_script_count> entries{{{"enqueue", enqueue_text},
                                                         {"take", take_text},
                                                         {"finish", finish_text},
                                                         {"hand_back", hand_back_text},
                                                         {"register_worker", register_worker_text},
                                                         {"unregister_worker", unregister_worker_text},
                                                         {"heartbeat", heartbeat_text},
                                                         {"recover", recover_text},
                                                         {"maintain", maintain_text},
                                                         {"cancel", cancel_text},
                                                         {"stop", stop_text},
                                                         {"requeue", requeue_text},
                                                         {"remove", remove_text},
                                                         {"dependents", dependents_text},
                                                         {"overview", overview_text},
                                                         {"empty", empty_text},
                                                         {"requeue_failed", requeue_failed_text}}};

}  // namespace

const std::string& text_of(redis_script s) {
    static const auto texts = [] {
        std::array<std::string, redis_script_count> all;
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = std::string(prelude) + std::string(entries[i].body);
        return all;
    }();
    return texts[static_cast<std::size_t>(s)];
}

std::string_view name_of(redis_script s) { return entries[static_cast<std::size_t>(s)].name; }

}  // namespace simul::detail
