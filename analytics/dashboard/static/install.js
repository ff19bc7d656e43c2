// The page can be put on a phone's home screen; without a connection it then says so.
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/service-worker.js").catch(() => {});
