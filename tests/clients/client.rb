# Call the Atoms audience API with Ruby's Net::HTTP. It does not retry responses: a small loop does.
# Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 ruby client.rb

require "json"
require "net/http"

URL = URI("#{ENV.fetch("ATOMS_BASE_URL")}/audience")

def get(http, key)
  http.get(URL.path, "Authorization" => "Bearer #{key}")
end

# Return the first response below 500, or the fourth, and the number of attempts.
def get_with_retries(http, key)
  (1..4).each do |attempt|
    response = get(http, key)
    return response, attempt unless response.is_a?(Net::HTTPServerError) && attempt < 4

    sleep 0.1 * 2**attempt
  end
end

Net::HTTP.start(URL.host, URL.port, use_ssl: URL.scheme == "https", read_timeout: 10) do |http|
  response = get(http, "sk_clients.ruby")
  puts "list: #{JSON.parse(response.body)["data"].size} audiences"

  %w[sk_mock_revoked.ruby sk_mock_500.ruby].each do |key|
    response = get(http, key)
    puts "#{response.code}: #{JSON.parse(response.body)["errors"].first}"
  end

  response, attempts = get_with_retries(http, "sk_mock_500x2.ruby")
  puts "retry: #{response.code} after #{attempts} attempts"

  # What the vendor's Ruby sample sends: a GET with a body.
  request = Net::HTTP::Get.new(URL)
  request["Authorization"] = "Bearer sk_clients.ruby"
  request["Content-Type"] = "application/json"
  request.body = "{}"
  puts "sample: #{http.request(request).code}"
end
