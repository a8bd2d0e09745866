-- Each request with the next of the tokens in a file, one a line: wrk --script rotating.lua URL -- FILE
local requests = {}
local at = 0

function init(arguments)
  -- Not by wrk.format: the order of its headers is another in each process, and with it the request.
  local head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Bearer "
  for token in io.lines(arguments[1]) do
    requests[#requests + 1] = head .. token .. "\r\n\r\n"
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
