// Two taps: what and where, then how strong. Without this script the form is sent as a form.
// Without a connection an entry waits on this phone, and is sent with the time it was felt.
const form = document.getElementById("diary");
const notice = document.getElementById("notice");
const token = document.querySelector("meta[name=csrf-token]").content;
const words = form.dataset;
const SIDE = "trunkline-side";
const WAITING = "trunkline-waiting";
const MOST_WAITING = 50;
const OLDEST_MS = 24 * 3600 * 1000;
let hideTimer;

function tell(text, undo) {
  clearTimeout(hideTimer);
  notice.replaceChildren();
  const line = document.createElement("p");
  line.textContent = text;
  notice.append(line);
  if (undo) {
    const button = document.createElement("button");
    button.textContent = words.undo;
    button.className = "quiet";
    button.addEventListener("click", () => takeBack(undo.url));
    notice.append(button);
  }
  notice.hidden = false;
  hideTimer = setTimeout(() => { notice.hidden = true; }, undo ? undo.seconds * 1000 : 6000);
}

async function send(url, method, said) {
  const headers = { "X-CSRFToken": token, "Content-Type": "application/json" };
  const answer = await fetch(url, { method, body: said && JSON.stringify(said), headers });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error?.message ?? json.error);
  document.dispatchEvent(new Event("trunkline:diary"));
  return json;
}

async function takeBack(url) {
  try {
    await send(url, "DELETE");
    tell(words.takenBack);
  } catch (error) {
    tell(words.notTakenBack.replace("{why}", error.message));
  }
}

function waiting() {
  try {
    return JSON.parse(localStorage.getItem(WAITING)) ?? [];
  } catch {
    return [];
  }
}

async function sendWaiting() {
  for (let left = waiting(); left.length; left = waiting()) {
    if (Date.now() - Date.parse(left[0].at_utc) < OLDEST_MS) {
      try {
        const saved = await send(form.dataset.api, "POST", left[0]);
        tell(words.sent.replace("{what}", saved.text));
      } catch (error) {
        if (error instanceof TypeError) return; // still no connection
        tell(words.notSaved.replace("{why}", error.message));
      }
    }
    localStorage.setItem(WAITING, JSON.stringify(waiting().slice(1)));
  }
}

function saidIn(fields) {
  const [symptom, site] = (fields.get("what") ?? "").split(".");
  return { symptom, site, side: fields.get("side") || null, severity: Number(fields.get("severity")) };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = saidIn(new FormData(form, event.submitter));
  try {
    const saved = await send(form.dataset.api, "POST", said);
    tell(words.saved.replace("{what}", saved.text), { url: `${form.dataset.api}/${saved.id}`, seconds: saved.undo_s });
  } catch (error) {
    if (error instanceof TypeError && waiting().length < MOST_WAITING) {
      const kept = { ...said, at_utc: new Date().toISOString() };
      localStorage.setItem(WAITING, JSON.stringify([...waiting(), kept]));
      tell(words.kept);
    } else {
      return tell(words.notSaved.replace("{why}", error.message));
    }
  }
  for (const choice of form.querySelectorAll("input[name=what]")) choice.checked = false;
});

// The side is remembered on this phone, because most people's is always the same.
form.addEventListener("change", (event) => {
  if (event.target.name === "side") localStorage.setItem(SIDE, event.target.value);
});
const side = form.querySelector(`input[name=side][value="${CSS.escape(localStorage.getItem(SIDE) ?? "")}"]`);
if (side) side.checked = true;

document.addEventListener("submit", (event) => {
  if (event.target.matches("form.undo")) {
    event.preventDefault();
    takeBack(event.target.dataset.api);
  }
});
window.addEventListener("online", sendWaiting);
sendWaiting();
