<?php

// Call the Atoms audience API with Guzzle; its retry middleware tries again, with pauses that grow.
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

// Without http_errors a 500 is an answer, and no exception.
$client = new Client(['http_errors' => false, 'timeout' => 10]);

$answer = $client->get($url, $bearer('sk_clients.php'));
printf("list: %d audiences\n", count(json_decode((string) $answer->getBody())->data));

foreach (['sk_mock_revoked.php', 'sk_mock_500.php'] as $key) {
    $answer = $client->get($url, $bearer($key));
    printf("%d: %s\n", $answer->getStatusCode(), json_decode((string) $answer->getBody())->errors[0]);
}

$attempts = 0;
$stack = HandlerStack::create();
$stack->push(Middleware::retry(
    fn (int $retries, RequestInterface $request, ?ResponseInterface $answer = null): bool =>
        $retries < 3 && $answer !== null && $answer->getStatusCode() >= 500,
    fn (int $retries): int => 100 * 2 ** $retries, // milliseconds
));
$patient = new Client(['handler' => $stack, 'http_errors' => false, 'timeout' => 10]);
$count = ['on_stats' => function () use (&$attempts): void { $attempts++; }];
$answer = $patient->get($url, $bearer('sk_mock_500x2.php') + $count);
printf("retry: %d after %d attempts\n", $answer->getStatusCode(), $attempts);

// What the vendor's PHP sample sends: a GET with a body.
$answer = $client->request('GET', $url, [
    'body' => '{}',
    'headers' => ['Authorization' => 'Bearer sk_clients.php', 'Content-Type' => 'application/json'],
]);
printf("sample: %d\n", $answer->getStatusCode());
