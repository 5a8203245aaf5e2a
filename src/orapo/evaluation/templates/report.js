"use strict";
(() => {
  const studies = [...document.querySelectorAll("article.study")];
  const label = document.getElementById("by-label");
  const kind = document.getElementById("by-kind");
  const count = document.getElementById("shown");
  if (!label || !kind || !count) return;
  const has = (list, wanted) => !wanted || list.split("|").includes(wanted);
  const show = () => {
    let shown = 0;
    for (const study of studies) {
      const fits = has(study.dataset.labels, label.value) && has(study.dataset.errors, kind.value);
      study.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = `${shown} of ${studies.length} studies shown`;
  };
  label.addEventListener("change", show);
  kind.addEventListener("change", show);
  document.getElementById("filters").hidden = false;
  show();
})();
