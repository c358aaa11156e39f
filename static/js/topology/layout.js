// Where everything is: on a wide screen four columns from the host to its published ports, on a narrow one a list with
// the same nodes, further in the further they are from the host. Positions go into the nodes; answers the size.

const WIDE = {
  host: { w: 184, h: 62 }, network: { w: 240, h: 58 }, container: { w: 264, h: 48 }, more: { w: 264, h: 40 }, port: { w: 124, h: 22 },
  gapRow: 12, gapNetwork: 22, gapHost: 28, gapPort: 30, inset: 20,
};
const NARROW = {
  host: { h: 56 }, network: { h: 52 }, container: { h: 48 }, more: { h: 40 }, port: { w: 118, h: 24 },
  gapRow: 8, gapNetwork: 14, gapHost: 20, inset: 12, step: 18,
};
export const NARROW_BELOW = 940;
const PORT_GAP = 3;
const SHARED_INDENT = 22;

export function layout(graph, width) {
  return width < NARROW_BELOW ? narrow(graph, width) : wide(graph, width);
}

function wide(graph, width) {
  const free = width - 2 * WIDE.inset - WIDE.host.w - WIDE.network.w - WIDE.container.w - WIDE.gapPort - WIDE.port.w;
  const x = { host: WIDE.inset };
  x.network = x.host + WIDE.host.w + free * 0.42;
  x.container = x.network + WIDE.network.w + free * 0.58;
  x.port = x.container + WIDE.container.w + WIDE.gapPort;
  let y = 0;
  for (const host of graph.hosts) {
    const top = y + WIDE.inset;
    let bottom = top;
    for (const network of host.networks) bottom = wideChildren(network, x, bottom);
    bottom = Math.max(bottom - WIDE.gapNetwork, wideNetworks(graph, host, x, top), top + WIDE.host.h);
    // In the middle of what hangs on it, but never far below where one begins to read.
    place(host, x.host, Math.min((top + bottom - WIDE.host.h) / 2, top + 260), WIDE.host);
    host.panel = { x: 0, y, w: width, h: bottom + WIDE.inset - y };
    y = bottom + WIDE.inset + WIDE.gapHost;
  }
  return { width, height: Math.max(0, y - WIDE.gapHost), isNarrow: false };
}

/** The containers of one network, one below the other; answers where the next network's begin. */
function wideChildren(network, x, top) {
  let y = top;
  for (const child of network.children) {
    const size = WIDE[child.kind];
    const ports = child.ports.length * (WIDE.port.h + PORT_GAP) - PORT_GAP;
    const height = Math.max(size.h, ports);
    const indent = child.shares ? SHARED_INDENT : 0;
    place(child, x.container + indent, y + (height - size.h) / 2, { w: size.w - indent, h: size.h });
    child.ports.forEach((port, index) => place(port, x.port, y + (height - ports) / 2 + index * (WIDE.port.h + PORT_GAP), WIDE.port));
    y += height + WIDE.gapRow;
  }
  return network.children.length ? y - WIDE.gapRow + WIDE.gapNetwork : y;
}

/** Each network beside the middle of what is on it, as far as there is room; answers where the last one ends. */
function wideNetworks(graph, host, x, top) {
  const wanted = host.networks.map((network, index) => ({ network, index, middle: middleOf(graph, network) }));
  const last = Math.max(top, ...wanted.map(({ middle }) => middle ?? 0));
  // Empty ones come last, in their own order.
  for (const one of wanted) one.middle ??= last + one.index + 1;
  wanted.sort((a, b) => a.middle - b.middle || a.index - b.index);
  const each = WIDE.network.h + WIDE.gapNetwork;
  let y = top;
  for (const one of wanted) {
    one.y = Math.max(y, one.middle - WIDE.network.h / 2);
    y = one.y + each;
  }
  for (const one of wanted) place(one.network, x.network, one.y, WIDE.network);
  return Math.max(top, ...wanted.map((one) => one.y + WIDE.network.h));
}

function middleOf(graph, network) {
  const ends = graph.links.filter((link) => link.from === network.key).map((link) => graph.nodes.get(link.to));
  const near = ends.slice(0, 12); // of many, the first are what is looked at first
  return near.length ? near.reduce((sum, node) => sum + node.y + node.h / 2, 0) / near.length : null;
}

function narrow(graph, width) {
  let y = 0;
  for (const host of graph.hosts) {
    const top = y;
    y += NARROW.inset;
    const at = (node, depth) => {
      const x = NARROW.inset + depth * NARROW.step;
      place(node, x, y, { w: width - x - NARROW.inset, h: NARROW[node.kind].h });
      y += node.h + NARROW.gapRow;
    };
    at(host, 0);
    for (const network of host.networks) {
      at(network, 1);
      for (const child of network.children) {
        at(child, child.shares ? 3 : 2);
        y = narrowPorts(child, y);
      }
      y += NARROW.gapNetwork - NARROW.gapRow;
    }
    host.panel = { x: 0, y: top, w: width, h: y - NARROW.gapNetwork + NARROW.inset - top };
    y = host.panel.y + host.panel.h + NARROW.gapHost;
  }
  return { width, height: Math.max(0, y - NARROW.gapHost), isNarrow: true };
}

/** Below its container, as many in a row as there is room for. */
function narrowPorts(child, y) {
  const each = NARROW.port.w + 6;
  const inRow = Math.max(1, Math.floor((child.w - NARROW.step) / each));
  child.ports.forEach((port, index) => place(port, child.x + NARROW.step + (index % inRow) * each, y - 2 + Math.floor(index / inRow) * (NARROW.port.h + 4), NARROW.port));
  return child.ports.length ? y - 2 + Math.ceil(child.ports.length / inRow) * (NARROW.port.h + 4) + NARROW.gapRow - 2 : y;
}

function place(node, x, y, { w, h }) {
  Object.assign(node, { x: Math.round(x), y: Math.round(y), w: Math.round(w), h });
}

/** The line of a link between two placed nodes. */
export function lineOf(link, from, to, isNarrow) {
  if (isNarrow) return elbow(link, from, to);
  if (link.kind === "shared") return `M${from.x + 9} ${from.y + from.h}V${to.y + to.h / 2}H${to.x}`;
  const [x1, y1, x2, y2] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
  const bend = Math.max(24, (x2 - x1) * 0.5);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/** Down from the parent's left edge, then in; a further network of a container comes in from the right. */
function elbow(link, from, to) {
  if (link.further) {
    const x = Math.max(from.x + from.w, to.x + to.w) + 5;
    return `M${from.x + from.w} ${from.y + from.h / 2}C${x + 8} ${from.y + from.h / 2} ${x + 8} ${to.y + to.h / 2} ${to.x + to.w} ${to.y + to.h / 2}`;
  }
  const x = from.x + 9;
  const y = to.y + to.h / 2;
  return `M${x} ${from.y + from.h}V${y - 6}Q${x} ${y} ${x + 6} ${y}H${to.x}`;
}
