// Follows a step while it is done. Without this script the page loads itself again.
const EVERY_MS = 1000;
const steps = document.getElementById("calibration");

function pending() {
  return steps.querySelector(".steps").dataset.pending === "yes";
}

async function follow() {
  try {
    const answer = await fetch(steps.dataset.url);
    if (answer.status === 401 || answer.redirected) return location.reload();
    if (answer.ok) steps.innerHTML = await answer.text();
  } catch {
    // the next look may reach the server again
  }
  if (pending()) setTimeout(follow, EVERY_MS);
}

if (pending()) setTimeout(follow, EVERY_MS);
