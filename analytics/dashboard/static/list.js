// Live posture of every wearer in the list.
const EVERY_MS = 3000;
const list = document.getElementById("wearers");

function show(row, state) {
  row.dataset.state = state.state;
  for (const name of ["headline", "seen"]) {
    row.querySelector(`[data-field=${name}]`).textContent = state[name];
  }
  if (state.battery_pct !== null) {
    row.querySelector("[data-field=battery_pct]").textContent = `${state.battery_pct} %`;
  }
}

async function poll() {
  try {
    const answer = await fetch(list.dataset.url);
    if (answer.status === 401) return location.reload();
    const states = answer.ok ? await answer.json() : {};
    for (const row of list.querySelectorAll("tr[data-wearer]")) {
      const state = states[row.dataset.wearer];
      if (state) show(row, state);
    }
  } catch {
    for (const row of list.querySelectorAll("tr[data-wearer]")) row.dataset.state = "stale";
  }
  setTimeout(poll, document.hidden ? 10 * EVERY_MS : EVERY_MS);
}

if (list) setTimeout(poll, EVERY_MS);
