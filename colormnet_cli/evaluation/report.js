// Shows the values under the pointer. The coordinates of a curve are its data: frame number and negated value.
for (const plot of document.querySelectorAll(".plot")) {
  const output = plot.parentElement.querySelector("output");
  const { rate, digits } = plot.dataset;
  plot.onpointermove = (event) => {
    const box = plot.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width) * plot.querySelector("svg").viewBox.baseVal.width;
    const near = (points) => points.reduce((a, b) => (Math.abs(b.x - wanted) < Math.abs(a.x - wanted) ? b : a));
    const found = ["result", "reference"].flatMap((name) => {
      const points = [...plot.querySelectorAll(`polyline.${name}`)].flatMap((line) => [...line.points]);
      return points.length ? [[name, near(points)]] : [];
    });
    const frame = found[0][1].x;
    const time = rate ? new Date((1000 * frame) / rate).toISOString().slice(12, 23) + ", " : "";
    output.textContent = `${time}frame ${frame}: ` + found.map(([name, p]) => `${name} ${(-p.y).toFixed(digits)}`).join(", ");
  };
  plot.onpointerleave = () => (output.textContent = "");
}
