-- Sends each request with the next token of a file that has one a line: wrk --script rotating.lua URL -- FILE
local requests = {}
local index = 0

function init(arguments)
  -- wrk.format would order the headers differently in each process.
  local head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Bearer "
  for token in io.lines(arguments[1]) do
    requests[#requests + 1] = head .. token .. "\r\n\r\n"
  end
end

function request()
  index = index % #requests + 1
  return requests[index]
end
