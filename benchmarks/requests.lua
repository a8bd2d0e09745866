-- Sends the request in a file; `{number}`, if it occurs, differs each time: wrk --script requests.lua URL -- FILE
local before, after
local index = 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local content = file:read("*a")
  file:close()
  local place, ends = content:find("{number}", 1, true)
  before, after = content, nil
  if place then
    before, after = content:sub(1, place - 1), content:sub(ends + 1)
  end
  started = os.time()  -- other numbers than those of the last run
end

function request()
  if not after then
    return before
  end
  index = index + 1
  return before .. string.format("%08x%024x", started, index) .. after
end
