# Call the Atoms audience API with Ruby's Net::HTTP, which retries no answer by itself: a small loop does.
# Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 ruby client.rb

require "json"
require "net/http"

URL = URI("#{ENV.fetch("ATOMS_BASE_URL")}/audience")

def get(http, key)
  http.get(URL.path, "Authorization" => "Bearer #{key}")
end

# The first answer that is no 5xx, or the fourth, and how many attempts it took.
def get_patiently(http, key)
  (1..4).each do |attempt|
    answer = get(http, key)
    return answer, attempt unless answer.is_a?(Net::HTTPServerError) && attempt < 4

    sleep 0.1 * 2**attempt
  end
end

Net::HTTP.start(URL.host, URL.port, use_ssl: URL.scheme == "https", read_timeout: 10) do |http|
  answer = get(http, "sk_clients.ruby")
  puts "list: #{JSON.parse(answer.body)["data"].size} audiences"

  %w[sk_mock_revoked.ruby sk_mock_500.ruby].each do |key|
    answer = get(http, key)
    puts "#{answer.code}: #{JSON.parse(answer.body)["errors"].first}"
  end

  answer, attempts = get_patiently(http, "sk_mock_500x2.ruby")
  puts "retry: #{answer.code} after #{attempts} attempts"

  # What the vendor's Ruby sample sends: a GET with a body.
  request = Net::HTTP::Get.new(URL)
  request["Authorization"] = "Bearer sk_clients.ruby"
  request["Content-Type"] = "application/json"
  request.body = "{}"
  puts "sample: #{http.request(request).code}"
end
