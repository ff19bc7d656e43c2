// Progress of exports that are being made; the page is loaded again when one is done.
const EVERY_MS = 1500;
const list = document.getElementById("exports");
const open = () => [...list.querySelectorAll("[data-state=waiting], [data-state=running]")];

async function poll() {
  try {
    const answer = await fetch(list.dataset.url);
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const jobs = new Map((await answer.json()).map((job) => [job.id, job]));
    for (const item of open()) {
      const job = jobs.get(item.dataset.job);
      if (!job || job.state === "ready" || job.state === "failed") return location.reload();
      item.querySelector("progress").value = job.share;
    }
  } catch {
    // The next time is soon.
  }
  setTimeout(poll, EVERY_MS);
}

if (open().length) setTimeout(poll, EVERY_MS);
