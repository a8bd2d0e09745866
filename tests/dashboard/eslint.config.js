import js from "@eslint/js";

const browser = [
  ...[
    "addEventListener",
    "atob",
    "clearTimeout",
    "document",
    "fetch",
    "history",
    "localStorage",
    "location",
    "matchMedia",
  ],
  ...[
    "navigator",
    "requestAnimationFrame",
    "sessionStorage",
    "setInterval",
    "setTimeout",
    "AbortSignal",
    "AbortController",
  ],
  ...[
    "Blob",
    "Element",
    "EventTarget",
    "HTMLElement",
    "Node",
    "ResizeObserver",
    "Response",
    "TextDecoder",
    "URL",
    "URLSearchParams",
  ],
];

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2024, globals: Object.fromEntries(browser.map((name) => [name, "readonly"])) },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({ property, message: "insert text" })),
      ],
      "no-shadow": "off",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
    },
  },
];
