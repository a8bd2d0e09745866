/** The dashboard in a real browser. `test_browser.py` starts the servers and runs this file. */

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, beforeEach, test } from "node:test";
import { closeBrowser, control, row, send, sendMany, withPage } from "./driver.mjs";

const GUARDED_SERVER = process.env.DASHBOARD_GUARDED_SERVER ?? "";
const ADMIN_TOKEN = process.env.DASHBOARD_ADMIN_TOKEN ?? "";
const RELOADING_SERVER = process.env.DASHBOARD_RELOADING_SERVER ?? "";
const FIXTURE = process.env.DASHBOARD_FIXTURE ?? "";
const LONG_MS = 60_000;
const MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>";

beforeEach(() => control("POST", "reset"));
after(closeBrowser);

test("an empty page says what to do first", () =>
  withPage(async (page) => {
    await page.getByText("No requests yet").waitFor();
    assert.match(await page.locator(".list-empty .code").first().innerText(), /curl .*\/atoms\/v1\/audience/);
  }));

test("a request appears without a reload, and its status when it ends", () =>
  withPage(async (page) => {
    await page.getByText("No requests yet").waitFor();
    await send("/audience", { token: "sk_mock_one" });
    await row(page, "sk_mock_one").getByText("200").waitFor();
    const slow = send("/audience", { token: "sk_mock_delay1500" });
    await row(page, "sk_mock_delay1500").getByText("···").waitFor();
    await slow;
    await row(page, "sk_mock_delay1500").getByText("200").waitFor();
    await page.locator("#nav-requests .counter", { hasText: "2" }).waitFor();
  }));

test("a filter narrows the list and can be shared as a link", async () => {
  await send("/audience", { token: "sk_acme" });
  await send("/audience", { token: "sk_mock_500" });
  await send("/nowhere", { token: "sk_acme" });
  await withPage(async (page) => {
    const rows = page.locator(".grid-body [role=row]");
    await row(page, "nowhere").waitFor();
    await page.getByRole("button", { name: "Errors" }).click();
    await page.getByText("2 of 3").waitFor();
    await page.locator("#filter").fill("tenant:sk_acme path:/audience");
    await page.getByText("1 of 3").waitFor();
    assert.match(decodeURIComponent(page.url()), /#\/requests\?filter=tenant:sk_acme.path:\/audience$/);
    await page.locator("#filter").fill("fault:*");
    await row(page, "sk_mock_500").waitFor();
    assert.equal(await rows.count(), 1);
    await page.locator("#filter").fill("nothing matches this");
    await page.getByRole("button", { name: "Clear the filter" }).click();
    await row(page, "nowhere").waitFor();
    assert.equal(await rows.count(), 3);
  });
  await withPage(
    async (page) => {
      await page.getByText("1 of 3").waitFor();
      assert.equal(await page.locator("#filter").inputValue(), "status:5xx");
    },
    { hash: "#/requests?filter=status:5xx" },
  );
});

test("a quick filter is pressed only if the filter has its term", async () => {
  await send("/audience", { token: "sk_acme" });
  await withPage(
    async (page) => {
      await row(page, "/audience").waitFor();
      const faults = page.getByRole("button", { name: "Faults", exact: true });
      const filter = page.locator("#filter");
      /** @param {string} pressed */
      const expectPressed = (pressed) =>
        page.locator(`.chip[aria-pressed=${pressed}]`, { hasText: "Faults" }).waitFor();
      await expectPressed("false");
      await faults.click();
      await expectPressed("true");
      assert.equal(await filter.inputValue(), "method:GET fault:*");
      await faults.click();
      await expectPressed("false");
      assert.equal(await filter.inputValue(), "method:GET");
      await filter.fill("fault:*500 -fault:*");
      await page.getByText("0 of 1").waitFor();
      await expectPressed("false");
    },
    { hash: `#/requests?filter=${encodeURIComponent("-fault:* method:GET")}` },
  );
});

test("a filter that finds nothing says what is wrong with it", async () => {
  await send("/audience", { token: "sk_acme" });
  await withPage(async (page) => {
    await row(page, "/audience").waitFor();
    const filter = page.locator("#filter");
    const empty = page.locator(".list-empty");
    await filter.fill("tenent:sk_acme");
    await empty.getByText("tenent is not a term: use status, method, path, tenant,").waitFor();
    assert.equal(await empty.getByRole("link").getAttribute("href"), "#/help");
    await filter.fill("status:4xx,abc duration:fast");
    await empty.getByText("abc is not a status: use 429").waitFor();
    await empty.getByText("fast is not a number: use 2").waitFor();
    await filter.fill("status:404 attempt:>1 duration:>=0.5");
    await empty.getByText("use 429").waitFor({ state: "detached" });
    assert.equal(await empty.getByRole("link").count(), 0);
    await filter.fill("method:GET sk_acme");
    await empty.getByRole("button", { name: "Find tenant:sk_acme" }).click();
    await row(page, "/audience").waitFor();
    assert.match(decodeURIComponent(page.url()), /filter=method:GET.tenant:sk_acme$/);
  });
});

test("the detail shows request, response and cause", async () => {
  await send("/audience?page=2", { token: "sk_mock_429x1.me" });
  await withPage(async (page) => {
    await row(page, "sk_mock_429x1.me").click();
    const detail = page.getByLabel("Request detail");
    await detail.getByText("the first request of this tenant gets a 429").waitFor();
    await detail.getByText("retry-after", { exact: true }).waitFor();
    await detail.getByText('"error": "Rate limit exceeded"').waitFor();
    await detail.getByText("?page", { exact: true }).waitFor();
    await detail.getByRole("tab", { name: "Copy as" }).click();
    const copies = await detail.locator(".code").allInnerTexts();
    assert.match(copies[0] ?? "", /^curl -i 'http.*page=2' \\\n[^]*-H 'authorization: Bearer sk_mock_429x1\.me'/);
    assert.match(copies[1] ?? "", /mock_atoms\.requests\(method="GET", path="\/audience"\)/);
    assert.deepEqual(JSON.parse(copies[2] ?? "").queryParameters, { page: { equalTo: "2" } });
    assert.equal(JSON.parse(copies[3] ?? "").response.status, 429);
    await detail.getByRole("tab", { name: "Copy as" }).press("ArrowLeft");
    await detail.getByText("Delay added by a fault").waitFor();
  });
});

test("a copied curl command sends the same request and never a file", async () => {
  const body = "@/etc/hostname";
  await send("/audience?name[]=1", { method: "POST", body, token: "sk_acme", headers: { "API-Key": "sk_secret_key" } });
  await withPage(async (page) => {
    await row(page, "POST").click();
    await page.getByRole("tab", { name: "Copy as" }).click();
    const curl = await page.getByLabel("Request detail").locator(".code").first().innerText();
    assert.match(curl, /^curl -i -X 'POST' --globoff 'http/);
    assert.match(curl, /-H "api-key: \$SMALLEST_API_KEY"/);
    assert.ok(curl.endsWith(`--data-raw '${body}'`), curl);
  });
});

test("a body of deep JSON or many columns shows with few characters and elements", async () => {
  const deep = `${"[".repeat(4000)}${"]".repeat(4000)}`;
  await send("/deep", { method: "POST", body: deep, headers: { "Content-Type": "application/json" } });
  await send("/wide", { method: "POST", body: ",".repeat(5000), headers: { "Content-Type": "text/csv" } });
  await withPage(async (page) => {
    await row(page, "/deep").click();
    const body = page.getByLabel("Request detail").locator(".copyable .code").first();
    await body.waitFor();
    assert.equal(await body.textContent(), deep);
    await row(page, "/wide").click();
    await page
      .getByText("1 row", { exact: true })
      .or(page.getByText("0 rows", { exact: true }))
      .waitFor();
    assert.ok((await page.locator(".detail th").count()) <= 100);
  });
});

test("the upload of a CSV file shows as a table", async () => {
  const form = new FormData();
  form.set("name", "Mine");
  form.set("phoneNumberColumnName", "phoneNumber");
  form.set("file", new Blob(['phoneNumber,name\n+14155550100,"Lovelace, Ada"\n'], { type: "text/csv" }), "c.csv");
  await send("/audience", { method: "POST", body: form, token: "sk_acme" });
  await withPage(async (page) => {
    await row(page, "POST").click();
    await page.getByRole("cell", { name: "Lovelace, Ada" }).waitFor();
    await page.getByRole("columnheader", { name: "phoneNumber" }).waitFor();
  });
});

test("an unknown route shows the nearest operation", async () => {
  await send("/audiences", { token: "sk_acme" });
  await withPage(async (page) => {
    await row(page, "/audiences").click();
    await page.getByText("Nearest operation:").waitFor();
    await page.getByText("GET /atoms/v1/audience", { exact: true }).waitFor();
  });
});

test("an unknown route shows the nearest stub with any kind of path", async () => {
  for (const field of ["urlPattern", "urlPathPattern"]) {
    await control("POST", "reset");
    await control("POST", "mappings", { request: { method: "GET", [field]: "/atoms/v1/knowledge-[a-z]+" } });
    await send("/knowledge-1", { token: "sk_acme" });
    await withPage(async (page) => {
      await row(page, "/knowledge-1").click();
      await page.getByText("Nearest stub:").waitFor();
      await page.getByText("GET /atoms/v1/knowledge-[a-z]+", { exact: true }).waitFor();
    });
  }
});

test("two clicks make the next request fail", () =>
  withPage(async (page) => {
    await send("/audience", { token: "sk_acme" });
    await row(page, "/audience").click();
    await page.getByRole("button", { name: "Make the next requests fail…" }).click();
    await page.getByRole("button", { name: "500 server error" }).click();
    await page.getByText("The next request of sk_…#665b48 fails.").waitFor();
    assert.equal(await send("/audience", { token: "sk_other" }), 200);
    assert.equal(await send("/audience", { token: "sk_acme" }), 500);
    assert.equal(await send("/audience", { token: "sk_acme" }), 200);
    await row(page, "500x1").waitFor();
  }));

test("the next two requests of each tenant fail", () =>
  withPage(async (page) => {
    await page.getByRole("button", { name: "Make the next requests fail…" }).click();
    const number = page.getByLabel("How many requests");
    await number.fill("0");
    await page.getByText("Give a number from 1 to 9999.").waitFor();
    assert.ok(await page.getByRole("button", { name: "503 unavailable" }).isDisabled());
    await number.fill("2");
    await page.getByRole("button", { name: "503 unavailable" }).click();
    await page.getByText("The next 2 requests of each tenant fail.").waitFor();
    const statuses = [];
    for (const token of ["sk_acme", "sk_acme", "sk_acme", "sk_other"]) {
      statuses.push(await send("/audience", { token }));
    }
    assert.deepEqual(statuses, [503, 503, 200, 503]);
  }));

test("a fault is explained while it is written, added, counted and removed", () =>
  withPage(
    async (page) => {
      await page
        .getByText("The next two requests of each tenant wait 250 ms and get a 500; later ones succeed.")
        .waitFor();
      await page.getByLabel("Expression").fill("5oo");
      await page.getByText("Did you mean `500`?").waitFor();
      assert.ok(await page.getByRole("button", { name: "Add fault" }).isDisabled());
      await page.getByRole("button", { name: "rate limit", exact: true }).click();
      await page.getByText("gets a 429 with Retry-After: 1").waitFor();
      await page.getByLabel("Tenant", { exact: true }).fill("sk_acme");
      await page.getByLabel("Operation").selectOption("GET /audience");
      await page.getByText("of sk_…#665b48").first().waitFor();
      await page.getByRole("button", { name: "Add fault" }).click();
      await page.getByRole("cell", { name: "sk_…#665b48 · GET /audience" }).waitFor();
      assert.deepEqual([await send("/audience", { token: "sk_acme" }), await send("/audience")], [429, 401]);
      await page
        .locator("tbody tr", { hasText: "429x1" })
        .getByRole("cell", { name: "1", exact: true })
        .first()
        .waitFor();
      await page.getByRole("button", { name: /^Remove rule-/ }).click();
      await page.getByText("No active faults").waitFor();
    },
    { hash: "#/faults", allowed: /422 \(Unprocessable/ },
  ));

test("a fault of one tenant that has triggered as often as it may is used up", async () => {
  const match = { token: "sk_acme", testId: "nightly" };
  await control("POST", "faults", { fault: "500x1", match });
  await control("POST", "faults", { fault: "503x1", match: { token: "sk_acme" } });
  await withPage(
    async (page) => {
      const rows = page.locator("tbody tr");
      await rows.nth(1).waitFor();
      assert.equal(await page.getByText("used up").count(), 0);
      for (const _ of [1, 2]) await send("/audience", { token: "sk_acme", headers: { "X-Test-Id": "nightly" } });
      await rows.filter({ hasText: "500x1" }).getByText("used up").waitFor();
      assert.equal(await page.getByText("used up").count(), 1, "the other one still triggers for other tests");
    },
    { hash: "#/faults" },
  );
});

test("a dialog closes when the reader goes back", () =>
  withPage(async (page) => {
    await page.getByText("No requests yet").waitFor();
    await page.locator("#nav-faults").click();
    await page.getByText("No active faults").waitFor();
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    await page.goBack();
    await page.getByText("No requests yet").waitFor();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }));

test("the current view is in sight among the links of a narrow page", async () => {
  await send("/audience", { token: "sk_acme" });
  for (const view of ["violations", "help", "requests"]) {
    await withPage(
      async (page) => {
        const link = page.locator(`#nav-${view}[aria-current]`);
        await link.waitFor();
        for (const counted of ["requests", "tenants"]) {
          await page.locator(`#nav-${counted} .counter:not(:empty)`).waitFor();
        }
        const { left, right } = await link.evaluate((element) => element.getBoundingClientRect());
        assert.ok(left >= 0 && right <= 360, `${view}: ${left} to ${right}`);
      },
      { hash: `#/${view}`, viewport: { width: 360, height: 740 } },
    );
  }
});

test("a call shows as a timeline with its findings", async () => {
  await send("/audience", { token: "sk_mock_429x1.timeline" });
  await send("/audience", { token: "sk_mock_429x1.timeline" });
  await withPage(
    async (page) => {
      await page.getByRole("img", { name: /^2 attempts: 429, Retry-After asked for 60 s; after .* 200$/ }).waitFor();
      await page.getByText("Retry-After asked to wait until here: 60 s").waitFor();
      await page.getByRole("link", { name: "ignored-retry-after" }).click();
      await page.getByText("Wait for as long as the header asks.").waitFor();
    },
    { hash: "#/retries" },
  );
});

test("the timeline of a request's call scrolls in a box of its own", async () => {
  await send("/audience", { token: "sk_mock_500x1.timeline" });
  await send("/audience", { token: "sk_mock_500x1.timeline" });
  await withPage(async (page) => {
    await row(page, "attempt 2").click();
    await page.getByRole("tab", { name: "Call" }).click();
    const box = page.getByRole("region", { name: "Timeline" });
    await box.waitFor();
    assert.ok(await box.evaluate((element) => element.scrollWidth > element.clientWidth));
    const panel = page.getByRole("tabpanel");
    assert.ok(await panel.evaluate((element) => element.scrollWidth <= element.clientWidth));
    const detail = page.getByLabel("Request detail");
    assert.ok(await detail.evaluate((element) => element.scrollWidth <= element.clientWidth));
  });
});

test("labels of a timeline do not overlap", () =>
  withPage(async (page) => {
    const boxes = await page.evaluate(async (module) => {
      const { timeline } = await import(module);
      const times = [0, 1, 1.6, 2, 30_000, 60_000];
      const attempts = times.map((time, index) => ({
        ...{ number: index + 1, id: String(index), time: new Date(time).toISOString(), status: 503 },
        ...{ ended: "responded", durationMs: 0, gapMs: index ? time - (times[index - 1] ?? 0) : null },
        retryAfterMs: index === 3 ? 55_000 : null,
      }));
      const drawing = timeline({ attempts, findings: [] });
      document.querySelector("main")?.replaceChildren(drawing);
      return [...drawing.querySelectorAll("text.gap, text.asked")].map((label) => {
        const { left, right } = label.getBoundingClientRect();
        return { left, right };
      });
    }, "/__admin/dashboard/retry-report.js");
    boxes.sort((one, other) => one.left - other.left);
    assert.ok(boxes.length >= 2, "labels with room stay");
    boxes.slice(1).forEach((box, index) => assert.ok(box.left >= (boxes[index]?.right ?? 0), JSON.stringify(boxes)));
  }));

test("a call of very many attempts is drawn with few elements", () =>
  withPage(async (page) => {
    const drawn = await page.evaluate(async (module) => {
      const { cutHint, findingList, timeline } = await import(module);
      const attempts = Array.from({ length: 5000 }, (_, index) => ({
        ...{ number: index + 1, id: String(index), time: new Date(index).toISOString(), status: 500 },
        ...{ ended: "responded", durationMs: 1, gapMs: 0, retryAfterMs: null },
      }));
      const findings = attempts.map(({ number }) => ({ kind: "no-backoff", attempt: number, detail: "retried" }));
      const call = { attempts, findings };
      return [
        timeline(call).querySelectorAll("circle").length,
        findingList(findings).querySelectorAll("li").length,
        cutHint(call).textContent,
        cutHint({ attempts: attempts.slice(0, 100) }),
      ];
    }, "/__admin/dashboard/retry-report.js");
    assert.deepEqual(drawn, [100, 21, "The first 100 of 5,000 attempts", null]);
  }));

test("an error of a view that refreshes shows once", () =>
  withPage(
    async (page) => {
      await page.getByText("No stubs").waitFor();
      await page.route("**/__admin/mappings", (route) => route.fulfill({ status: 500, json: {} }));
      for (const _ of [1, 2]) await page.waitForResponse("**/__admin/mappings");
      await page.locator("#nav-requests").click();
      await page.getByText("No requests yet").waitFor();
      assert.equal(await page.locator(".notice").count(), 1);
    },
    { hash: "#/stubs", allowed: /500 \(/ },
  ));

test("a link to an unknown view leads to the requests", () =>
  withPage((page) => page.getByText("No requests yet").waitFor(), { hash: "#/constructor" }));

test("a tenant's data is shown, changed, reset, exported and imported", async () => {
  await send("/audience", { token: "sk_mock_test.data" });
  await send("/audience", { token: "sk_acme" });
  await withPage(
    async (page) => {
      await page.getByRole("link", { name: "sk_mock_test.data" }).click();
      await page.getByRole("region", { name: "Audiences" }).getByRole("link").first().click();
      await page.getByRole("region", { name: "Members" }).getByText("+").first().waitFor();
      await page.getByRole("button", { name: "Edit initial data…" }).click();
      await page.getByLabel("Initial data as JSON").fill('{"audiences": [{"name": "Edited here"}]}');
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("link", { name: "Edited here" }).waitFor();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Export state" }).click(),
      ]);
      const state = await readFile(await download.path(), "utf8");
      await page.getByRole("button", { name: "Reset…" }).click();
      await page.getByText("It includes all tests of the token.").waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
      await page.getByRole("dialog").waitFor({ state: "detached" });
      assert.ok(await page.getByRole("link", { name: "Edited here" }).isVisible());
      await page.getByRole("button", { name: "Reset…" }).click();
      await page.getByRole("button", { name: "Reset this tenant" }).click();
      await page.getByText("Reset sk_mock_test.data:").waitFor();
      await page.getByRole("link", { name: "Edited here" }).waitFor({ state: "detached" });
      const file = await page.evaluateHandle((text) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], "state.json", { type: "application/json" }));
        return transfer;
      }, state);
      await page.dispatchEvent(".drop", "drop", { dataTransfer: file });
      await page.getByText("Imported state.json.").waitFor();
      await page.getByRole("link", { name: "Edited here" }).waitFor();
      await page.getByRole("link", { name: "sk_…#665b48" }).click();
      await page.getByLabel("Complete token").fill("sk_acme");
      await page.getByRole("button", { name: "Show the data" }).click();
      await page.getByRole("region", { name: "Audiences" }).waitFor();
    },
    { hash: "#/tenants" },
  );
});

test("a campaign takes the step that is chosen", async () => {
  await send("/audience", { token: "sk_mock_test.campaigns" });
  await withPage(
    async (page) => {
      await page.getByRole("link", { name: "sk_mock_test.campaigns" }).click();
      const choices = page.getByRole("region", { name: "Campaigns" }).getByRole("combobox");
      await choices.first().waitFor();
      const running = await choices.evaluateAll((all) =>
        all.findIndex((each) => each instanceof HTMLSelectElement && each.value === "running"),
      );
      await choices.nth(running).selectOption("completed");
      await page.waitForFunction(
        (index) => document.querySelectorAll("select[data-status]")[index]?.getAttribute("data-status") === "completed",
        running,
      );
    },
    { hash: "#/tenants" },
  );
});

test("a stub is listed, and the page names what is wrong with another one", async () => {
  const stub = { name: "kb", request: { method: "GET", urlPath: "/atoms/v1/kb" }, response: { jsonBody: { a: 1 } } };
  await withPage(
    async (page) => {
      await page.getByText("No stubs").waitFor();
      await page.getByRole("button", { name: "Add a stub…" }).click();
      await page.getByLabel("Stub as JSON").fill('{"request": {"method": 1}}');
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("/request/method").waitFor();
      await page.getByLabel("Stub as JSON").fill(JSON.stringify(stub));
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("GET /atoms/v1/kb").waitFor();
      assert.equal(await send("/kb", { token: "sk_acme" }), 200);
      await page.locator("#nav-requests").click();
      await row(page, "/kb").click();
      await page.getByText("The stub kb matches the request.").waitFor();
      await page.getByRole("link", { name: "kb", exact: true }).click();
      await page.getByRole("button", { name: "Remove kb" }).click();
      await page.getByText("No stubs").waitFor();
    },
    { hash: "#/stubs", allowed: /422/ },
  );
});

test("a stub of another client appears and disappears without a reload", () =>
  withPage(
    async (page) => {
      await page.getByText("No stubs").first().waitFor();
      const request = { method: { oneOf: ["GET", "PUT"] }, urlPath: "/elsewhere" };
      const { id } = await control("POST", "mappings", { name: "from elsewhere", request });
      await page.getByText('{"oneOf":["GET","PUT"]} /elsewhere').first().waitFor();
      await control("DELETE", `mappings/${id}`);
      await page.getByText("No stubs").first().waitFor();
    },
    { hash: "#/stubs" },
  ));

test("changed fixtures show immediately, and the reason why a file was not read until it is", () =>
  withPage(
    async (page) => {
      assert.equal(await send("/audience", { token: "sk_acme", server: RELOADING_SERVER }), 200);
      await writeFile(FIXTURE, "{tokens: [sk_acme], audiences: [{name: 7}]}\n");
      const banner = page.getByRole("alert").filter({ hasText: "acme.yaml:1: audiences[0].name" });
      await banner.waitFor();
      await page.reload();
      await banner.waitFor();
      await writeFile(FIXTURE, "{tokens: [sk_acme], audiences: [{name: Second}]}\n");
      await banner.waitFor({ state: "detached" });
      await page.locator("#nav-tenants").click();
      await page.getByRole("link", { name: "sk_…" }).first().click();
      await page.getByLabel("Complete token").fill("sk_acme");
      await page.getByRole("button", { name: "Show the data" }).click();
      await page.getByText("Second").first().waitFor();
    },
    { server: RELOADING_SERVER },
  ));

test("no violation is found before the first request", () =>
  withPage(
    async (page) => {
      await page.getByText("No requests yet").waitFor();
      await send("/audience", { token: "sk_acme" });
      await page.getByText("Everything that clients sent is documented.").waitFor();
    },
    { hash: "#/violations" },
  ));

test("contract violations are listed with their requests", async () => {
  await send("/audience?limit=5", { token: "sk_acme" });
  await withPage(
    async (page) => {
      await page.getByRole("cell", { name: "unknown-parameter" }).waitFor();
      await page.getByRole("link", { name: "first" }).click();
      await page.getByLabel("Request detail").getByText("1 contract violation").waitFor();
      await row(page, "1 violation").waitFor();
    },
    { hash: "#/violations" },
  );
});

test("pause stops the list, and clear empties it", () =>
  withPage(async (page) => {
    await page.getByText("No requests yet").waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused").waitFor();
    await send("/audience?number=1");
    await send("/audience?number=2");
    assert.equal(await page.locator(".grid-body [role=row]").count(), 0);
    await page.getByRole("button", { name: "Resume" }).click();
    await row(page, "number=2").waitFor();
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    await page.getByRole("button", { name: "Clear the requests" }).click();
    await page.getByText("No requests yet").waitFor();
    assert.equal((await control("GET", "requests")).meta.total, 0);
  }));

test("the admin token is required, and kept for the tab only", () =>
  withPage(
    async (page) => {
      await page.getByLabel("Admin token", { exact: true }).last().fill("wrong");
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByText("The server rejects the admin token.").waitFor();
      await page.getByLabel("Admin token", { exact: true }).last().fill(ADMIN_TOKEN);
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByText("No requests yet").waitFor();
      await page.reload();
      await page.getByText("No requests yet").waitFor();
      const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie, location.href].join());
      assert.ok(!kept.includes(ADMIN_TOKEN));
      const other = await page.context().newPage();
      await other.goto(`${GUARDED_SERVER}/__admin/`);
      await other.getByRole("button", { name: "Continue" }).waitFor();
    },
    { server: GUARDED_SERVER, allowed: /401 \(Unauthorized\)/ },
  ));

test("text of a client is never markup", async () => {
  const encoded = encodeURIComponent(MARKUP);
  const headers = { "X-Test-Id": MARKUP, "User-Agent": MARKUP, "X-Other": MARKUP };
  await send(`/${encoded}?${encoded}=${encoded}`, { token: "sk_x", headers });
  await send("/audience", { token: "<b>token</b>", headers });
  await send("/audience", {
    method: "POST",
    body: JSON.stringify({ [MARKUP]: MARKUP }),
    token: "sk_x",
    headers: { ...headers, "Content-Type": "application/json" },
  });
  const form = new FormData();
  for (const name of ["name", "description", MARKUP]) form.set(name, MARKUP);
  form.set("phoneNumberColumnName", "phoneNumber");
  form.set("file", new Blob([`phoneNumber,${MARKUP}\n+14155550100,${MARKUP}\n`]), `${MARKUP}.csv`);
  assert.equal(await send("/audience", { method: "POST", body: form, token: "sk_mock_test.x" }), 200);
  await control("POST", "faults", { fault: "500x0", name: MARKUP, match: { testId: MARKUP } });
  await withPage(async (page) => {
    await page.locator(".grid-body [role=row]").nth(3).waitFor();
    for (let index = 0; index < 4; index++) {
      await page.locator(".grid-body [role=row]").nth(index).click();
      const detail = page.getByLabel("Request detail");
      await page.locator(".detail:not([aria-busy])").getByRole("tab").first().waitFor();
      for (const tab of await detail.getByRole("tab").all()) await tab.click();
      assert.equal(await page.locator("main img, main script, main b").count(), 0);
    }
    await page.locator("#filter").fill(MARKUP);
    for (const view of ["retries", "faults", "tenants", "metrics"]) {
      await page.locator(`#nav-${view}`).click();
      await page.locator("main .view-head").waitFor();
      assert.equal(await page.locator("main img, main script, main b").count(), 0);
    }
    await page.locator("#nav-tenants").click();
    await page.getByRole("link", { name: "sk_mock_test.x" }).click();
    await page.getByRole("link", { name: MARKUP }).click();
    await page.getByRole("columnheader", { name: MARKUP }).waitFor();
    assert.equal(await page.locator("main img, main script, main b").count(), 0);
  });
});

test("ten thousand requests are listed with few elements", async () => {
  await sendMany(10_000, "sk_mock_500");
  await withPage(async (page) => {
    await page.locator("#nav-requests .counter", { hasText: "10,000" }).waitFor({ timeout: LONG_MS });
    const rows = page.locator(".grid-body [role=row]");
    await row(page, "number=10000").waitFor();
    assert.ok((await rows.count()) < 100);
    const grid = page.getByRole("grid");
    assert.equal(await grid.getAttribute("aria-rowcount"), "10001");
    await grid.focus();
    await page.keyboard.press("End");
    await page.locator(".grid-body [role=row][aria-rowindex='10001'][aria-selected=true]").waitFor();
    assert.ok((await rows.count()) < 100);
    await page.locator("#filter").fill("number=5000");
    await page.getByText("1 of 10,000").waitFor();
    await page.locator("#filter").fill("");
    await row(page, "number=10000").waitFor();
    await page.keyboard.press("Tab");
    await grid.evaluate((element) => element.scrollTo(0, 5_000));
    const top = () =>
      rows.evaluateAll((elements) => elements.find((each) => each.getBoundingClientRect().top > 200)?.id);
    await page.waitForFunction(
      () => document.querySelectorAll(".grid-body [role=row][aria-rowindex='170']").length > 0,
    );
    const before = await top();
    await send("/audience?number=new", { token: "sk_new" });
    await page.waitForFunction(
      () => /kept · [1-9]\d* dropped/.test(document.querySelector(".statusbar")?.textContent ?? ""),
      undefined,
      { timeout: LONG_MS },
    );
    assert.equal(await top(), before, "new requests do not move what is read");
  });
});

test("the keyboard alone reaches and leaves everything", async () => {
  for (const number of [1, 2, 3]) await send(`/audience?number=${number}`, { token: "sk_mock_one" });
  await withPage(async (page) => {
    await row(page, "number=3").waitFor();
    const { keyboard } = page;
    await keyboard.press("j");
    await keyboard.press("j");
    await page.locator("[aria-selected=true]", { hasText: "number=2" }).waitFor();
    await keyboard.press("k");
    await page.locator("[aria-selected=true]", { hasText: "number=3" }).waitFor();
    await keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.classList.contains("detail"));
    await keyboard.press("Escape");
    await page.getByText("Select a request").waitFor();
    await keyboard.press("/");
    await keyboard.type("number=1");
    await page.getByText("1 of 3").waitFor();
    await keyboard.press("Tab");
    await keyboard.press("Tab");
    await page.locator("#pause").focus();
    await keyboard.press("Space");
    await page.getByText("Paused").waitFor();
    await page.locator("#nav-faults").focus();
    await keyboard.press("Enter");
    await page.getByText("No active faults").waitFor();
    await page.getByLabel("Expression").focus();
    await keyboard.press("Control+A");
    await keyboard.type("503x1");
    await page.getByText("gets a 503").waitFor();
    await keyboard.press("Enter");
    await page.getByRole("button", { name: /^Remove rule-/ }).focus();
    await keyboard.press("Enter");
    await page.getByText("No active faults").waitFor();
    await keyboard.press("?");
    await page.getByText("Use single keys outside of lists").click();
    await keyboard.press("/");
    assert.match(page.url(), /#\/help$/);
  });
});

test("the page follows the system's colours until the reader chooses", () =>
  withPage(
    async (page) => {
      const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const dark = await background();
      await page.getByRole("button", { name: "Switch between light and dark" }).click();
      const light = await background();
      assert.notEqual(light, dark);
      await page.reload();
      assert.equal(await background(), light);
      await page.evaluate(() => localStorage.clear());
      await page.reload();
      assert.equal(await background(), dark);
    },
    { colorScheme: "dark" },
  ));

for (const [name, options] of /** @type {[string, object][]} */ ([
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["narrow", { viewport: { width: 360, height: 740 } }],
])) {
  test(`all views are accessible: ${name}`, async () => {
    const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
    await send("/audience", { token: "sk_mock_429x1.axe" });
    await send("/audience", { token: "sk_mock_429x1.axe" });
    await send("/audience?status=500", { token: "sk_mock_500" });
    await send("/nowhere", { token: "sk_mock_test.axe" });
    await control("POST", "faults", { fault: "500p25", name: "flaky" });
    const { requests } = await control("GET", "requests?status=429");
    const { tenants } = await control("GET", "tenants");
    const known = tenants.find((/** @type {any} */ { token }) => token === "sk_mock_test.axe");
    await withPage(
      async (page) => {
        await page.evaluate(axe);
        for (const hash of [
          ...["requests", `requests?id=${requests[0].id}`, "retries", "faults", `tenants?tenant=${known.tokenDigest}`],
          ...["stubs", "violations", "metrics", "settings", "help"],
        ]) {
          await page.evaluate((target) => (location.hash = `#/${target}`), hash);
          const view = page.locator("main > section");
          await view
            .locator(hash.startsWith("requests") ? ".statusbar" : ".card")
            .first()
            .waitFor();
          if (hash.includes("id=")) await page.getByRole("tab").first().waitFor();
          const { violations } = await page.evaluate(() =>
            /** @type {any} */ (globalThis).axe.run({
              runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
            }),
          );
          const found = violations.map(
            (/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`,
          );
          assert.deepEqual(found, [], hash);
          const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(width <= 0, `${hash} is ${width} px too wide`);
        }
      },
      { bypassCSP: true, ...options },
    );
  });
}

test("screenshots for the documentation", async () => {
  const folder = process.env.DASHBOARD_SCREENSHOTS;
  await control("POST", "faults", {
    fault: "500x1",
    name: "the list is flaky",
    match: { token: "sk_team", testId: "nightly" },
  });
  await send("/audience", { token: "sk_live_acme" });
  await send("/audience", { headers: {} });
  await send("/organization", { token: "sk_team" });
  for (const token of ["sk_team", "sk_mock_429x1.me"]) {
    await send("/audience", { token, headers: { "X-Test-Id": "nightly" } });
    await send("/audience", { token, headers: { "X-Test-Id": "nightly" } });
  }
  for (const [name, colorScheme] of /** @type {const} */ ([
    ["dashboard", "light"],
    ["dashboard-dark", "dark"],
  ])) {
    await withPage(
      async (page) => {
        await row(page, "429x1").last().click();
        await page.getByText("Rate limit exceeded").waitFor();
        const path = folder ? `${folder}/${name}.png` : undefined;
        await page.screenshot({ path });
      },
      { colorScheme, viewport: { width: 1360, height: 680 } },
    );
  }
});
