-- Each request with the next of the tokens in a file, one a line: wrk --script rotating.lua URL -- FILE
local requests = {}
local at = 0

function init(arguments)
  for token in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Authorization = "Bearer " .. token })
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
