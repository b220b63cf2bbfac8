#include "supervisor/redis/scripts/scripts.h"

namespace emprops::redis {
namespace {

/// KEYS[1] is the job, KEYS[2] the worker's active jobs (where they are touched), ARGV: worker, token, job.
constexpr const char* fence = R"lua(
local v = redis.call('HMGET', KEYS[1], 'worker_id', 'assigned_at', 'status', 'error', 'last_claim')
local function lost()
  if not v[3] then return 'unknown' end
  if v[3] == 'pending' then return v[5] == ARGV[2] and 'done' or 'pending' end
  local mine = v[1] == ARGV[1] and v[2] == ARGV[2]
  if v[3] == 'assigned' or v[3] == 'in_progress' then
    if mine then return nil end
    return 'claimed_by_other'
  end
  if v[3] == 'failed' and v[4] and v[4] ~= '' then return 'cancelled' end
  if mine then return 'ended' end
  return v[3]
end
local why = lost()
)lua";

/// Of a script that ends the claim: the entry of the worker goes, unless it is that of a newer claim of its own. `wanted`:
/// the status by which its own work is known again.
std::string end_fence(const char* wanted) {
    return std::string(fence) + R"lua(
if why then
  if not (v[1] == ARGV[1] and v[2] ~= ARGV[2]) then redis.call('HDEL', KEYS[2], ARGV[3]) end
  if why == 'ended' then return v[3] == ')lua" +
           wanted + R"lua(' and 'done' or v[3] end
  return why
end
)lua";
}

constexpr const char* keep_for = R"lua(
local function keep(seconds, ...)
  if tonumber(seconds) > 0 then
    for _, key in ipairs({...}) do redis.call('EXPIRE', key, seconds) end
  end
end
)lua";

}  // namespace

const Script& claim_script() {
    static const Script script{"claim", R"lua(
local status = redis.call('HGET', KEYS[2], 'status')
if not status then return {'gone'} end
if status ~= 'pending' then return {'not_pending', status} end
local pairs_before = redis.call('HGETALL', KEYS[2])
local now = redis.call('TIME')
local token = now[1] .. '.' .. now[2]
local record = {}
for i = 1, #pairs_before, 2 do record[pairs_before[i]] = pairs_before[i + 1] end
for _, name in ipairs({'priority', 'retry_count', 'max_retries'}) do
  local number = tonumber(record[name])
  if number and number == number and number < 1e18 and number > -1e18 then record[name] = number end
end
record.status = 'assigned'
record.worker_id = ARGV[2]
record.assigned_at = ARGV[4]
record.claimed_by = ARGV[3]
-- What can fail comes first: nothing is taken back here.
local active = cjson.encode(record)
local claimed = cjson.encode({
  job_id = ARGV[1], worker_id = ARGV[2], status = 'claimed', message = 'Job claimed by worker', claimed_at = token,
  timestamp = tonumber(ARGV[5]), service_required = record.service_required or '',
  customer_id = record.customer_id or '', workflow_id = record.workflow_id or '',
  total_steps = record.total_steps or ''})
local progress = cjson.encode({job_id = ARGV[1], worker_id = ARGV[2], progress = 0, timestamp = tonumber(ARGV[5])})
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == false then return {'away'} end
redis.call('HSET', KEYS[3], ARGV[1], active)
redis.call('HSET', KEYS[2], 'status', 'assigned', 'worker_id', ARGV[2], 'assigned_at', token, 'retaken_from', ARGV[6])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.pcall('HSET', KEYS[4], 'status', 'busy', 'current_job_id', ARGV[1], 'last_status_change', token)
redis.pcall('PUBLISH', 'job_claimed', claimed)
redis.pcall('PUBLISH', 'update_job_progress', progress)
redis.pcall('XADD', KEYS[5], '*', 'job_id', ARGV[1], 'worker_id', ARGV[2], 'status', 'assigned', 'progress', '0',
  'message', 'Job assigned to worker', 'assigned_at', token)
local answer = {'taken', token}
for i = 1, #pairs_before do answer[i + 2] = pairs_before[i] end
return answer
)lua"};
    return script;
}

const Script& start_script() {
    static const Script script{"start", std::string(fence) + R"lua(
if why then return why end
redis.call('HSET', KEYS[1], 'status', 'in_progress', 'started_at', ARGV[3])
return 'done'
)lua"};
    return script;
}

const Script& progress_script() {
    static const Script script{"progress", std::string(fence) + R"lua(
if why then return why end
redis.call('HSET', KEYS[2], 'progress', ARGV[3], 'status', ARGV[4], 'message', ARGV[5], 'updated_at', ARGV[6])
redis.call('PUBLISH', 'update_job_progress', ARGV[7])
return 'done'
)lua"};
    return script;
}

const Script& complete_script() {
    static const Script script{"complete", end_fence("completed") + keep_for + R"lua(
-- The status comes last: by it a repeat knows that all is done.
redis.call('SET', KEYS[4], ARGV[6], 'EX', 604800)
redis.call('HSET', KEYS[3], ARGV[3], ARGV[5])
redis.call('EXPIRE', KEYS[3], 86400)
redis.call('HDEL', KEYS[2], ARGV[3])
redis.call('PUBLISH', 'complete_job', ARGV[7])
redis.call('HSET', KEYS[1], 'status', 'completed', 'completed_at', ARGV[4])
keep(ARGV[8], KEYS[1], KEYS[5], KEYS[6])
return 'done'
)lua"};
    return script;
}

const Script& fail_script() {
    static const Script script{"fail", end_fence("failed") + keep_for + R"lua(
redis.call('SET', KEYS[4], ARGV[6], 'EX', 604800)
redis.call('SET', KEYS[7], ARGV[6], 'EX', 604800)
redis.call('HSET', KEYS[3], ARGV[3], ARGV[5])
redis.call('EXPIRE', KEYS[3], 604800)
redis.call('HDEL', KEYS[2], ARGV[3])
redis.call('PUBLISH', 'job_failed', ARGV[7])
redis.call('HSET', KEYS[1], 'status', 'failed', 'failed_at', ARGV[4], 'retry_count', ARGV[8],
  'last_failed_worker', ARGV[1])
keep(ARGV[9], KEYS[1], KEYS[5], KEYS[6])
return 'done'
)lua"};
    return script;
}

const Script& release_script() {
    static const Script script{"release", end_fence("pending") + R"lua(
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[3])
redis.call('HSET', KEYS[1], 'status', 'pending', 'worker_id', '', 'assigned_at', '', 'last_claim', ARGV[2])
if ARGV[6] == '' then
  redis.call('HSET', KEYS[1], 'started_at', '')
else
  redis.call('HSET', KEYS[1], 'retry_count', ARGV[6], 'last_failed_worker', ARGV[1], 'failed_at', ARGV[4])
  redis.call('SET', KEYS[4], ARGV[7], 'EX', 604800)
end
redis.call('HDEL', KEYS[2], ARGV[3])
return 'done'
)lua"};
    return script;
}

const Script& cancel_script() {
    static const Script script{"cancel", R"lua(
local v = redis.call('HMGET', KEYS[1], 'status', 'worker_id')
if not v[1] then return 'unknown' end
if v[1] ~= 'pending' and v[1] ~= 'assigned' and v[1] ~= 'in_progress' then return v[1] end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('EXPIRE', KEYS[3], 604800)
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'status', 'failed', 'failed_at', ARGV[2], 'error', ARGV[3])
redis.pcall('PUBLISH', 'cancel_job', cjson.encode({
  job_id = ARGV[1], worker_id = v[2] or '', reason = ARGV[5], timestamp = tonumber(ARGV[6])}))
return 'done'
)lua"};
    return script;
}

const Script& reap_script() {
    static const Script script{"reap", R"lua(
if redis.call('EXISTS', KEYS[4]) == 1 then return 'alive' end
local v = redis.call('HMGET', KEYS[1], 'worker_id', 'assigned_at', 'status')
if v[1] ~= ARGV[1] or v[2] ~= ARGV[2] or (v[3] ~= 'assigned' and v[3] ~= 'in_progress') then return 'alive' end
local deaths = (tonumber(redis.call('HGET', KEYS[1], 'worker_deaths') or '0') or 0) + 1
if deaths >= tonumber(ARGV[7]) then
  redis.call('SET', KEYS[6], ARGV[9], 'EX', 604800)
  redis.call('HSET', KEYS[5], ARGV[3], ARGV[8])
  redis.call('EXPIRE', KEYS[5], 604800)
  redis.call('HDEL', KEYS[2], ARGV[3])
  redis.call('PUBLISH', 'job_failed', ARGV[10])
  redis.call('HSET', KEYS[1], 'status', 'failed', 'failed_at', ARGV[4], 'retry_count', ARGV[6],
    'last_failed_worker', ARGV[1], 'worker_deaths', deaths)
  return 'poison'
end
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[3])
redis.call('HSET', KEYS[1], 'status', 'pending', 'worker_id', '', 'assigned_at', '', 'retry_count', ARGV[6],
  'last_failed_worker', ARGV[1], 'worker_deaths', deaths)
redis.call('HDEL', KEYS[2], ARGV[3])
return 'back'
)lua"};
    return script;
}

const Script& forget_script() {
    static const Script script{"forget", R"lua(
local v = redis.call('HMGET', KEYS[1], 'worker_id', 'status')
if v[1] == ARGV[1] and (v[2] == 'assigned' or v[2] == 'in_progress') then return 'held' end
redis.call('HDEL', KEYS[2], ARGV[2])
return 'done'
)lua"};
    return script;
}

Command call_of(const std::string& sha, const std::vector<std::string>& keys,
                const std::vector<std::string>& arguments) {
    Command command{"EVALSHA", sha, std::to_string(keys.size())};
    command.insert(command.end(), keys.begin(), keys.end());
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

}  // namespace emprops::redis
