// Draws the figures that came with the page.
const figures = JSON.parse(document.getElementById("figures").textContent);
const config = { displayModeBar: false, responsive: true };

for (const element of document.querySelectorAll(".chart")) {
  const figure = figures[element.id];
  await Plotly.newPlot(element, figure.data, figure.layout, config);
}
document.body.dataset.charts = "drawn";
