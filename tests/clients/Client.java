// Call the Atoms audience API with Java's own HttpClient. It does not retry responses: a small loop does.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 java Client.java

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.regex.Pattern;

class Client {
    // Without a JSON library: this key occurs once in each audience, and the message is the first of the errors.
    private static final Pattern AUDIENCE = Pattern.compile("\"phoneNumberColumnName\":");
    private static final Pattern ERROR = Pattern.compile("\"errors\":\\[\"([^\"]*)\"");

    private static final URI URL = URI.create(System.getenv("ATOMS_BASE_URL") + "/audience");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private static HttpRequest.Builder request(String key) {
        return HttpRequest.newBuilder(URL).header("Authorization", "Bearer " + key).timeout(Duration.ofSeconds(10));
    }

    private static HttpResponse<String> get(String key) throws IOException, InterruptedException {
        return HTTP.send(request(key).build(), BodyHandlers.ofString());
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        var response = get("sk_clients.java");
        System.out.printf("list: %d audiences%n", AUDIENCE.matcher(response.body()).results().count());

        for (var key : new String[] {"sk_mock_revoked.java", "sk_mock_500.java"}) {
            response = get(key);
            var error = ERROR.matcher(response.body()).results().findFirst().orElseThrow();
            System.out.printf("%d: %s%n", response.statusCode(), error.group(1));
        }

        var attempts = 1;
        response = get("sk_mock_500x2.java");
        while (response.statusCode() >= 500 && attempts < 4) {
            Thread.sleep(100L << attempts);
            response = get("sk_mock_500x2.java");
            attempts++;
        }
        System.out.printf("retry: %d after %d attempts%n", response.statusCode(), attempts);

        // What the vendor's Java sample sends: a GET with a body.
        var sample = request("sk_clients.java")
                .header("Content-Type", "application/json")
                .method("GET", BodyPublishers.ofString("{}"))
                .build();
        System.out.printf("sample: %d%n", HTTP.send(sample, BodyHandlers.ofString()).statusCode());
    }
}
