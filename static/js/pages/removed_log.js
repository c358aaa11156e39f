// The log of a container that is no more.
import { $ } from "../dom.js";
import { LogViewer } from "../log/viewer.js";

const log = new LogViewer($("#log"), $("#removed").dataset.id, { live: false });
log.open();
