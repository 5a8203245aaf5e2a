// What was typed and not exported yet, in this browser: a reload loses nothing.

const PREFIX = "orapo-study-";

export function keptStudies() {
  const found = [];
  for (let place = 0; place < localStorage.length; place++) {
    const name = localStorage.key(place);
    if (!name.startsWith(PREFIX)) continue;
    try {
      found.push(JSON.parse(localStorage.getItem(name)));
    } catch {
      localStorage.removeItem(name);
    }
  }
  return found.sort((one, other) => (one.at ?? 0) - (other.at ?? 0));
}

// Returns whether it could be kept.
export function keep(study) {
  const typed = study.noted || (study.text ? study.text !== study.exported : study.reference);
  const name = PREFIX + study.id;
  try {
    if (!typed) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify({ ...study.toJSON(), at: study.number }));
    return true;
  } catch {
    return false; // its place is full, or closed to pages
  }
}

export function forget(study) {
  localStorage.removeItem(PREFIX + study.id);
}

export function forgetAll() {
  for (const { id } of keptStudies()) localStorage.removeItem(PREFIX + id);
}

// Another tab of this browser wrote or forgot a study.
export function onKeptElsewhere(changed) {
  window.addEventListener("storage", (event) => {
    if (!event.key?.startsWith(PREFIX)) return;
    changed(event.key.slice(PREFIX.length), event.newValue ? JSON.parse(event.newValue) : null);
  });
}
