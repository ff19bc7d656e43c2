// Two taps: what and where, then how strong. Without this script the form is sent as a form.
const form = document.getElementById("diary");
const notice = document.getElementById("notice");
const token = document.querySelector("meta[name=csrf-token]").content;
const SIDE = "trunkline-side";
let hideTimer;

function tell(text, undo) {
  clearTimeout(hideTimer);
  notice.replaceChildren();
  const line = document.createElement("p");
  line.textContent = text;
  notice.append(line);
  if (undo) {
    const button = document.createElement("button");
    button.textContent = "Undo";
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
  if (!answer.ok) throw new Error(json.error);
  document.dispatchEvent(new Event("trunkline:diary"));
  return json;
}

async function takeBack(url) {
  try {
    await send(url, "DELETE");
    tell("Taken back");
  } catch (error) {
    tell(`Not taken back: ${error.message}`);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form, event.submitter);
  const [symptom, site] = (fields.get("what") ?? "").split(".");
  const said = { symptom, site, side: fields.get("side") || null, severity: Number(fields.get("severity")) };
  try {
    const saved = await send(form.dataset.api, "POST", said);
    tell(`Saved: ${saved.text}`, { url: `${form.dataset.api}/${saved.id}`, seconds: saved.undo_s });
    for (const choice of form.querySelectorAll("input[name=what]")) choice.checked = false;
  } catch (error) {
    tell(`Not saved: ${error.message}`);
  }
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
