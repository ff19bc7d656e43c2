// Keeps "now" and "today" fresh. Without this script the page shows what was so when it loaded.
const NOW_EVERY_MS = 1000;
const TODAY_EVERY_MS = 20000;

const now = document.getElementById("now");
const today = document.getElementById("today");

function show(state) {
  now.dataset.state = state.state;
  for (const field of now.querySelectorAll("[data-field]")) {
    const text = state[field.dataset.field];
    if (field.textContent !== text) field.textContent = text;
  }
}

async function pollNow() {
  try {
    const answer = await fetch(now.dataset.url);
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
  } catch {
    show({
      state: "stale", headline: "No connection", detail: "Trying again…",
      seen: "This page is not up to date", battery: "",
    });
  }
  setTimeout(pollNow, document.hidden ? 10 * NOW_EVERY_MS : NOW_EVERY_MS);
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
if (today) setInterval(() => { if (!document.hidden) refreshToday().catch(() => {}); }, TODAY_EVERY_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden && today) refreshToday(); });
setTimeout(pollNow, NOW_EVERY_MS);
