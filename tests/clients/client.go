// Call the Atoms audience API with Go's net/http. It does not retry responses: a small loop does.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 go run client.go
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

type envelope struct {
	Data   []map[string]any `json:"data"`
	Errors []string         `json:"errors"`
}

var (
	url    = os.Getenv("ATOMS_BASE_URL") + "/audience"
	client = &http.Client{Timeout: 10 * time.Second}
)

func send(key string, payload io.Reader) (int, envelope) {
	request, err := http.NewRequest(http.MethodGet, url, payload)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	if payload != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var body envelope
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		log.Fatal(err)
	}
	return response.StatusCode, body
}

func main() {
	_, body := send("sk_clients.go", nil)
	fmt.Printf("list: %d audiences\n", len(body.Data))

	for _, key := range []string{"sk_mock_revoked.go", "sk_mock_500.go"} {
		status, body := send(key, nil)
		fmt.Printf("%d: %s\n", status, body.Errors[0])
	}

	attempts := 1
	status, _ := send("sk_mock_500x2.go", nil)
	for pause := 200 * time.Millisecond; status >= 500 && attempts < 4; pause *= 2 {
		time.Sleep(pause)
		status, _ = send("sk_mock_500x2.go", nil)
		attempts++
	}
	fmt.Printf("retry: %d after %d attempts\n", status, attempts)

	// What the vendor's Go sample sends: a GET with a body.
	status, _ = send("sk_clients.go", strings.NewReader("{}"))
	fmt.Printf("sample: %d\n", status)
}
