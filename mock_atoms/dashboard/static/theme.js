/** Light or dark: as the system prefers, until the reader chooses. */

const KEY = "mock-atoms-theme";

const chosen = localStorage.getItem(KEY);
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;

/** Switch to the other theme, and remember it. */
export function toggleTheme() {
  const { dataset } = document.documentElement;
  const isDark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem(KEY, dataset.theme);
}
