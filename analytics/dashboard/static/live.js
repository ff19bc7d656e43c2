// Keeps "now" and "today" fresh. Without this script the page shows what was so when it loaded.
// The server sends what is new; where it has no stream to spare, it is asked every second or so.
const ASK_EVERY_MS = 1000;
const STREAM_AGAIN_MS = 30000;
const TODAY_EVERY_MS = 20000;

const now = document.getElementById("now");
const today = document.getElementById("today");
const figure = document.getElementById("figure");
let stream = null;
let asking = 0;

function show(state) {
  now.dataset.state = state.state;
  for (const field of now.querySelectorAll("[data-field]")) {
    const text = state[field.dataset.field];
    if (text !== undefined && field.textContent !== text) field.textContent = text;
  }
  const timers = now.querySelector("[data-field=timers]");
  if (timers && state.timers_html !== undefined) timers.innerHTML = state.timers_html; // made by our server's template
  if (figure && state.figure) {
    figure.dataset.figure = state.figure;
    figure.dataset.slouched = String(state.slouched === true);
    figure.setAttribute("aria-label", `${state.headline}, ${state.detail}`);
    figure.querySelector(".lean").setAttribute("transform", `rotate(${Number(state.lean_deg)} 64 114)`);
  }
  if (state.events !== undefined && state.events !== now.dataset.events) {
    if (now.dataset.events !== undefined) refreshToday().catch(() => {});
    now.dataset.events = state.events;
  }
  now.dataset.live = stream ? "stream" : "asked";
}

async function ask() {
  clearTimeout(asking);
  try {
    const answer = await fetch(now.dataset.once);
    if (answer.status === 401 || answer.redirected) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
  } catch {
    show({ state: "stale", seen: now.dataset.lost, timers_html: "", figure: "none", headline: now.querySelector("[data-field=headline]").textContent, detail: "", lean_deg: 0 });
  }
  if (!stream && !document.hidden) asking = setTimeout(ask, ASK_EVERY_MS);
}

function follow() {
  if (document.hidden || stream) return;
  stream = new EventSource(now.dataset.stream);
  stream.onmessage = (event) => { clearTimeout(asking); show(JSON.parse(event.data)); };
  stream.onerror = () => {
    if (stream && stream.readyState !== EventSource.CLOSED) return; // the browser opens it again
    stop();
    ask();
    setTimeout(follow, STREAM_AGAIN_MS);
  };
}

function stop() {
  stream?.close();
  stream = null;
}

export async function refreshToday() {
  if (!today) return;
  const answer = await fetch(today.dataset.url);
  if (!answer.ok || answer.redirected) return;
  const open = [...today.querySelectorAll("details")].map((details) => details.open);
  today.innerHTML = await answer.text();
  today.querySelectorAll("details").forEach((details, n) => { details.open = open[n]; });
}

document.addEventListener("trunkline:diary", refreshToday);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return stop();
  follow();
  refreshToday().catch(() => {});
});
window.addEventListener("pagehide", stop);
if (today) setInterval(() => { if (!document.hidden) refreshToday().catch(() => {}); }, TODAY_EVERY_MS);
follow();
