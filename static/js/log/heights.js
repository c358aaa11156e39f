// Where each row of a long list lies. Rows of one height need no table; rows of different heights are kept in a
// Fenwick tree, so that a million rows are placed, found and corrected in twenty steps each.

export class EvenHeights {
  constructor(height) {
    this.height = height;
    this.count = 0;
  }

  set() {}

  /** Pixels above row `index`. */
  top(index) {
    return index * this.height;
  }

  get total() {
    return this.count * this.height;
  }

  /** The row at `pixel`. */
  find(pixel) {
    return Math.min(Math.max(0, this.count - 1), Math.max(0, Math.floor(pixel / this.height)));
  }
}

export class UnevenHeights {
  constructor() {
    this.values = [];
    this.tree = [0];
  }

  get count() {
    return this.values.length;
  }

  push(height) {
    this.values.push(height);
    const at = this.values.length;
    let sum = height;
    for (let step = 1; step < (at & -at); step <<= 1) sum += this.tree[at - step];
    this.tree.push(sum);
  }

  set(index, height) {
    const change = height - this.values[index];
    if (!change) return;
    this.values[index] = height;
    for (let at = index + 1; at < this.tree.length; at += at & -at) this.tree[at] += change;
  }

  top(index) {
    let sum = 0;
    for (let at = index; at > 0; at -= at & -at) sum += this.tree[at];
    return sum;
  }

  get total() {
    return this.top(this.values.length);
  }

  find(pixel) {
    let at = 0;
    let left = pixel;
    let step = 1;
    while (step << 1 < this.tree.length) step <<= 1;
    for (; step > 0; step >>= 1) {
      if (at + step < this.tree.length && this.tree[at + step] <= left) {
        at += step;
        left -= this.tree[at];
      }
    }
    return Math.min(at, Math.max(0, this.values.length - 1));
  }
}
