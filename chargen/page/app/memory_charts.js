// How far back the network looks: two small charts and a sentence for each that reads them out.
// The numbers were measured at export. Computes sentences from numbers; knows no engine.

const MIN_NORM = 1e-9; // a gradient below is nothing to a weight
const STRAIGHT = 0.95; // the R² from which a curve is called exponential
const STEEP = 2.5; // halvings after which an exponential has still more than a tenth

/** The tokens after which the gradient halves, by least squares on its logarithm from one distance
 * on; null where the curve is no exponential that falls. */
function halvingDistance(distances, norms, from) {
  const points = distances
    .map((distance, at) => [distance, norms[at]])
    .filter(([distance, norm]) => distance >= from && norm >= MIN_NORM)
    .map(([distance, norm]) => [distance, Math.log2(norm)]);
  if (points.length < 3) return null;
  const mean = (which) => points.reduce((sum, point) => sum + point[which], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  let xx = 0,
    xy = 0,
    yy = 0;
  for (const [distance, log] of points) {
    xx += (distance - x) ** 2;
    xy += (distance - x) * (log - y);
    yy += (log - y) ** 2;
  }
  const slope = xy / xx;
  if (slope >= 0 || yy === 0 || xy ** 2 / (xx * yy) < STRAIGHT) return null;
  return -1 / slope;
}

/** The first distance from which on the gradient is below `share` of its beginning; null: never. */
function distanceBelow(distances, norms, share) {
  let found = null;
  for (let at = norms.length - 1; at > 0 && norms[at] < share * norms[0]; at--)
    found = distances[at];
  return found;
}

/** A number of tokens as people say it: below 10 with a decimal. */
function rounded(number, noun) {
  return counted(number < 10 ? Math.round(10 * number) / 10 : Math.round(number), noun);
}

function gradientInWords(memory, noun) {
  const { distances, gradient_norm: norms } = memory;
  const halving = halvingDistance(distances, norms, 1);
  const tenth = distanceBelow(distances, norms, 0.1),
    hundredth = distanceBelow(distances, norms, 0.01);
  if (tenth === null) {
    const left = Math.round((100 * norms.at(-1)) / norms[0]);
    return `${rounded(distances.at(-1), noun)} back, ${left} % of the gradient is left.`;
  }
  const later = halvingDistance(distances, norms, tenth);
  const shares =
    `a tenth of it is left after ${rounded(tenth, noun)}` +
    (hundredth === null ? "" : `, a hundredth after ${rounded(hundredth, noun)}`);
  let words = `Of the gradient that goes back, ${shares}.`;
  if (halving !== null && tenth > STEEP * halving) {
    words = `On its way back the gradient halves about every ${rounded(halving, noun)}: ${shares}.`;
  } else if (later !== null) {
    words =
      `On its way back the gradient falls steeply at first, to a tenth after ${rounded(tenth, noun)}; ` +
      `from there it halves about every ${rounded(later, noun)}.`;
  }
  return `${words} Where it is nearly zero, nothing teaches the network to connect the two places.`;
}

/** 95 % of what a context can gain is called all of it. */
function contextInWords(memory, noun) {
  const { contexts, loss } = memory;
  const best = Math.min(...loss),
    gain = loss[0] - best;
  const first = `After ${rounded(contexts[0], noun)} of context the next one costs ${inDecimals(loss[0])} nats`;
  if (gain < 0.01) return `${first}, and more of it does not help.`;
  const enough = contexts[loss.findIndex((nats) => nats <= loss[0] - 0.95 * gain)];
  const atBest = contexts[loss.indexOf(best)];
  return (
    `${first}, after ${rounded(atBest, noun)} ${inDecimals(best)}. ` +
    `Nearly all of the difference is made within ${rounded(enough, noun)}: that is about how far it looks back.`
  );
}

const CHART = { width: 360, height: 176, left: 44, right: 12, top: 12, bottom: 34 };

/** A chart of lines {name, kind, x, y} over one axis, as SVG. `axes` gives the ticks {at, text} of x
 * and y, and `x` and `y`, which turn numbers into shares of the axes from 0 to 1. */
function chartOf(lines, axes, xLabel, words) {
  const { width, height, left, right, top, bottom } = CHART;
  const placeX = (x) => left + axes.x(x) * (width - left - right);
  const placeY = (y) => height - bottom - axes.y(y) * (height - top - bottom);
  const chart = makeSvg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": words,
    class: "chart",
  });
  for (const { at, text } of axes.yTicks) {
    chart.append(
      makeSvg("line", {
        x1: left,
        x2: width - right,
        y1: placeY(at),
        y2: placeY(at),
        class: "grid",
      }),
      makeSvg("text", { x: left - 6, y: placeY(at) + 4, "text-anchor": "end" }, text),
    );
  }
  for (const { at, text } of axes.xTicks) {
    chart.append(
      makeSvg("text", { x: placeX(at), y: height - bottom + 15, "text-anchor": "middle" }, text),
    );
  }
  chart.append(makeSvg("text", { x: width - right, y: height - 3, "text-anchor": "end" }, xLabel));
  for (const { name, kind, x, y } of lines) {
    const points = x.map((at, place) => `${placeX(at).toFixed(1)},${placeY(y[place]).toFixed(1)}`);
    const line = makeSvg("polyline", { points: points.join(" "), class: `curve ${kind}` });
    line.dataset.x = JSON.stringify(x);
    line.dataset.y = JSON.stringify(y);
    chart.append(line);
    if (x.length < 20) {
      for (const point of points) {
        const [cx, cy] = point.split(",");
        chart.append(makeSvg("circle", { cx, cy, r: 2.5, class: `point ${kind}` }));
      }
    }
  }
  if (lines.length > 1) {
    for (const [row, { name, kind }] of lines.entries()) {
      const place = {
        x: width - right,
        y: top + 14 + 15 * row,
        "text-anchor": "end",
        class: `name ${kind}`,
      };
      chart.append(makeSvg("text", place, name));
    }
  }
  return chart;
}

function gradientChart(memory, noun) {
  const drawable = (norms) => {
    const kept = memory.distances.map((x, at) => [x, norms[at]]).filter(([, y]) => y >= MIN_NORM);
    return { x: kept.map(([x]) => x), y: kept.map(([, y]) => y) };
  };
  const lines = [{ name: "state h", kind: "high", ...drawable(memory.gradient_norm) }];
  if (memory.cell_gradient_norm) {
    lines.unshift({ name: "memory c", kind: "low", ...drawable(memory.cell_gradient_norm) });
  }
  const logs = lines.flatMap((line) => line.y.map(Math.log10));
  if (logs.length === 0) return null;
  const low = Math.floor(Math.min(...logs)),
    high = Math.max(low + 1, Math.ceil(Math.max(...logs) - 0.05));
  const step = Math.ceil((high - low) / 4),
    longest = memory.distances.at(-1);
  const powers = [];
  for (let power = high; power >= low; power -= step) {
    powers.push({
      at: 10 ** power,
      text: power === 0 ? "1" : power === 1 ? "10" : `10${superscript(power)}`,
    });
  }
  const axes = {
    x: (distance) => distance / longest,
    y: (norm) => (Math.log10(norm) - low) / (high - low),
    xTicks: [0, 1, 2, 3, 4]
      .map((quarter) => (quarter * longest) / 4)
      .map((at) => ({ at, text: String(at) })),
    yTicks: powers,
  };
  return chartOf(lines, axes, `${noun}s back`, gradientInWords(memory, noun));
}

function contextChart(memory, noun) {
  const { contexts, loss } = memory;
  const low = Math.min(...loss),
    high = Math.max(...loss, low + 0.01),
    longest = Math.log2(contexts.at(-1)) || 1;
  const places = contexts.filter((_, at) => at % Math.ceil(contexts.length / 6) === 0);
  const axes = {
    x: (context) => Math.log2(context) / longest,
    y: (nats) => (nats - low) / (high - low),
    xTicks: places.map((context) => ({ at: context, text: String(context) })),
    yTicks: [low, (low + high) / 2, high].map((nats) => ({ at: nats, text: inDecimals(nats) })),
  };
  const line = { name: "loss", kind: "high", x: contexts, y: loss };
  return chartOf([line], axes, `${noun}s read before`, contextInWords(memory, noun));
}

function superscript(number) {
  return String(number).replace(/./g, (sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻");
}

/** Both as figures; an empty list where nothing was measured. */
function memoryFigures(memory, noun) {
  if (!memory) return [];
  const figures = [
    [
      "Loss by context",
      "nats per token, by how much was read before it",
      contextChart,
      contextInWords,
    ],
    [
      "The vanishing gradient",
      "its norm, by how far it has traveled back",
      gradientChart,
      gradientInWords,
    ],
  ];
  return figures.flatMap(([title, what, chart, words]) => {
    const picture = chart(memory, noun);
    if (picture === null) return [];
    return [
      make(
        "figure",
        { className: "memory" },
        make("h3", {}, title),
        make("p", { className: "what" }, `${what}; measured on ${memory.measured_on}`),
        picture,
        make("figcaption", {}, words(memory, noun)),
      ),
    ];
  });
}
