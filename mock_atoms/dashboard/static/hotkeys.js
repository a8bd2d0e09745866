/** Actions of single keys. They can be switched off, because speech input and slips press keys too. */

const KEY = "mock-atoms-hotkeys";

/** @returns {boolean} */
export const hasHotkeys = () => localStorage.getItem(KEY) !== "off";

/** @param {boolean} isOn */
export const setHotkeys = (isOn) => localStorage.setItem(KEY, isOn ? "on" : "off");

/**
 * Call the function of a key that is pressed outside of fields and buttons.
 * @param {Record<string, () => void>} actions
 */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const action = actions[event.key];
    if (!action || document.querySelector("dialog[open]")) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const isField = target.closest("input, textarea, select") !== null;
    if (event.key === "Escape" ? false : isField || !hasHotkeys()) return;
    if (event.key === " " && target.closest("button, a, summary, [role=tab], .detail, .scroll")) return;
    event.preventDefault();
    action();
  });
}
