#!/usr/bin/env bash
# Call the Atoms audience API with curl. Its --retry waits one second, then two, then four.
# Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 bash curl.sh
set -euo pipefail

url="$ATOMS_BASE_URL/audience"

get() { # get KEY [OPTION...]
  curl --silent --show-error --max-time 10 --header "Authorization: Bearer $1" "${@:2}" "$url"
}

# Without a JSON tool: this key occurs once in each audience.
count=$(get sk_clients.curl --fail | awk -F '"phoneNumberColumnName":' '{ print NF - 1 }')
echo "list: $count audiences"

for key in sk_mock_revoked.curl sk_mock_500.curl; do
  response=$(get "$key" --write-out '\n%{http_code}')
  message=$(sed -n 's/.*"errors":\["\([^"]*\)".*/\1/p' <<<"$response")
  echo "${response##*$'\n'}: $message"
done

# --retry retries timeouts, 408, 429, 500, 502, 503 and 504; --include prints the headers of all attempts.
responses=$(get sk_mock_500x2.curl --retry 3 --include)
statuses=$(grep -o 'HTTP/1.1 [0-9]*' <<<"$responses")
echo "retry: ${statuses##* } after $(wc -l <<<"$statuses") attempts"

# What the vendor's curl sample sends.
status=$(curl --silent --output /dev/null --write-out '%{http_code}' --request GET --url "$url" \
  --header 'Authorization: Bearer sk_clients.curl')
echo "sample: $status"
