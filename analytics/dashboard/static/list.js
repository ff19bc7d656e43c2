// What the wearers that can be seen in the list do right now.
const EVERY_MS = 3000;
const MOST = 60;
const list = document.getElementById("wearers");
const inView = new Set();

function show(row, state) {
  row.dataset.state = state.state;
  row.querySelector("[data-field=headline]").textContent = state.headline;
  row.querySelector("[data-field=seen]").textContent = state.seen;
  if (state.battery_pct !== null) row.querySelector("[data-field=battery_pct]").textContent = `${state.battery_pct} %`;
}

async function ask() {
  const rows = [...inView].slice(0, MOST);
  if (rows.length && !document.hidden) {
    const query = new URLSearchParams(rows.map((row) => ["wearer", row.dataset.wearer]));
    try {
      const answer = await fetch(`${list.dataset.url}?${query}`);
      if (answer.status === 401 || answer.redirected) return location.reload();
      const states = answer.ok ? await answer.json() : {};
      for (const row of rows) if (states[row.dataset.wearer]) show(row, states[row.dataset.wearer]);
    } catch {
      for (const row of rows) row.dataset.state = "stale";
    }
  }
  setTimeout(ask, EVERY_MS);
}

if (list) {
  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) inView[isIntersecting ? "add" : "delete"](target);
  });
  for (const row of list.querySelectorAll("tr[data-wearer]")) watcher.observe(row);
  setTimeout(ask, 200);
}
