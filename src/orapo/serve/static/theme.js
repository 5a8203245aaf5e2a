// Light or dark: as the system has it, unless the button was pressed.

const KEPT = "orapo-theme";
const root = document.documentElement;
const button = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

function name() {
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
}

button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem(KEPT, root.dataset.theme);
  name();
});
const chosen = localStorage.getItem(KEPT);
if (chosen) root.dataset.theme = chosen;
dark.addEventListener("change", name);
name();
