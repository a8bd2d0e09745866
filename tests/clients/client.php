<?php

// Call the Atoms audience API with Guzzle. Its retry middleware retries with growing pauses.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 php client.php

declare(strict_types=1);

require 'GuzzleHttp/autoload.php'; // Debian's package; with Composer: vendor/autoload.php

use GuzzleHttp\Client;
use GuzzleHttp\HandlerStack;
use GuzzleHttp\Middleware;
use Psr\Http\Message\RequestInterface;
use Psr\Http\Message\ResponseInterface;

$url = getenv('ATOMS_BASE_URL') . '/audience';
$bearer = fn (string $key): array => ['headers' => ['Authorization' => "Bearer $key"]];

// Without http_errors a 500 is a response, not an exception.
$client = new Client(['http_errors' => false, 'timeout' => 10]);

$response = $client->get($url, $bearer('sk_clients.php'));
printf("list: %d audiences\n", count(json_decode((string) $response->getBody())->data));

foreach (['sk_mock_revoked.php', 'sk_mock_500.php'] as $key) {
    $response = $client->get($url, $bearer($key));
    printf("%d: %s\n", $response->getStatusCode(), json_decode((string) $response->getBody())->errors[0]);
}

$attempts = 0;
$stack = HandlerStack::create();
$stack->push(Middleware::retry(
    fn (int $retries, RequestInterface $request, ?ResponseInterface $response = null): bool =>
        $retries < 3 && $response !== null && $response->getStatusCode() >= 500,
    fn (int $retries): int => 100 * 2 ** $retries, // milliseconds
));
$retrying = new Client(['handler' => $stack, 'http_errors' => false, 'timeout' => 10]);
$count = ['on_stats' => function () use (&$attempts): void { $attempts++; }];
$response = $retrying->get($url, $bearer('sk_mock_500x2.php') + $count);
printf("retry: %d after %d attempts\n", $response->getStatusCode(), $attempts);

// What the vendor's PHP sample sends: a GET with a body.
$response = $client->request('GET', $url, [
    'body' => '{}',
    'headers' => ['Authorization' => 'Bearer sk_clients.php', 'Content-Type' => 'application/json'],
]);
printf("sample: %d\n", $response->getStatusCode());
