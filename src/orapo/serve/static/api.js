// Requests to this server, with the token where it asks for one.

export class Fault extends Error {}

const KEPT = "orapo-token";
let asking = null;

function askForToken(again) {
  asking ??= new Promise((done) => {
    const dialog = document.getElementById("token-dialog");
    const field = document.getElementById("token");
    document.getElementById("token-why").textContent = again
      ? "That token is wrong."
      : "This server asks for a token. It is kept until this tab is closed.";
    field.value = "";
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEPT, field.value.trim());
      field.value = "";
      asking = null;
      done();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export async function request(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEPT);
    const headers = { ...options.headers };
    if (token) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Fault("The server does not answer.");
    }
    if (answer.status === 401) {
      if (sessionStorage.getItem(KEPT) === token) await askForToken(Boolean(token));
      continue;
    }
    if (!answer.ok) throw new Fault(await reason(answer));
    return answer;
  }
}

async function reason(answer) {
  let detail = `The server says ${answer.status}.`;
  try {
    detail = (await answer.json()).detail || detail;
  } catch { /* no JSON: the status must do */ }
  return detail.charAt(0).toUpperCase() + detail.slice(1);
}

export function post(path, body, options = {}) {
  const json = !(body instanceof FormData);
  return request(path, {
    ...options,
    method: "POST",
    headers: json ? { "Content-Type": "application/json" } : {},
    body: json ? JSON.stringify(body) : body,
  });
}

// Server-sent events of an answer to POST, which EventSource can't ask for.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const event = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (event) yield { event, data: JSON.parse(data) };
    }
  }
}
