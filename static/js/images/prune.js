// Removing unused images, and how much that frees.
import { size } from "../format.js";
import { startPruneDialog } from "../prune_dialog.js";

export function startPruneImages() {
  startPruneDialog({
    opener: "[data-prune-images]",
    path: "images/prune/",
    title: "Remove unused images",
    found: ({ images, reclaimed_bytes: bytes }) => ({
      sum: images.length ? `${images.length} image${images.length > 1 ? "s" : ""} would go, and at least ${size(bytes)} be free again.` : "Nothing would go: every image of this kind is used.",
      rows: images.map((image) => [image.tags.length ? image.tags.join(", ") : image.id.slice(7, 19), size(image.size_bytes)]),
    }),
    done: (result) => `${result.deleted?.length ?? 0} removed, ${size(result.reclaimed_bytes ?? 0)} free again.`,
  });
}
