// What the curves say where the pointer is.
for (const svg of document.querySelectorAll("svg.chart")) {
  const read = svg.closest(".panel").querySelector(".readout");
  const cross = svg.querySelector(".cross");
  const { frames, left, right } = svg.dataset;
  const curves = ["result", "reference"].filter((name) => svg.dataset[name]).map((name) => [
    name, svg.dataset[name].split(" ").map((pair) => pair.split(":")),
  ]);
  const show = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const wanted = Math.max(0, Math.min(1, (at - left) / (right - left))) * (frames - 1);
    const near = (points) => points.reduce((a, b) => (Math.abs(b[0] - wanted) < Math.abs(a[0] - wanted) ? b : a));
    const found = curves.map(([name, points]) => [name, near(points)]);
    const frame = found[0][1][0];
    const x = +left + ((right - left) * frame) / Math.max(1, frames - 1);
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    cross.setAttribute("visibility", "visible");
    const values = found.map(([name, point]) => (found.length > 1 ? `${name} ${point[1]}` : point[1]));
    read.textContent = `frame ${frame}: ${values.join(", ")}`;
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => {
    cross.setAttribute("visibility", "hidden");
    read.textContent = "";
  });
}
