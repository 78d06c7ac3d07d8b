"use strict";
// Before anything is drawn: light or dark, as this browser's user chose, else as the system is. Without JavaScript it is light.

const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function chosenTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage may be forbidden
  }
}

function applyTheme() {
  document.documentElement.dataset.theme = chosenTheme() || (darkSystem.matches ? "dark" : "light");
}

function switchTheme() {
  const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", other);
  } catch {
    // then it holds until the next page
  }
  document.documentElement.dataset.theme = other;
}

darkSystem.addEventListener("change", applyTheme);
applyTheme();
document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", switchTheme);
});
