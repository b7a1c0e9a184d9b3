
"use strict";
const pairs = [...document.querySelectorAll(".pair")];
const texts = pairs.map((pair) => pair.querySelector("summary").textContent.toLowerCase() + [...pair.querySelectorAll("h3 code")].map((code) => code.textContent.toLowerCase()).join(" "));
const search = document.getElementById("search");
const boxes = [...document.querySelectorAll("#filter input[type=checkbox]")];
function filter() {
  const wanted = search.value.trim().toLowerCase().split(/\s+/);
  const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  pairs.forEach((pair, at) => {
    pair.hidden = !(verdicts.has(pair.dataset.verdict) && wanted.every((word) => texts[at].includes(word)));
    shown += !pair.hidden;
  });
  document.getElementById("shown").textContent = shown === pairs.length ? "" : `${shown} of ${pairs.length} shown`;
}
search.addEventListener("input", filter);
boxes.forEach((box) => box.addEventListener("change", filter));
