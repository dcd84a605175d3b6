/** The keys of a room. Its name stands in braces, so that a cluster of servers keeps them together. */
export function keysOf(room: string) {
  const key = (name: string) => `summoner:{${room}}:${name}`;
  return {
    /** The stream. */
    log: key("log"),
    /** For each life of a node: the number of its last entry, and its lines up to there. And who began the stream, and its bytes. */
    heads: key("heads"),
    /** Entries of the stream with the bytes up to them, for trimming it. */
    marks: key("marks"),
    /** For each node: the time it was last heard of, its life, and what it says of itself. */
    nodes: key("nodes"),
    /** Quarantines in force, by key: their reasons, and the times at which they end. */
    bars: key("bars"),
    barEnds: key("bar-ends"),
  };
}

export type Keys = ReturnType<typeof keysOf>;

/** Milliseconds of silence after which a node counts as gone. */
export const SILENCE_MS = 3000;
/** Milliseconds for which all senders wait for a node that lags without a break. */
export const PATIENCE_MS = 30_000;
/** Milliseconds for which a node that is gone is shown. */
export const SHOWN_MS = 3_600_000;
/** Milliseconds after which a room without nodes is forgotten. */
const FORGOTTEN_MS = 24 * 3_600_000;
/** The most lives whose heads are kept after their nodes are gone: what others have missed of them is known by these. */
const MOST_HEADS = 2000;
/** The head of a life that its node has given up. */
const GIVEN_UP = "999999999999999 0 -";
/** The most quarantines that are kept for nodes that join later. */
const MOST_BARS = 100_000;

/** Answers of the script in place of an id: the entry is there already; the node has to join first; its name is taken. */
export const HAD = "had";
export const UNKNOWN = "unknown";
export const TAKEN = "taken";

/**
 * All that a node does to its room but reading. Numbered entries are taken only
 * in the order of their numbers, each once, so that an append whose answer was
 * lost can be repeated. The first argument says what is done, the second the
 * node's life:
 *
 * - `add` kind number before lines keep text [what a quarantine needs]: an entry
 * - `join` name info number lines last strict left: makes the node known, with the number and lines
 *   of its last entry that has come back; answers all that it has to know. `last` is the entry that
 *   it read last: its id, life and number. `left` are the lives that it has given up
 * - `beat` name info: a sign of life; as an entry too, with the numbers of the last one.
 *   Answers the name, which may have been given to another node meanwhile
 * - `leave` name info number lines "" "" left
 *
 * A stream that is gone takes the numbers of all nodes with it: whatever had not
 * come back is then sent again.
 */
export const SCRIPT = `
local log, heads, marks, nodes, bars, ends = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local op, life = ARGV[1], ARGV[2]
local call = redis.call

local function now()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function failsBy(answer, word)
  return type(answer) == 'table' and answer.err and string.find(answer.err, word, 1, true)
end

-- Answers nil where the stream has been given the last id that there is, and so has to begin anew.
local function put(number, before, lines, kind, text)
  local entry = { 'XADD', log, '*', 'n', life, 'i', number, 'b', before, 'c', lines,
    'k', kind, 'l', #text, 't', text }
  local id = redis.pcall(unpack(entry))
  if failsBy(id, 'exhausted') then
    call('DEL', log)
    return nil
  end
  if type(id) == 'table' and id.err then return call(unpack(entry)) end
  return id
end

local function head()
  if call('EXISTS', log) == 0 then
    call('DEL', heads, marks)
    return nil
  end
  local found = call('HGET', heads, life)
  if not found then return nil end
  local number, lines = string.match(found, '^(%d+) (%d+)$')
  return tonumber(number), tonumber(lines)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- What others have written to these keys must not stop the room.
local function trim(id, bytes, keep)
  local before = tonumber(string.match(call('HGET', heads, 'bytes') or '', '^%d+$') or 0)
  -- To more than that nothing can be added.
  if before > 2^52 then before = 0 end
  local total = before + bytes
  call('HSET', heads, 'bytes', whole(total))
  local step = keep / 32
  if math.floor(total / step) == math.floor(before / step) then return end
  call('RPUSH', marks, id .. ' ' .. whole(total))
  local upto = nil
  while true do
    local at, sum = string.match(call('LINDEX', marks, 0), '^(%d+%-%d+) (%d+)$')
    local after = total - (tonumber(sum) or 0)
    if at and after >= 0 and after < keep then break end
    if at and after >= keep then upto = at end
    call('LPOP', marks)
  end
  if upto then call('XTRIM', log, 'MINID', '~', upto, 'LIMIT', '0') end
end

if op == 'add' then
  local last = head()
  if not last then return '${UNKNOWN}' end
  local kind, number = ARGV[3], tonumber(ARGV[4])
  if number <= last then return '${HAD}' end
  if number > last + 1 then return '${UNKNOWN}' end
  local before, lines, keep, text = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
  call('HSET', heads, life, whole(number) .. ' ' .. whole(before + lines))
  local id = put(ARGV[4], ARGV[5], ARGV[6], kind, text)
  if not id then return '${UNKNOWN}' end
  trim(id, #text + 100, keep)
  if kind == 'bar' then
    local key, ms, why = ARGV[9], tonumber(ARGV[10]), ARGV[11]
    local time = now()
    local over = call('ZRANGEBYSCORE', ends, '-inf', time, 'LIMIT', 0, 100)
    if call('ZCARD', ends) - #over >= ${MOST_BARS} then
      for _, one in ipairs(call('ZRANGE', ends, 0, 0)) do over[#over + 1] = one end
    end
    for _, one in ipairs(over) do
      call('ZREM', ends, one)
      call('HDEL', bars, one)
    end
    call('ZADD', ends, whole(time + ms), key)
    call('HSET', bars, key, why)
  elseif kind == 'lift' then
    call('ZREM', ends, text)
    call('HDEL', bars, text)
  end
  return id
end

-- What others have put in the place of a key is no part of the room, and nothing could be done with it.
if op == 'join' then
  for _, look in ipairs({ { 'XRANGE', log, '0', '0' }, { 'HLEN', heads }, { 'LINDEX', marks, 0 },
    { 'HLEN', nodes }, { 'HLEN', bars }, { 'ZCARD', ends } }) do
    if failsBy(redis.pcall(unpack(look)), 'WRONGTYPE') then call('DEL', look[2]) end
  end
end

local time = now()
local name, info = ARGV[3], ARGV[4]

local function record(of)
  local found = call('HGET', nodes, of)
  if not found then return nil end
  local at, other, told = string.match(found, '^(%d+) (%S+) (.*)$')
  return tonumber(at), other, told
end

-- Nothing more is taken of the lives that this node has given up.
local left = {}
if op ~= 'beat' then
  for one in string.gmatch(ARGV[9] or '', '%S+') do left[one] = true end
end

-- Two nodes of one name are told apart by the beginning of a life. A time to come is that of a
-- clock that has been set back meanwhile.
local at, other, told = record(name)
if at and other ~= life and not left[other] and math.abs(time - at) < ${SILENCE_MS} and not string.find(told, '"left":true', 1, true) then
  if op == 'join' and ARGV[8] == 'strict' then return { '${TAKEN}', whole(at), other, told } end
  name = name .. '~' .. string.sub(life, 1, 4)
end

local number, lines
local function tell()
  number, lines = head()
  for one in pairs(left) do call('HSET', heads, one, '${GIVEN_UP}') end
  if op == 'join' and not call('HGET', heads, 'born') then call('HSET', heads, 'born', life .. ' ' .. whole(time)) end
  if op == 'beat' then
    if not number then return nil end
  else
    local known, sum = tonumber(ARGV[5]), tonumber(ARGV[6])
    if not number or number < known then number, lines = known, sum end
    call('HSET', heads, life, whole(number) .. ' ' .. whole(lines))
  end
  local kind = 'here'
  if op == 'leave' then kind = 'left' end
  return put(whole(number), whole(lines), 0, kind, '{"name":' .. cjson.encode(name) .. ',"info":' .. info .. '}')
end

local id = tell()
if not id and op ~= 'beat' then id = tell() end
if not id then return '${UNKNOWN}' end
trim(id, 300, 2^40)
-- Whoever writes that many is no node; those that are come back with their next sign of life.
if op == 'join' and call('HLEN', nodes) > ${MOST_HEADS} then call('DEL', nodes) end
call('HSET', nodes, name, whole(time) .. ' ' .. life .. ' ' .. info)
for _, key in ipairs(KEYS) do call('PEXPIRE', key, ${FORGOTTEN_MS}) end
if op ~= 'join' then return { name } end

local isThere = 0
local last, mark = string.match(ARGV[7], '^(%d+%-%d+) ?(.*)$')
local found = last and call('XRANGE', log, last, last)[1]
if found and (mark == '' or mark == found[2][2] .. ' ' .. (found[2][4] or '')) then isThere = 1 end
local all = call('HGETALL', nodes)
local known = { bytes = true, born = true, [life] = true }
for i = 1, #all, 2 do
  local at, other = record(all[i])
  if not at or time - at > ${SHOWN_MS} then call('HDEL', nodes, all[i])
  else known[other] = true end
end
if call('HLEN', heads) > ${MOST_HEADS} then
  local kept = {}
  for one in pairs(known) do kept[one] = call('HGET', heads, one) end
  call('DEL', heads)
  for one, value in pairs(kept) do
    if value then call('HSET', heads, one, value) end
  end
end
local due = call('ZRANGEBYSCORE', ends, '(' .. whole(time), '+inf', 'WITHSCORES')
return { 'joined', id, whole(number), isThere, name, whole(time), call('HGETALL', heads), call('HGETALL', nodes),
  due, call('HGETALL', bars) }
`;
