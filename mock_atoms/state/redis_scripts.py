"""Lua scripts of the Redis log. A script runs as one step: its effects become visible together.

Each one returns a status, the server's time in microseconds, and its results. The line `#!lua` lets a server that is
full or read-only refuse a script before it changes anything. It needs Redis 7 or Valkey.
"""

from hashlib import sha1
from typing import NamedTuple


class Script(NamedTuple):
    """A script with the digest by which a server remembers it."""

    source: str
    digest: str


def _script(body: str, flags: str = "") -> Script:
    source = f"#!lua{flags}\nlocal time = redis.call('TIME')\nlocal now = time[1] * 1000000 + time[2]\n{body}"
    return Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


# The secret changes if the data was removed and created again.
_READ_META = """
local secret, first, last = unpack(redis.call('HMGET', KEYS[2], 'secret', 'first', 'last'))
if secret ~= ARGV[1] then return {'lost', now} end
first, last = tonumber(first), tonumber(last)
"""

# Allowed on a full server, because `TRIM` on a new connection needs it.
OPEN = _script(
    """
local log, meta, create, format, config, seen, seen_digest = KEYS[1], KEYS[2], unpack(ARGV)
if redis.call('EXISTS', meta) == 0 then
  if create == '' then return {'lost', now} end
  if redis.call('EXISTS', log) == 1 then return {'foreign', now} end
  redis.call('HSET', meta, 'format', format, 'config', config, 'secret', create, 'first', 1, 'last', 0)
end
local stored = redis.call('HMGET', meta, 'format', 'config', 'secret', 'first')
if seen ~= '0' and tonumber(seen) >= tonumber(stored[4] or 0) then
  local entry = redis.call('XRANGE', log, seen .. '-0', seen .. '-0')[1]
  if not entry or redis.sha1hex(entry[2][2]) ~= seen_digest then return {'lost', now} end
end
return {'ok', now, stored[1], stored[2], stored[3]}
""",
    " flags=allow-oom",
)
"""Keys: log, meta. Arguments: secret to create, format, config, a position, the SHA-1 of its entry.

Returns format, config and secret of the log, which is created if it does not exist and the secret is not empty.
"""

APPEND = _script(
    _READ_META
    + """
local log, call = KEYS[1], KEYS[3]
local number, memory, deadline = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local after, max_entries, max_bytes = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if after > last then return {'lost', now} end
local is_append = #ARGV > 7
local is_new = is_append and number > tonumber(redis.call('GET', call) or 0)
if after + 1 < first then
  if is_append and not is_new then return {'ok', now, 0, 0, {}, 0} end
  return {'trimmed', now}
end
if is_new and now > deadline then return {'late', now} end
local texts, bytes, position, large = {}, 0, after, 0
while position < last and #texts < max_entries and bytes < max_bytes and large == 0 do
  local count = math.min(20, last - position, max_entries - #texts)
  local range = redis.call('XRANGE', log, string.format('%d-0', position + 1), string.format('%d-0', position + count))
  if #range < count then return {'lost', now} end
  for _, entry in ipairs(range) do
    local text = entry[2][2]
    if bytes >= max_bytes or large > 0 then break end
    if #text > max_bytes then
      large = #text
    else
      position = position + 1
      texts[#texts + 1] = text
      bytes = bytes + #text
    end
  end
end
local is_complete = position == last
if is_new then
  for index = 8, #ARGV do
    last = last + 1
    redis.call('XADD', log, string.format('%d-0', last), 't', ARGV[index])
  end
  redis.call('HSET', KEYS[2], 'last', last)
  redis.call('SET', call, number, 'PX', memory)
end
return {'ok', now, is_complete and 1 or 0, is_new and 1 or 0, texts, large}
"""
)
"""Keys: log, meta, call. Arguments:

1. secret
2. number of the call
3. milliseconds for which the server remembers the call
4. deadline, as the server's time in microseconds
5. position after which to read
6. maximum number of entries to return
7. number of bytes after which no other entry follows; a larger entry is not returned at all
8. and later: texts to append

Returns whether it read to the end, whether it appended, and the texts before those that it appended. The last result is
the size of the next entry if it is too large, otherwise 0.

A call appends nothing if the server remembers it or a newer one of the same client. Such a call returns no texts if the
entries after the position have been removed since. A new call is refused after its deadline.
"""

TRIM = _script(
    _READ_META
    + """
local target = math.min(tonumber(ARGV[5]), last + 1, first + tonumber(ARGV[6]))
if target > first then
  first = target
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d-0', first))
  redis.call('HSET', KEYS[2], 'first', first)
end
return {'ok', now, first}
""",
    " flags=allow-oom",
)
"""Keys and first four arguments as of `APPEND`. Then: a position, maximum number of entries to remove.

Removes entries before the position, oldest first. Returns the first position that is left.
"""

PUT_PIECE = _script(
    _READ_META
    + """
local upload, deadline, index, piece = KEYS[4], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
if now > deadline then return {'late', now} end
if redis.call('LLEN', upload) == index then redis.call('RPUSH', upload, piece) end
redis.call('PEXPIRE', upload, ARGV[3])
return {'ok', now}
"""
)
"""Keys and first four arguments as of `APPEND`, and the key of an upload. Then the index of a piece, and the piece."""

SAVE = _script(
    _READ_META
    + """
local upload, snapshot, id, count, before = KEYS[4], KEYS[5], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local needed = tonumber(redis.call('HGET', KEYS[2], 'needed') or 0)
if redis.call('LLEN', upload) == count and before >= math.max(first, needed) then
  needed = before
  redis.call('UNLINK', snapshot)
  redis.call('RENAME', upload, snapshot)
  redis.call('PERSIST', snapshot)
  redis.call('HSET', KEYS[2], 'snapshot', id, 'needed', needed)
end
return {'ok', now, needed}
"""
)
"""Keys and first four arguments as of `APPEND`, and the keys of an upload and of the snapshot. Then:

5. id of the upload
6. number of its pieces
7. first position that a server needs besides them

Makes a complete upload the snapshot. One that arrives late does not replace a newer one, whose server removes entries
that the late one needs. Returns the first position that a server needs besides the snapshot.
"""

LOAD = _script(
    _READ_META
    + """
local id = redis.call('HGET', KEYS[2], 'snapshot')
if not id then return {'ok', now, '', 0, ''} end
return {'ok', now, id, redis.call('LLEN', KEYS[4]), redis.call('LINDEX', KEYS[4], ARGV[5]) or ''}
""",
    " flags=allow-oom",
)
"""Keys and first four arguments as of `APPEND`, and the key of the snapshot. Then the index of a piece.

Returns the id of the snapshot, empty if there is none, the number of its pieces, and the piece.
"""
