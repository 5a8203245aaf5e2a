"use strict";
(() => {
  const studies = [...document.querySelectorAll("article.study")];
  const label = document.getElementById("by-label");
  const kind = document.getElementById("by-kind");
  const count = document.getElementById("shown");
  if (!label || !kind || !count) return;
  // What happened to which label; both filters must fit the same label ("missed" edema).
  const casesOf = (study) =>
    study.dataset.cases ? study.dataset.cases.split("|").map((one) => one.split(":")) : [];
  const fits = (study) => {
    const cases = casesOf(study);
    const about = cases.filter(([, name]) => !label.value || name === label.value);
    if (kind.value === "none")
      return cases.every(([what]) => what === "found") && (!label.value || about.length > 0);
    if (kind.value) return about.some(([what]) => what === kind.value);
    return !label.value || about.length > 0;
  };
  const show = () => {
    let shown = 0;
    for (const study of studies) {
      study.hidden = !fits(study);
      shown += study.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${studies.length} studies shown`;
  };
  label.addEventListener("change", show);
  kind.addEventListener("change", show);
  document.getElementById("filters").hidden = false;
  show();
})();
