"""The queue's atomic steps in Redis, in Lua. KEYS and ARGV are named above each script.

An entry of a stream has the fields ``job``, ``tenant`` and ``holder`` (JSON: tenant and owner), in this order. The
hash ``open`` of a stream counts its entries by holder.
"""

# KEYS: stream, job, open. ARGV: job, tenant, holder. Idempotent: a job that is still queued is not queued twice.
ENQUEUE = """
local entry = redis.call('HGET', KEYS[2], 'entry')
if entry then
  local stream = redis.call('HGET', KEYS[2], 'stream')
  if #redis.call('XRANGE', stream, entry, entry) > 0 then return 0 end
end
local id = redis.call('XADD', KEYS[1], '*', 'job', ARGV[1], 'tenant', ARGV[2], 'holder', ARGV[3])
redis.call('HINCRBY', KEYS[3], ARGV[3], 1)
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'entry', id, 'stream', KEYS[1], 'state', 'queued')
return 1
"""

# KEYS: stream to take from, its open, served, all streams. ARGV: group, consumer, lease in ms, guest.
# Next is the tenant with the fewest running jobs, then that tenant's holder with the fewest; among equals, the one
# served longest ago. ``guest``: empty, or 'tenant' or 'holder' to serve only one without a running job.
# Returns entry and job.
TAKE = """
local group, lease_ms, guest = ARGV[1], tonumber(ARGV[3]), ARGV[4]
local in_hand, waiting, is_held = {}, {}, {}
for i = 4, #KEYS do
  for _, pending in ipairs(redis.call('XPENDING', KEYS[i], group, '-', '+', 1000)) do
    local entry = redis.call('XRANGE', KEYS[i], pending[1], pending[1])[1]
    if entry and pending[3] < lease_ms then
      local tenant, holder = entry[2][4], entry[2][6]
      in_hand['t' .. tenant] = (in_hand['t' .. tenant] or 0) + 1
      in_hand['h' .. holder] = (in_hand['h' .. holder] or 0) + 1
      if KEYS[i] == KEYS[1] then
        waiting[holder] = (waiting[holder] or 0) - 1
        is_held[pending[1]] = true
      end
    end
  end
end
local open = redis.call('HGETALL', KEYS[2])
local best, best_rank
for i = 1, #open, 2 do
  local holder = open[i]
  if (waiting[holder] or 0) + tonumber(open[i + 1]) > 0 then
    local tenant = cjson.decode(holder)[1]
    local of_tenant, of_holder = in_hand['t' .. tenant] or 0, in_hand['h' .. holder] or 0
    if guest == '' or (guest == 'tenant' and of_tenant == 0) or (guest == 'holder' and of_holder == 0) then
      local rank = {
        of_tenant, tonumber(redis.call('ZSCORE', KEYS[3], 't' .. tenant) or 0),
        of_holder, tonumber(redis.call('ZSCORE', KEYS[3], 'h' .. holder) or 0),
      }
      local is_better = not best
      if best then
        for place = 1, 4 do
          if rank[place] ~= best_rank[place] then
            is_better = rank[place] < best_rank[place]
            break
          end
        end
      end
      if is_better then best, best_rank = holder, rank end
    end
  end
end
if not best then return nil end
local from = '-'
while true do
  local page = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 100)
  if #page == 0 then return nil end
  for _, entry in ipairs(page) do
    if entry[2][6] == best and not is_held[entry[1]] then
      redis.call('XCLAIM', KEYS[1], group, ARGV[2], 0, entry[1], 'FORCE', 'JUSTID')
      local turn = tonumber(redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2] or 0) + 1
      redis.call('ZADD', KEYS[3], turn, 't' .. entry[2][4], turn, 'h' .. best)
      redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -10001)
      return {entry[1], entry[2][2]}
    end
    from = '(' .. entry[1]
  end
end
"""

# KEYS: stream. ARGV: group, consumer, entry. 1 renewed, 0 another worker has it, -1 the entry is gone (Redis lost it).
RENEW = """
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if #pending == 0 then
  if #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) == 0 then return -1 end
  return 0
end
if pending[1][2] ~= ARGV[2] then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
return 1
"""

# KEYS: stream, job, open. ARGV: group, entry.
DONE = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if entry and redis.call('HINCRBY', KEYS[3], entry[2][6], -1) < 1 then redis.call('HDEL', KEYS[3], entry[2][6]) end
if redis.call('HGET', KEYS[2], 'entry') == ARGV[2] then redis.call('DEL', KEYS[2]) end
return 1
"""

# KEYS: stream, job. ARGV: group, entry. Requeues the entry at the end of its stream, free at once. An entry
# that Redis lost is queued again from disk.
HAND_BACK = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if not entry then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
local id = redis.call('XADD', KEYS[1], '*', unpack(entry[2]))
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'entry', id, 'stream', KEYS[1], 'state', 'queued')
return 1
"""

# KEYS: job. ARGV: entry, then names and values.
PROGRESS = """
if redis.call('HGET', KEYS[1], 'entry') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""

# Redis measures leases and key lifetimes by the wall clock. If the clock is set back, earlier times lie in the
# future: entries then show no idle time, and keys live too long.
# KEYS: stream. ARGV: group.
FUTURE = """
local found = {}
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000)) do
  if entry[3] == 0 then found[#found + 1] = entry[1] end
end
return found
"""
# KEYS: stream. ARGV: group, entries.
REDATE = """
for i = 2, #ARGV do
  local entry = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if entry and entry[3] == 0 then redis.call('XCLAIM', KEYS[1], ARGV[1], entry[2], 0, ARGV[i], 'JUSTID') end
end
return 1
"""
