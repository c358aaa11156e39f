// Removing volumes that nobody has.
import { size } from "../format.js";
import { startPruneDialog } from "../prune_dialog.js";

export function startPruneVolumes() {
  startPruneDialog({
    opener: "[data-prune-volumes]",
    path: "volumes/prune/",
    title: "Remove unused volumes",
    found: ({ volumes }) => ({
      sum: volumes.length ? `${volumes.length} volume${volumes.length > 1 ? "s" : ""} would go.` : "Nothing would go: a container has every volume of this kind.",
      rows: volumes.map((volume) => [volume.name]),
    }),
    done: (result) => `${result.removed?.length ?? 0} removed, ${size(result.reclaimed_bytes ?? 0)} free again.`,
  });
}
