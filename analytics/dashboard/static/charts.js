// Draws the figures that came with the page.
const figures = JSON.parse(document.getElementById("figures").textContent);
const config = { displayModeBar: false, responsive: true };

for (const [id, figure] of Object.entries(figures)) {
  await Plotly.newPlot(id, figure.data, figure.layout, config);
}
document.body.dataset.charts = "drawn";
